"""From a class map to boxes: Otsu's threshold, connected components, and the two-stage choice of a threshold.

A map is enlarged to 224 x 224 whatever the picture's size (a map of 14 x 14 cells holds no finer detail), so a box is
made in constant time; rectangles are in [0, 1] of the frame.

Sources: Otsu, "A Threshold Selection Method from Gray-Level Histograms", 1979; Zhou et al., "Learning Deep Features for
Discriminative Localization", 2016 (largest component); Zhang, "Localizing object position by using only image-level
labels", thesis, Concordia University, 2021 (two-stage boxes).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.prediction import Rectangle
from seekcam.localization.settings import BoxMaker

Float32 = NDArray[np.float32]
Mask = NDArray[np.uint8]
ScoredRectangle = tuple[Rectangle, float]

SIDE = 224  # pixels: the grid on which boxes are measured
MIN_AREA = 0.005  # of the frame, about one cell of 14 x 14: smaller components are specks (ours)
MAX_COMPONENTS = 8  # boxes of one class (ours)
TAUS = np.arange(20) / 20  # two-stage thresholds 0, .05, ..., .95 (the thesis's)
MIN_SEEDS = 4  # cells on the sides of a component's box (the thesis's)


def otsu(grid: Float32) -> float:
    """Otsu's threshold of a map, from its own values instead of a histogram; foreground is `grid >= threshold`.

    Args:
        grid: [h, w], any range.

    Returns:
        The smallest foreground value of the split with the largest variance between the two sides.
    """
    values = np.sort(grid, axis=None)[::-1].astype(np.float64)
    count = len(values)
    if count < 2:
        return float(values[0])
    above = np.arange(1, count)
    sums = np.cumsum(values)
    mean_above = sums[:-1] / above
    mean_below = (sums[-1] - sums[:-1]) / (count - above)
    between = above * (count - above) * (mean_above - mean_below) ** 2
    return float(values[np.argmax(between)])


def find_boxes(grid: Float32, maker: BoxMaker, threshold: float) -> tuple[ScoredRectangle, ...]:
    """The boxes of one class, best first, each with the mean of the map inside it.

    Args:
        grid: [h, w] class map in [0, 1]. A constant map, or one with NaN in it, has no boxes, nor has
            one that stays below the threshold everywhere.
        maker: "largest" (one box round the largest component), "components" (a box round each that is no speck, largest
            first), "two_stage" (one box round the largest component) or "none".
        threshold: in [0, 1]; cells at or above it are the object. For "two_stage" it is that of `two_stage_threshold`,
            a share of the maximum, and cells above it are the object.
    """
    if maker == "none" or _shapeless(grid):
        return ()
    if maker == "two_stage":
        heat = _enlarged(grid)
        mask = (heat > threshold * heat.max()).view(np.uint8)
    else:
        heat, mask = threshold_mask(grid, threshold)
    limit = MAX_COMPONENTS if maker == "components" else 1
    return tuple(_scored(heat, span) for span in _largest_components(mask, limit))


def threshold_mask(
    grid: Float32, threshold: float, held: Mask | None = None, hold: float = 0.0
) -> tuple[Float32, Mask]:
    """Where a map lies at or above a threshold, on the grid on which boxes are measured.

    Args:
        grid: [h, w] in [0, 1]. A constant map, or one with NaN in it, lies above it nowhere.
        held: [SIDE, SIDE] of 0 and 1, where the threshold is lower by `hold`; elsewhere it is higher by that.

    Returns:
        The enlarged map, and a mask of 0 and 1, both [SIDE, SIDE].
    """
    heat = _enlarged(grid)
    if _shapeless(grid):
        return heat, np.zeros_like(heat, np.uint8)
    if held is None:
        mask = (heat >= threshold).view(np.uint8)
    else:
        mask = ((heat >= threshold + hold) | ((heat >= threshold - hold) & held.view(np.bool_))).view(np.uint8)
    if not mask.any():
        # Interpolation flattens a peak of one cell below its own value: then the cells themselves are the object.
        peak = np.ascontiguousarray(grid >= threshold).view(np.uint8)
        mask = cv2.resize(peak, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    return heat, mask


def two_stage_threshold(grid: Float32, features: Float32) -> float:
    """The threshold, as a share of the map's maximum, whose component is bordered by the object's own edge.

    At each threshold the border cells of the largest component are compared with every cell by the cosine of their
    features. Border cells deep in the object, or far out in the background, resemble one part of the picture only; on
    the edge they resemble both alike, so the mean similarity map with the least variance wins. 0, which takes nearly
    the whole picture, is kept for maps on which nothing else works.

    Args:
        grid: [h', w'] class map in [0, 1].
        features: [K, h, w].

    Returns:
        The threshold; 1, above which there is nothing, when no component has enough border cells.
    """
    if _shapeless(grid):
        return 1.0
    channels, height, width = features.shape
    cells = np.nan_to_num(features.reshape(channels, -1).astype(np.float32, copy=False))
    cells = cells / np.maximum(np.linalg.norm(cells, axis=0), np.float32(1e-12))
    similarity = cells.T @ cells  # the Gram matrix: every seed's similarity map is one of its rows
    if grid.shape != (height, width):
        shrink = grid.shape[0] > height
        grid = cv2.resize(grid, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR).astype(
            np.float32, copy=False
        )
    taus, seeds = [], []
    for tau in TAUS:
        border = _border_cells((grid > tau * grid.max()).view(np.uint8))
        if np.count_nonzero(border) < MIN_SEEDS:
            break
        taus.append(float(tau))
        seeds.append(border.ravel() / np.count_nonzero(border))
    if not taus:
        return 1.0
    variance = np.var(np.stack(seeds).astype(np.float32) @ similarity, axis=1)
    if len(taus) > 1:
        variance[0] = np.inf
    return taus[int(np.argmin(variance))]


def _enlarged(grid: Float32) -> Float32:
    return cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _shapeless(grid: Float32) -> bool:
    """Whether a map is constant, or holds NaN or infinity."""
    return not np.isfinite(grid).all() or bool(grid.max() <= grid.min())


def _border_cells(mask: Mask) -> NDArray[np.bool_]:
    """The cells of the largest component that lie on the sides of its tight box, as a mask [h, w]."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    border = np.zeros(mask.shape, np.bool_)
    if len(stats) < 2:
        return border
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    x, y, w, h = (int(v) for v in stats[best, :4])
    border[[y, y + h - 1], x : x + w] = True
    border[y : y + h, [x, x + w - 1]] = True
    return border & np.asarray(labels == best, np.bool_)


def _largest_components(mask: Mask, limit: int) -> list[tuple[int, int, int, int]]:
    """x, y, width and height of the `limit` largest components, largest first; all but the first must be no specks."""
    left, top, width, height = cv2.boundingRect(mask)
    if width == 0:
        return []  # nothing but background
    # OpenCV's own statistics take five times as long as the labels, and so do labels of 32 bits, made in parallel.
    count, labels = cv2.connectedComponentsWithAlgorithm(
        mask[top : top + height, left : left + width], 8, cv2.CV_16U, cv2.CCL_GRANA
    )
    if count == 2:
        return [(left, top, width, height)]  # one component, as most maps have: counting its pixels takes the longest
    areas = np.bincount(labels.ravel())[1:]
    found = []
    for index in np.flatnonzero(areas >= np.sort(areas)[-limit:][0]):
        x, y, w, h = cv2.boundingRect((labels == index + 1).view(np.uint8))
        found.append((-int(areas[index]), top + y, left + x, w, h))
    found = sorted(found)[:limit]  # of equally large ones the upper, then the left
    kept = [each for rank, each in enumerate(found) if rank == 0 or -each[0] >= MIN_AREA * SIDE * SIDE]
    return [(x, y, w, h) for _, y, x, w, h in kept]


def _scored(heat: Float32, span: tuple[int, int, int, int]) -> ScoredRectangle:
    x, y, w, h = span
    score = float(heat[y : y + h, x : x + w].mean())
    return (x / SIDE, y / SIDE, (x + w) / SIDE, (y + h) / SIDE), score
