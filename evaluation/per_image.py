"""From labelled pictures to what each of them contributes to a score, by the path that streams.

Pictures are read and measured in threads, and of each one only numbers are kept, so that memory hardly grows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.datasets.dataset import DatasetError, LabelledPicture, PixelBox
from seekcam.datasets.readable import MAX_PIXELS, available_cores, in_threads
from seekcam.evaluation.metrics import (
    SIDE,
    BoxIous,
    Float32,
    Float64,
    PixelCounts,
    best_iou,
    box_ious,
    iou,
    pixel_counts,
    score_map,
    truth_boxes,
)
from seekcam.localization.bars import find_bars
from seekcam.localization.boxes import find_boxes
from seekcam.localization.errors import UserError
from seekcam.localization.model import LocalizationModel, RawOutputs
from seekcam.localization.pictures import Pixels, read_picture
from seekcam.localization.pipeline import Cut, FrameRequest, cut_picture, fit_picture, interpret, look_again, run_graph
from seekcam.localization.prediction import Prediction, Rectangle
from seekcam.localization.region import Region
from seekcam.localization.settings import Analysis

BATCH = 16  # pictures of one graph run: the most that an exported graph takes
THRESHOLDS = np.arange(101) / 100  # the fixed thresholds of which the best is looked for

Alter = Callable[[Pixels, LabelledPicture], Pixels]
Labelled = tuple[LabelledPicture, int]  # a picture, and the model's index of its class
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A picture that has to be left out, and why."""

    picture: LabelledPicture
    reason: str


@dataclass(frozen=True, eq=False)
class LocalizedImage:
    """One picture's predictions: with the class of its label held, and as a viewer gets it who touches nothing."""

    picture: LabelledPicture
    expected: int  # the model's index of its class
    size: tuple[int, int]  # width and height that its boxes are measured in
    held: Prediction
    streamed: Prediction

    @property
    def grid(self) -> Float32:
        """The map of the class of its label, [h, w] in [0, 1]."""
        return self.held.maps[0].grid

    @property
    def truths(self) -> tuple[Rectangle, ...]:
        """The annotated boxes, in [0, 1] of the picture."""
        width, height = self.size
        return tuple((x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in self.picture.boxes)


@dataclass(frozen=True, eq=False)
class ImageMeasures:
    """What one picture contributes to a set's score; None where it has no boxes, or no mask."""

    localized: LocalizedImage
    top1_iou: float  # of the streamed boxes; 0 when no class, or a wrong one, is asserted
    held_iou: float  # of the boxes of the class of its label
    fixed_ious: Float64 | None  # of the box of that class at each of THRESHOLDS
    contours: BoxIous | None
    pixels: PixelCounts | None


def localize_all(
    model: LocalizationModel, analysis: Analysis, labelled: Sequence[Labelled], alter: Alter | None = None
) -> Iterator[LocalizedImage | Unreadable]:
    """Localize in every picture, in order; `alter` changes it after it is squashed to uint8 [S, S, 3].

    An altered picture is not looked at twice: what was done to it at this size cannot be done to a part of it.
    """

    def fit(item: Labelled) -> "_Fitted | Unreadable":
        picture, expected = item
        try:
            pixels = read_picture(picture.path, MAX_PIXELS)
        except UserError as error:
            return Unreadable(picture, str(error))
        region = find_bars(pixels)
        frame = fit_picture(pixels, model.card, region)
        size = picture.size or (pixels.shape[1], pixels.shape[0])
        if alter is not None:
            return _Fitted(picture, expected, size, alter(frame, picture), region, None)
        return _Fitted(picture, expected, size, frame, region, partial(cut_picture, pixels, model.card))

    fitted = in_threads(fit, labelled, available_cores())
    while batch := list(islice(fitted, BATCH)):
        usable = [item for item in batch if isinstance(item, _Fitted)]
        # One run holds the label's class at the last place and leaves the ranking in the first: it answers both.
        holding = [FrameRequest(replace(analysis, classes=(item.expected,)), region=item.region) for item in usable]
        raw = run_graph(model, [item.frame for item in usable], holding) if usable else {}
        predictions = iter(
            [
                LocalizedImage(
                    item.picture,
                    item.expected,
                    item.size,
                    held=_seen(model, raw, index, holding[index], item.cut),
                    streamed=_seen(model, raw, index, FrameRequest(analysis, region=item.region), item.cut),
                )
                for index, item in enumerate(usable)
            ]
        )
        for item in batch:
            yield item if isinstance(item, Unreadable) else next(predictions)


def measure(localized: LocalizedImage | Unreadable) -> ImageMeasures | Unreadable:
    """Compare one picture's predictions with its boxes and masks."""
    if isinstance(localized, Unreadable):
        return localized
    picture, truths = localized.picture, localized.truths
    heat = score_map(localized.grid)
    try:
        pixels = pixel_counts(heat, *_read_masks(picture)) if picture.masks else None
    except DatasetError as error:
        return Unreadable(picture, str(error))
    shown = [box.box for box in localized.streamed.boxes if box.index == localized.expected]
    return ImageMeasures(
        localized,
        top1_iou=best_iou(shown, truths),
        held_iou=best_iou([box.box for box in localized.held.boxes], truths),
        fixed_ious=ious_at_thresholds(localized.grid, truths) if truths else None,
        contours=box_ious(heat, truth_boxes(_to_last_pixels(picture.boxes), localized.size)) if truths else None,
        pixels=pixels,
    )


def ious_at_thresholds(grid: Float32, truths: Sequence[Rectangle]) -> Float64:
    """IoU of the box round the largest component, drawn as the stream does, at each of `THRESHOLDS`."""
    nowhere = ((0.0, 0.0, 0.0, 0.0), 0.0)
    boxes = [next(iter(find_boxes(grid, "largest", float(threshold))), nowhere)[0] for threshold in THRESHOLDS]
    return np.asarray(iou(boxes, truths).max(axis=1), np.float64)


@dataclass(frozen=True, eq=False)
class _Fitted:
    picture: LabelledPicture
    expected: int
    size: tuple[int, int]
    frame: Pixels
    region: Region  # of the picture, which the frame shows
    cut: Cut | None  # None: not to be looked at twice


def _seen(model: LocalizationModel, raw: RawOutputs, index: int, request: FrameRequest, cut: Cut | None) -> Prediction:
    first = interpret(model.card, raw, index, request)
    return first if cut is None else look_again(model, first, request, cut)


def _to_last_pixels(boxes: Sequence[PixelBox]) -> list[PixelBox]:
    """Boxes as the benchmark's own files give them, and it scales them: (x1, y1) is the last pixel of the object."""
    return [(x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)) for x0, y0, x1, y1 in boxes]


def _read_masks(picture: LabelledPicture) -> tuple[Mask, Mask | None]:
    """The object's pixels (the union of its masks) and those to be ignored, on the score map's grid."""
    mask = np.any([_read_mask(path) for path in picture.masks], axis=0)
    return mask, None if picture.ignore is None else _read_mask(picture.ignore)


def _read_mask(path: Path) -> Mask:
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if grey is None:
        raise DatasetError(f"The mask {path} is missing or cannot be read.")
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
