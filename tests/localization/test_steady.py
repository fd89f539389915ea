"""The steady map against the average it is, its box against a second way to find it, and both over frame rates."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.evaluation.metrics import iou
from seekcam.localization.boxes import find_boxes
from seekcam.localization.prediction import ClassMap, Rectangle
from seekcam.localization.region import WHOLE, Region
from seekcam.localization.steady import HOLD, LONGEST_GAP, TIME_CONSTANT, Steady

Float32 = NDArray[np.float32]
INSIDE: Region = (0.0, 0.1, 1.0, 0.9)


def shown(grid: Float32, index: int = 0, threshold: float = 0.5) -> ClassMap:
    return ClassMap(index, f"class {index}", grid, threshold, 0.9)


def blob(x: float = 6.5, y: float = 6.5, width: float = 3.0, height: float = 0.9) -> Float32:
    """A smooth hill on 14 x 14 cells."""
    rows, columns = np.mgrid[:14, :14]
    hill = height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
    return np.asarray(hill, np.float32)


def noisy(grid: Float32, seed: int, amount: float = 0.05) -> Float32:
    noise = np.random.default_rng(seed).normal(0, amount, grid.shape)
    return np.clip(grid + noise, 0, 1).astype(np.float32)


def follow(steady: Steady, grid: Float32, pts: float, region: Region = WHOLE) -> tuple[Float32, Rectangle | None]:
    steady.begin([0], pts, region)
    averaged = steady.average(shown(grid))
    boxes = steady.box(averaged)
    return averaged.grid, boxes[0][0] if boxes else None


def begun(grid: Float32, frames: int = 30) -> Steady:
    steady = Steady()
    for i in range(frames):
        follow(steady, grid, i / 30)
    return steady


@given(st.integers(0, 2**32 - 1), st.sampled_from([5, 15, 24, 60]))
@settings(deadline=None, max_examples=25)
def test_the_map_is_a_weighted_mean_of_the_frames(seed: int, fps: int) -> None:
    frames = [noisy(blob(), seed + i) for i in range(12)]
    steady = Steady()
    for i, frame in enumerate(frames):
        grid, _ = follow(steady, frame, i / fps)
    age = (len(frames) - 1 - np.arange(len(frames))) / fps
    weight = np.exp(-age / TIME_CONSTANT)
    weight[1:] *= 1 - np.exp(-1 / fps / TIME_CONSTANT)
    assert weight.sum() == pytest.approx(1)
    assert np.allclose(grid, np.tensordot(weight, np.stack(frames), 1), atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8))
@settings(deadline=None, max_examples=25)
def test_the_first_frame_is_that_of_a_picture(seed: int, threshold: float) -> None:
    grid = np.random.default_rng(seed).random((14, 14)).astype(np.float32)
    steady = Steady()
    steady.begin([0], 3.0)
    averaged = steady.average(shown(grid, threshold=threshold))
    assert averaged.grid is grid
    assert steady.box(averaged) == find_boxes(grid, "largest", threshold)


@given(st.floats(3, 10), st.floats(3, 10), st.floats(1.5, 4))
@settings(deadline=None, max_examples=25)
def test_a_still_scene_gives_the_same_at_any_frame_rate(x: float, y: float, width: float) -> None:
    grid = blob(x, y, width)
    seen = []
    for fps in (15, 60):
        steady = Steady()
        seen.append([follow(steady, grid, i / fps) for i in range(fps)])
        assert len({box for _, box in seen[-1]}) == 1
    assert seen[0][-1][1] == seen[1][-1][1]
    assert np.allclose(seen[0][-1][0], seen[1][-1][0], atol=1e-5)


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_a_thing_that_moves_is_reached_after_the_same_time_at_any_frame_rate(fps: int) -> None:
    """The average of a step is known: its distance to the new map falls with the time constant."""
    before, after = blob(x=6.0), blob(x=7.0)
    steady = Steady()
    for i in range(fps):
        follow(steady, before, i / fps)
    for i in range(4):
        grid, _ = follow(steady, after, 1 + i / fps)
        left = np.exp(-(i + 1) / fps / TIME_CONSTANT)
        assert np.allclose(grid, left * before + (1 - left) * after, atol=1e-4)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=15)
def test_a_box_jumps_less_than_those_of_single_frames_and_holds_as_well(seed: int) -> None:
    frames = [noisy(blob(), seed + i) for i in range(40)]
    steady = Steady()
    steadied = [box for i, frame in enumerate(frames) if (box := follow(steady, frame, i / 30)[1])]
    single = [find_boxes(frame, "largest", 0.5)[0][0] for frame in frames]
    truth = find_boxes(blob(), "largest", 0.5)[0][0]

    def jumps(boxes: list[Rectangle]) -> float:
        return float(np.mean([1 - iou([a], [b])[0, 0] for a, b in pairwise(boxes)]))

    assert jumps(steadied) < 0.7 * jumps(single)
    assert iou(steadied, [truth]).mean() > iou(single, [truth]).mean() - 0.01


def test_what_was_in_stays_until_it_falls_below_the_lower_cut_and_what_was_out_until_it_rises_above_the_upper() -> None:
    columns = np.zeros((14, 14), np.float32)
    columns[4:10, 4:8] = 0.9
    near = columns.copy()
    for level, stays, comes in ((HOLD / 2, True, False), (2 * HOLD, False, True)):
        near[4:10, 8:10] = 0.5 - level
        wide = columns.copy()
        wide[4:10, 8:10] = 0.9
        _, kept = follow(begun(wide), near, 30.0 / 30 + 0.9)  # late enough that the average is the new map
        assert kept is not None
        assert (kept[2] > 9 / 14) is stays
        near[4:10, 8:10] = 0.5 + level
        _, grown = follow(begun(columns), near, 30.0 / 30 + 0.9)
        assert grown is not None
        assert (grown[2] > 9 / 14) is comes


@pytest.mark.parametrize("side", [5, 6])
def test_of_two_parts_the_larger_one_is_the_object_whatever_was_before(side: int) -> None:
    """A box that begins on the wrong thing must not stay there."""
    one, two = np.zeros((2, 14, 14), np.float32)
    one[1:5, 1:5] = two[1:5, 1:5] = 0.9
    two[7 : 7 + side, 7 : 7 + side] = 0.9
    _, box = follow(begun(one), two, 1.9)
    assert box is not None
    assert box[0] > 0.4


@pytest.mark.parametrize("pts", [0.2, 1.0 + LONGEST_GAP])
def test_going_back_or_a_gap_starts_afresh(pts: float) -> None:
    grid, _ = follow(begun(blob()), blob(x=7.0), pts)
    assert np.array_equal(grid, blob(x=7.0))


def test_another_region_another_class_another_scene_and_another_grid_start_afresh() -> None:
    after = blob(x=7.0)
    assert np.array_equal(follow(begun(blob()), after, 1.0, INSIDE)[0], after)
    steady = begun(blob())
    steady.begin([1], 1.0)
    assert steady.average(shown(after, index=1)).grid is after
    steady.begin([0], 1.03)
    assert steady.average(shown(after)).grid is after  # class 0 had been let go
    elsewhere = 1 - blob(width=5.0)
    assert np.array_equal(follow(begun(blob(width=5.0)), elsewhere, 1.0)[0], elsewhere)
    finer = np.kron(after, np.ones((2, 2), np.float32))
    assert np.array_equal(follow(begun(blob()), finer, 1.0)[0], finer)


def test_each_class_has_its_own_average() -> None:
    steady = Steady()
    for i in range(5):
        steady.begin([0, 1], i / 30)
        for index, grid in ((0, blob(x=3.0)), (1, blob(x=10.0))):
            averaged = steady.average(shown(grid, index))
            assert np.allclose(averaged.grid, grid, atol=1e-6)
            assert steady.box(averaged)[0][0] == find_boxes(grid, "largest", 0.5)[0][0]


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_a_map_without_shape_has_no_box_and_harms_nothing(value: float) -> None:
    steady = begun(blob())
    flat = np.full((14, 14), value, np.float32)
    assert follow(steady, flat, 1.0)[1] is None
    assert follow(steady, blob(), 1.1)[1] == find_boxes(blob(), "largest", 0.5)[0][0]


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
@settings(deadline=None, max_examples=20)
def test_restored_state_goes_on_as_the_first_would_have(seed: int, stop: int) -> None:
    frames = [noisy(blob(x=5 + i / 10), seed + i) for i in range(16)]
    first, second = Steady(), Steady()
    for i in range(stop):
        follow(first, frames[i], i / 30)
    second.restore(json.loads(json.dumps(first.state())))
    for i in range(stop, len(frames)):
        (one, box), (other, same) = (follow(steady, frames[i], i / 30) for steady in (first, second))
        assert np.array_equal(one, other)
        assert box == same


def test_a_frame_with_the_time_of_the_one_before_counts_like_the_next() -> None:
    twice, next_one = begun(blob()), begun(blob())
    after = blob(x=5.0)
    one, other = follow(twice, after, 29 / 30)[0], follow(next_one, after, 30 / 30)[0]
    assert np.allclose(one, other, atol=1e-6)
    assert not np.allclose(one, blob(), atol=1e-3)
    assert follow(twice, after, 30 / 30)[1] == follow(next_one, after, 31 / 30)[1]  # and the box is held on
