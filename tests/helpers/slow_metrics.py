"""The measures once more, in plain loops over pixels: one loop for each sentence of the protocol."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from seekcam.evaluation.metrics import BIN_EDGES, TAUS

Cell = tuple[int, int]  # x, y
Box = tuple[int, int, int, int]
Mask = tuple[tuple[bool, ...], ...]

EIGHT = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]
FOUR = [(1, 0), (-1, 0), (0, 1), (0, -1)]


def regions(cells: set[Cell], steps: Sequence[Cell]) -> Iterator[set[Cell]]:
    """Connected regions by flood fill."""
    left = set(cells)
    while left:
        start = left.pop()
        region, border = {start}, [start]
        while border:
            x, y = border.pop()
            for dx, dy in steps:
                near = (x + dx, y + dy)
                if near in left:
                    left.remove(near)
                    region.add(near)
                    border.append(near)
        yield region


def outline_area(region: set[Cell], holes: Sequence[set[Cell]]) -> float:
    """The area within the outer border's polygon through pixel centres.

    Each square between four neighbouring centres gives 1 when the polygon has all four, 1/2 when it has three.
    """
    inside = set(region)
    for hole in holes:
        x, y = min(hole)
        if (x - 1, y) in region:  # the hole's leftmost pixel has its own region at the left
            inside |= hole
    corners = {(x - dx, y - dy) for x, y in inside for dx in (0, 1) for dy in (0, 1)}
    counts = [sum((x + dx, y + dy) in inside for dx in (0, 1) for dy in (0, 1)) for x, y in corners]
    return sum({4: 1.0, 3: 0.5}.get(count, 0.0) for count in counts)


def tight(region: set[Cell], grow: int, width: int, height: int) -> Box:
    xs, ys = [x for x, _ in region], [y for _, y in region]
    x, y = min(xs) - grow, min(ys) - grow
    w, h = max(xs) + grow - x + 1, max(ys) + grow - y + 1
    return x, y, min(x + w, width - 1), min(y + h, height - 1)


@cache
def contours(mask: Mask) -> tuple[list[Box], list[Box]]:
    """The boxes of all contours, and those of the contours of largest area (several when they are equal)."""
    height, width = len(mask), len(mask[0])
    on = {(x, y) for y in range(height) for x in range(width) if mask[y][x]}
    if not on:
        return [(0, 0, 0, 0)], [(0, 0, 0, 0)]
    frame = {(x, y) for y in range(-1, height + 1) for x in range(-1, width + 1)}
    holes = [region for region in regions(frame - on, FOUR) if (-1, -1) not in region]
    outer = list(regions(on, EIGHT))
    # An island in a hole belongs to whatever the hole's border encloses, but never has the larger area.
    areas = [outline_area(region, holes) for region in outer]
    boxes = [tight(region, 0, width, height) for region in outer]
    largest = [box for box, area in zip(boxes, areas, strict=True) if area == max(areas)]
    return boxes + [tight(hole, 1, width, height) for hole in holes], largest


def slow_inclusive_iou(a: Sequence[int], b: Sequence[int]) -> float:
    pixels_a = {(x, y) for x in range(a[0], a[2] + 1) for y in range(a[1], a[3] + 1)}
    pixels_b = {(x, y) for x in range(b[0], b[2] + 1) for y in range(b[1], b[3] + 1)}
    return len(pixels_a & pixels_b) / len(pixels_a | pixels_b)


def slow_ious(heat: NDArray[np.float32], truths: Sequence[Box]) -> tuple[list[set[float]], list[float]]:
    """At every tau: the IoUs that the largest contour may have, and that of the best contour."""
    whole = [[int(np.float32(value) * np.float32(255)) for value in row] for row in heat]
    peak = max(max(row) for row in whole)
    largest, best = [], []
    for tau in TAUS:
        limit = int(float(tau) * peak)
        every, first = contours(tuple(tuple(value > limit for value in row) for row in whole))
        largest.append({max(slow_inclusive_iou(box, truth) for truth in truths) for box in first})
        best.append(max(slow_inclusive_iou(box, truth) for box in every for truth in truths))
    return largest, best


def slow_pxap(pictures: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]]) -> float:
    """The sum over all thresholds, highest first, of precision times the gain in recall, counting pixels one by one."""
    pixels = [
        (float(score), bool(inside))
        for heat, mask, ignore in pictures
        for score, inside, left_out in zip(heat.ravel(), mask.ravel(), ignore.ravel(), strict=True)
        if inside or not left_out
    ]
    total, area, before = sum(inside for _, inside in pixels), 0.0, 0.0
    for threshold in reversed(BIN_EDGES[:-1]):
        claimed = [inside for score, inside in pixels if score >= threshold]
        if claimed:
            recall = sum(claimed) / total
            area += sum(claimed) / len(claimed) * (recall - before)
            before = recall
    return area
