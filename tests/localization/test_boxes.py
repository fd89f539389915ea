"""Boxes against brute force: every split for Otsu, flood fill for components, loops for the two-stage threshold."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from seekcam.localization.boxes import MAX_COMPONENTS, MIN_AREA, SIDE, find_boxes, otsu, two_stage_threshold
from seekcam.localization.settings import BoxMaker

Float32 = NDArray[np.float32]
Cells = set[tuple[int, int]]


def random_grid(seed: int, height: int = 14, width: int = 14) -> Float32:
    """A smooth random map that reaches 0 and 1."""
    noise = np.random.default_rng(seed).random((5, 5)).astype(np.float32)
    grid = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return np.asarray((grid - grid.min()) / (grid.max() - grid.min()), np.float32)


def bump(x: float, y: float, radius: float, side: int = 14) -> Float32:
    rows, columns = np.mgrid[:side, :side] / (side - 1)
    return np.asarray(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2)), np.float32)


def bilinear(grid: Float32, side: int) -> NDArray[np.float64]:
    """Enlarge by the definition: pixel centres, edges repeated."""

    def weights(length: int) -> NDArray[np.float64]:
        matrix = np.zeros((side, length))
        for i in range(side):
            position = min(max((i + 0.5) * length / side - 0.5, 0), length - 1)
            low = int(position)
            matrix[i, low] += 1 - (position - low)
            matrix[i, min(low + 1, length - 1)] += position - low
        return matrix

    enlarged: NDArray[np.float64] = weights(grid.shape[0]) @ grid.astype(np.float64) @ weights(grid.shape[1]).T
    return enlarged


def components(mask: NDArray[np.bool_]) -> list[Cells]:
    """8-connected components by flood fill, largest first."""
    left = {(int(r), int(c)) for r, c in zip(*np.nonzero(mask), strict=True)}
    found = []
    while left:
        component, front = set(), [left.pop()]
        while front:
            row, column = front.pop()
            component.add((row, column))
            near = {(row + dr, column + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)} & left
            left -= near
            front += near
        found.append(component)
    return sorted(found, key=len, reverse=True)


def span(component: Cells) -> tuple[int, int, int, int]:
    """First and last column and row: x0, y0, x1, y1."""
    rows, columns = zip(*component, strict=True)
    return min(columns), min(rows), max(columns), max(rows)


@given(arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(0, 1, width=16)))
@settings(deadline=None, max_examples=60)
def test_otsu_is_the_best_of_all_splits(grid: Float32) -> None:
    def between(threshold: float) -> float:
        above, below = grid[grid >= threshold].astype(np.float64), grid[grid < threshold].astype(np.float64)
        if below.size == 0:
            return 0.0
        return float(above.size * below.size * (above.mean() - below.mean()) ** 2)

    threshold = otsu(grid)
    assert threshold in grid
    assert between(threshold) == pytest.approx(max(between(float(v)) for v in np.unique(grid)), rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_otsu_parts_256_levels_as_opencv_does(seed: int) -> None:
    levels = np.rint(random_grid(seed, 40, 40) * 255).astype(np.uint8)
    below, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    ours = otsu(levels.astype(np.float32))
    assert np.array_equal(levels >= ours, levels > below)


@pytest.mark.parametrize("seed", range(6))
def test_the_box_is_that_of_the_largest_flood_filled_component(seed: int) -> None:
    grid = random_grid(seed, 14 if seed % 2 else 9, 14)
    threshold = 0.35 + 0.1 * seed
    heat = bilinear(grid, SIDE)
    x0, y0, x1, y1 = span(components(heat >= threshold)[0])
    ((box, score),) = find_boxes(grid, "largest", threshold)
    assert box == (x0 / SIDE, y0 / SIDE, (x1 + 1) / SIDE, (y1 + 1) / SIDE)
    assert score == pytest.approx(heat[y0 : y1 + 1, x0 : x1 + 1].mean(), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_components_are_all_that_are_no_specks(seed: int) -> None:
    grid = np.random.default_rng(seed).random((14, 14)).astype(np.float32)
    expected = [c for c in components(bilinear(grid, SIDE) >= 0.75) if len(c) >= MIN_AREA * SIDE**2][:MAX_COMPONENTS]
    boxes = find_boxes(grid, "components", 0.75)
    assert len(boxes) == len(expected)
    for (box, _), component in zip(boxes, expected, strict=True):
        x0, y0, x1, y1 = span(component)
        assert box == (x0 / SIDE, y0 / SIDE, (x1 + 1) / SIDE, (y1 + 1) / SIDE)


@pytest.mark.parametrize("maker", ["largest", "components"])
def test_boxes_stand_where_their_components_do_also_away_from_the_borders(maker: BoxMaker) -> None:
    grid = np.maximum(bump(0.35, 0.4, 0.1), bump(0.8, 0.7, 0.08))
    expected = [span(c) for c in components(bilinear(grid, SIDE) >= 0.5)]
    boxes = find_boxes(grid, maker, 0.5)
    for (box, _), (x0, y0, x1, y1) in zip(boxes, expected[: 1 if maker == "largest" else 2], strict=True):
        assert min(x0, y0) > 0
        assert box == (x0 / SIDE, y0 / SIDE, (x1 + 1) / SIDE, (y1 + 1) / SIDE)


def test_two_objects_give_one_box_or_two() -> None:
    grid = np.maximum(bump(0.2, 0.3, 0.12), bump(0.8, 0.7, 0.08))
    assert len(find_boxes(grid, "largest", 0.5)) == 1
    (first, _), (second, _) = find_boxes(grid, "components", 0.5)
    assert first[2] < second[0], "the wider bump, on the left, comes first"
    assert find_boxes(grid, "largest", 0.5)[0][0] == first


@given(
    grid=arrays(np.float32, st.tuples(st.integers(1, 16), st.integers(1, 16)), elements=st.floats(0, 1, width=32)),
    threshold=st.floats(0, 1),
    maker=st.sampled_from(("largest", "components", "two_stage")),
)
@settings(deadline=None, max_examples=80)
def test_any_map_gives_boxes_inside_the_frame(grid: Float32, threshold: float, maker: BoxMaker) -> None:
    boxes = find_boxes(grid, maker, threshold)
    if maker != "two_stage" and abs(float(grid.max()) - threshold) > 1e-6:  # interpolation rounds
        reaches = grid.max() > grid.min() and float(grid.max()) >= threshold
        assert bool(boxes) == reaches, "what is not flat and reaches the threshold has an object, and no other"
    for (x0, y0, x1, y1), score in boxes:
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        assert 0 <= score <= 1


@given(st.integers(0, 1000), st.floats(0, 0.95), st.floats(0, 0.95))
@settings(deadline=None, max_examples=20)
def test_of_a_single_bump_a_lower_threshold_never_gives_a_smaller_box(seed: int, one: float, other: float) -> None:
    x, y = np.random.default_rng(seed).random(2)
    grid = bump(float(x), float(y), 0.2)
    assume(max(one, other) <= float(grid.max()))  # above it there is no box
    (wide, _), (tight, _) = (find_boxes(grid, "largest", t)[0] for t in sorted((one, other)))
    assert all(w <= t for w, t in zip(wide[:2], tight[:2], strict=True))
    assert all(w >= t for w, t in zip(wide[2:], tight[2:], strict=True))


@pytest.mark.parametrize("maker", ["largest", "components", "two_stage", "none"])
@pytest.mark.parametrize("value", [0.0, 0.7, np.nan, np.inf])
def test_a_flat_or_broken_map_has_no_box(maker: BoxMaker, value: float) -> None:
    assert find_boxes(np.full((7, 7), value, np.float32), maker, 0.0) == ()
    partly = random_grid(0, 7, 7)
    partly[3, 3] = value
    if not np.isfinite(value):
        assert find_boxes(partly, maker, 0.3) == ()


def test_none_draws_nothing_and_threshold_zero_takes_the_whole_frame() -> None:
    grid = random_grid(1)
    assert find_boxes(grid, "none", 0.5) == ()
    ((box, score),) = find_boxes(grid, "largest", 0.0)
    assert box == (0.0, 0.0, 1.0, 1.0)
    assert score == pytest.approx(bilinear(grid, SIDE).mean(), abs=1e-4)


@pytest.mark.parametrize("threshold", [0.97, 1.0])
def test_a_peak_too_sharp_for_interpolation_is_boxed_by_its_cell(threshold: float) -> None:
    grid = np.zeros((14, 14), np.float32)
    grid[4, 9] = 1
    ((box, _),) = find_boxes(grid, "largest", threshold)
    assert box == pytest.approx((9 / 14, 4 / 14, 10 / 14, 5 / 14))


def two_stage_by_loops(grid: Float32, features: Float32) -> float:
    """The thesis's definition, cell by cell."""
    _, height, width = features.shape
    cells = list(itertools.product(range(height), range(width)))

    def cosine(a: tuple[int, int], b: tuple[int, int]) -> float:
        one, two = features[:, a[0], a[1]].astype(np.float64), features[:, b[0], b[1]].astype(np.float64)
        return float(one @ two / (np.sqrt(one @ one) * np.sqrt(two @ two)))

    results = []
    for step in range(20):
        found = components(grid > step * 0.05 * grid.max())
        if not found:
            break
        x0, y0, x1, y1 = span(found[0])
        seeds = [(r, c) for r, c in found[0] if r in (y0, y1) or c in (x0, x1)]
        if len(seeds) < 4:
            break
        mean = [sum(cosine(seed, cell) for seed in seeds) / len(seeds) for cell in cells]
        results.append((float(np.var(mean)), step * 0.05))
    return min(results[1:] or results)[1] if results else 1.0


@pytest.mark.parametrize("seed", range(6))
def test_two_stage_threshold_is_the_definitions(seed: int) -> None:
    features = np.random.default_rng(seed).standard_normal((6, 7, 8)).astype(np.float32)
    grid = random_grid(seed, 7, 8)
    assert two_stage_threshold(grid, features) == pytest.approx(two_stage_by_loops(grid, features))


@pytest.mark.parametrize("feature_side", [7, 14, 28])
def test_two_stage_finds_the_objects_edge_whatever_the_grid_of_the_features(feature_side: int) -> None:
    """A square object with its own feature; the map is a cone on it, so thresholds run from too wide to too tight."""
    rows, columns = np.mgrid[:14, :14] + 0.5
    distance = np.maximum(np.abs(rows - 7), np.abs(columns - 7))
    grid = (1 - distance / 7).astype(np.float32)
    grid = (grid - grid.min()) / (grid.max() - grid.min())
    inside = np.zeros((28, 28), np.float32)
    inside[8:20, 8:20] = 1
    soft = cv2.resize(cv2.blur(inside, (5, 5)), (feature_side, feature_side), interpolation=cv2.INTER_AREA)
    features = np.stack([soft, 1 - soft]).astype(np.float32)
    ((box, _),) = find_boxes(grid, "two_stage", two_stage_threshold(grid, features))
    assert box == pytest.approx((8 / 28, 8 / 28, 20 / 28, 20 / 28), abs=0.13)


def test_two_stage_without_enough_border_has_no_box() -> None:
    grid = np.zeros((7, 7), np.float32)
    grid[3, 3] = 1
    threshold = two_stage_threshold(grid, np.ones((4, 7, 7), np.float32))
    assert threshold == 1.0
    assert find_boxes(grid, "two_stage", threshold) == ()


@pytest.mark.parametrize("value", [0.0, 0.7, np.nan, np.inf])
def test_two_stage_finds_nothing_on_a_flat_or_broken_map(value: float) -> None:
    grid = np.full((7, 7), value, np.float32)
    threshold = two_stage_threshold(grid, np.ones((2, 7, 7), np.float32))
    assert 0 <= threshold <= 1
    assert find_boxes(grid, "two_stage", threshold) == ()
