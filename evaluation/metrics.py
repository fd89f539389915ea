"""The measures of weakly supervised localization, from maps, boxes and masks alone: no files, no model.

`iou` is the continuous one, on rectangles in [0, 1] or in pixels, that scores the boxes that stream. Everything below
it follows the benchmark's own protocol to the pixel: a map is made 224 x 224, cut into 8 bits, and boxed at thresholds
0, .001, ... .999; a set's number is the maximum over its thresholds, taken once for the whole set, never per image.

Source: Choe, Oh, Lee, Chun, Akata and Shim, "Evaluating Weakly Supervised Object Localization Methods Right", 2020
(MaxBoxAcc, MaxBoxAccV2, PxAP).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Boxes = NDArray[np.int64]  # [N, 4]: x0, y0, x1, y1 in pixels of the SIDE x SIDE map

SIDE = 224  # pixels
TAUS = np.arange(0, 1, 0.001)  # thresholds, as shares of a map's maximum
DELTAS = (0.3, 0.5, 0.7)  # IoUs that MaxBoxAccV2 asks for
DELTA = 0.5  # and the one that MaxBoxAcc asks for
BIN_EDGES = np.append(TAUS, (1.0, 2.0, 3.0))  # of PxAP's histograms; nothing is above 1, so the first recall is 0


def iou(boxes: Sequence[Sequence[float]], truths: Sequence[Sequence[float]]) -> Float64:
    """Continuous intersection over union of boxes (x0, y0, x1, y1) in one unit: [N, M], 0 for boxes without area."""
    return _iou(np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(truths, np.float64).reshape(-1, 4), 0.0)


def best_iou(boxes: Sequence[Sequence[float]], truths: Sequence[Sequence[float]]) -> float:
    """`iou` of the best pair, 0 when there is no pair: how a picture with several objects is scored."""
    return float(iou(boxes, truths).max(initial=0.0))


def inclusive_iou(boxes: Boxes, truths: Boxes) -> Float64:
    """The benchmark's intersection over union, [N, M]: both corners belong to a box, so sides are x1 - x0 + 1."""
    return _iou(boxes.astype(np.float64), truths.astype(np.float64), 1.0)


def score_map(grid: Float32) -> Float32:
    """A class map [h, w] of any range as float32 [SIDE, SIDE] in [0, 1]: bicubic, then min-max.

    A constant map becomes zeros, and so does one with NaN in it.
    """
    heat = cv2.resize(grid.astype(np.float32, copy=False), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    heat = np.asarray(heat, np.float32)
    if not np.isfinite(heat).all() or heat.min() == heat.max():
        return np.zeros((SIDE, SIDE), np.float32)
    heat = heat - heat.min()
    return np.asarray(heat / heat.max(), np.float32)


def truth_boxes(boxes: Sequence[Sequence[float]], size: tuple[int, int]) -> Boxes:
    """Annotated boxes on the map: scaled, then cut to whole numbers.

    Args:
        boxes: first and last pixels x0, y0, x1, y1 in a picture of `size` (width, height).
    """
    sides = np.array((*size, *size), np.float64)
    return (np.asarray(boxes, np.float64).reshape(-1, 4) * float(SIDE) / sides).astype(np.int64)


@dataclass(frozen=True, eq=False)
class BoxIous:
    """One picture's IoU at each of `TAUS`: of the largest contour's box, and of the best contour's; float64 [1000]."""

    largest: Float64
    any: Float64


def box_ious(heat: Float32, truths: Boxes) -> BoxIous:
    """Box a score map at every threshold and compare with the annotated boxes.

    At most 256 thresholds differ in 8 bits, so each whole number is boxed once and the thousand `TAUS` look it up.

    Args:
        heat: [H, W] in [0, 1], as of `score_map`.
        truths: [M, 4], M >= 1, in the map's pixels.
    """
    quantised = (heat * 255).astype(np.uint8)  # truncation, not rounding
    peak = int(quantised.max())
    levels = (TAUS * peak).astype(np.int64)
    occupied = np.bincount(quantised.ravel(), minlength=256) > 0
    largest, best = np.zeros(256), np.zeros(256)
    for level in range(int(levels[-1]) + 1):
        if level and not occupied[level]:  # the same pixels as at the level below
            largest[level], best[level] = largest[level - 1], best[level - 1]
            continue
        boxes, first = _contour_boxes(quantised, level)
        ious = inclusive_iou(boxes, truths).max(axis=1)
        largest[level], best[level] = ious[first], ious.max()
    return BoxIous(largest[levels], best[levels])


def _contour_boxes(quantised: NDArray[np.uint8], level: int) -> tuple[Boxes, int]:
    """The boxes of all contours, inner ones too, of the pixels above `level`, and the index of the largest contour.

    Where there is none, the one box is [0, 0, 0, 0].
    """
    _, mask = cv2.threshold(quantised, level, 255, cv2.THRESH_BINARY)
    contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return np.zeros((1, 4), np.int64), 0
    spans = np.array([cv2.boundingRect(contour) for contour in contours], np.int64)
    height, width = quantised.shape
    boxes = np.concatenate([spans[:, :2], np.minimum(spans[:, :2] + spans[:, 2:], (width - 1, height - 1))], axis=1)
    first = 0 if len(contours) == 1 else int(np.argmax([cv2.contourArea(contour) for contour in contours]))
    return boxes, first


class BoxAccuracy:
    """MaxBoxAcc and MaxBoxAccV2 of a set, gathered picture by picture in constant memory."""

    def __init__(self) -> None:
        self.images = 0
        self._largest = np.zeros(len(TAUS), np.int64)  # pictures right at DELTA
        self._any = np.zeros((len(DELTAS), len(TAUS)), np.int64)

    def add(self, ious: BoxIous) -> None:
        """Count one picture."""
        self.images += 1
        self._largest += ious.largest >= DELTA
        self._any += ious.any >= np.array(DELTAS)[:, None]

    @property
    def max_box_acc(self) -> float:
        """The share of pictures whose largest contour's box has IoU >= .5, at the set's best threshold; [0, 1]."""
        return float(self._largest.max() / self.images)

    @property
    def max_box_acc_v2(self) -> float:
        """The mean over `DELTAS` of the share at each one's own best threshold, any contour counting; [0, 1]."""
        return float((self._any.max(axis=1) / self.images).mean())


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """How many pixels of one picture, inside and outside the object, have a map value in each bin of `BIN_EDGES`."""

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]


def pixel_counts(heat: Float32, mask: NDArray[np.bool_], ignore: NDArray[np.bool_] | None = None) -> PixelCounts:
    """Sort a score map's pixels by value; all arrays [H, W], `heat` in [0, 1].

    Pixels of `ignore` that are not the object's are left out.
    """
    outside = ~mask if ignore is None else ~mask & ~ignore
    return PixelCounts(np.histogram(heat[mask], BIN_EDGES)[0], np.histogram(heat[outside], BIN_EDGES)[0])


class PixelPrecision:
    """PxAP of a set: the area under precision and recall of all its pixels, gathered in constant memory."""

    def __init__(self) -> None:
        self._inside = np.zeros(len(BIN_EDGES) - 1, np.int64)
        self._outside = np.zeros(len(BIN_EDGES) - 1, np.int64)

    def add(self, counts: PixelCounts) -> None:
        """Count one picture."""
        self._inside += counts.inside
        self._outside += counts.outside

    @property
    def average_precision(self) -> float | None:
        """The sum over falling thresholds of precision times the gain in recall, [0, 1]; None without object pixels."""
        true = self._inside[::-1].cumsum()
        if true[-1] == 0:
            return None
        claimed = true + self._outside[::-1].cumsum()
        precision = true / np.maximum(claimed, 1)  # nothing claimed: no gain in recall either
        return float((precision * np.diff(true / true[-1], prepend=0.0)).sum())


def _iou(boxes: Float64, truths: Float64, closed: float) -> Float64:
    """[N, M]; `closed` is 1 where the corner pixel (x1, y1) is part of a box, else 0."""
    low = np.maximum(boxes[:, None, :2], truths[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truths[None, :, 2:])
    overlap = np.maximum(high - low + closed, 0).prod(axis=2)
    area = np.maximum(boxes[:, 2:] - boxes[:, :2] + closed, 0).prod(axis=1)
    truth_area = np.maximum(truths[:, 2:] - truths[:, :2] + closed, 0).prod(axis=1)
    union = area[:, None] + truth_area[None] - overlap
    return np.asarray(np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0), np.float64)
