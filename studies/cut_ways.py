"""Ways to cut an objectness map at a threshold of the picture's own, judged by the maps alone: no way knows a box.

Each gives every one of CUTS a score, and the best one is taken; a pull towards the constant cut holds back a way that
strays. The ideas: maximally stable extremal regions (Matas et al., 2002), the box that two looks agree on, the medoid
of all boxes, what the plane sees round the thing, the expected intersection over union were the map a probability (as
Ye et al., 2012, maximise the F-measure), and all of it weighed by a linear model that the second look has taught.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.evaluation.metrics import iou
from seekcam.localization.boxes import find_boxes
from seekcam.localization.prediction import Rectangle

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

CUTS = np.arange(14, 27) / 40  # .35, .375, ..., .65
FIXED = 6  # of CUTS: .5, the rule's own
TAUGHT = 4  # of CUTS: .45, which makes the best boxes of the same network at 288 pixels
NEIGHBOURS = 0.1  # of a cut, within which its box shall stay
WIDTH = 0.15  # how far from the constant cut a box counts among all boxes, a standard deviation
RIDGE = 0.1
_NEXT = np.ones((3, 3), np.uint8)


def overlaps(boxes: Float64, others: Float64) -> Float64:
    """IoU of boxes [N, 4] and [M, 4]: [N, M]."""
    return iou(boxes.tolist(), others.tolist())


@dataclass(frozen=True, eq=False)
class Maps:
    """What is known of one picture without its boxes.

    Attributes:
        grid: [h, w] objectness map of the class, in [0, 1].
        plane: [h, w] objectness plane, in [0, 1].
        boxes: [C, 4] round the largest component of the map at each of CUTS; zeros where there is none.
        second: [C, 4] the same in a second look at the picture.
    """

    grid: Float32
    plane: Float32
    boxes: Float64
    second: Float64


def boxes_at(grid: Float32) -> Float64:
    """The box [C, 4] of a map at each of CUTS, in [0, 1] of the frame; zeros for a map without boxes."""
    return np.array([box_at(grid, float(cut)) for cut in CUTS], np.float64)


def box_at(grid: Float32, cut: float) -> Rectangle:
    """The largest component's box, or one without area where there is none."""
    found = find_boxes(grid, "largest", cut)
    return found[0][0] if found else (0.0, 0.0, 0.0, 0.0)


def stability(maps: Maps) -> Float64:
    """How well each box overlaps with those of the neighbouring cuts."""
    near = (np.abs(CUTS[:, None] - CUTS) < NEIGHBOURS + 1e-9) & ~np.eye(len(CUTS), dtype=bool)
    return np.asarray((overlaps(maps.boxes, maps.boxes) * near).sum(1) / near.sum(1), np.float64)


def agreement(maps: Maps) -> Float64:
    """How well each box overlaps with that of the second look at the same cut."""
    return np.asarray(np.diagonal(overlaps(maps.boxes, maps.second)), np.float64)


def centrality(maps: Maps) -> Float64:
    """How well each box overlaps with all the others, those near the constant cut counting most."""
    weights = np.exp(-0.5 * ((CUTS - CUTS[FIXED]) / WIDTH) ** 2)
    return np.asarray(overlaps(maps.boxes, maps.boxes) @ weights / weights.sum(), np.float64)


def surroundings(maps: Maps) -> Float64:
    """How little of a thing the plane sees in the cells next to those that each cut keeps."""
    scores = []
    for kept in _kept(maps.grid):
        ring = (cv2.dilate(kept.astype(np.uint8), _NEXT) > 0) & ~kept
        scores.append(-float(maps.plane[ring].mean()) if ring.any() else -1.0)
    return np.array(scores)


def expected_overlap(maps: Maps) -> Float64:
    """The expected intersection over union of the kept cells and the thing, were the map its probability."""
    kept, total = _kept(maps.grid), float(maps.grid.sum())
    inside = (maps.grid * kept).sum((1, 2))
    return np.asarray(inside / np.maximum(kept.sum((1, 2)) + total - inside, 1e-12), np.float64)


WAYS: Mapping[str, Callable[[Maps], Float64]] = {
    "stability": stability,
    "agreement of two looks": agreement,
    "centrality among all boxes": centrality,
    "surroundings in the plane": surroundings,
    "expected overlap": expected_overlap,
}


def statistics(maps: Maps) -> Float64:
    """[C, F]: what a linear model is told of each cut; it is nothing but zeros at the constant one.

    How every way's score, the box's area, the kept cells and the mean of map and plane in them change from the constant
    cut on; and the distance to it, alone and times what is the same for all cuts.
    """
    kept = _kept(maps.grid)
    count = np.maximum(kept.sum((1, 2)), 1)
    x0, y0, x1, y1 = maps.boxes.T
    local = np.stack(
        [
            (x1 - x0) * (y1 - y0),
            count / maps.grid.size,
            (maps.grid * kept).sum((1, 2)) / count,
            (maps.plane * kept).sum((1, 2)) / count,
            *(way(maps) for name, way in WAYS.items() if way is not agreement),
        ],
        1,
    )
    overall = np.array([1.0, maps.grid.max(), maps.plane.mean(), maps.plane.max(), *local[FIXED]])
    distance = (CUTS[:, None] - CUTS[FIXED]) / 0.1
    return np.concatenate([local - local[FIXED], distance * overall, distance**2 * overall], 1)


def taught(pictures: list[Maps]) -> Float64:
    """Weights [F] of `statistics` by which a box comes near the second look's, learnt by ridge regression."""
    inputs = np.stack([statistics(maps) for maps in pictures])
    near = np.stack([overlaps(maps.boxes, maps.second[[TAUGHT]])[:, 0] for maps in pictures])
    wanted = (near - near[:, [FIXED]]).ravel()
    x = inputs.reshape(-1, inputs.shape[2])
    scale = x.std(0) + 1e-9
    x = x / scale
    weights = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ wanted)
    return np.asarray(weights / scale, np.float64)


def choose(scores: Float64, pull: float) -> Indices:
    """Of scores [N, C] the best cut of each picture, indices [N] into CUTS; of equal ones the nearest to the constant.

    Args:
        pull: what a cut that lies .1 from the constant one loses of its score; it grows with the square.
    """
    distance = (CUTS - CUTS[FIXED]) / 0.1
    # Rounded, so that sums in another order do not part equal scores.
    merits = np.round(scores - pull * distance**2, 9) - 1e-10 * np.abs(distance)
    return np.asarray(np.argmax(merits, axis=1), np.intp)


def _kept(grid: Float32) -> NDArray[np.bool_]:
    """[C, h, w]: the cells of a map at or above each of CUTS."""
    return np.asarray(grid >= CUTS[:, None, None], np.bool_)
