"""Cuts chosen by the maps alone, on made-up maps whose best cut is known, and the study's table of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.evaluation.metrics import best_iou
from seekcam.studies.cut_ways import (
    CUTS,
    FIXED,
    WAYS,
    Float32,
    Float64,
    Maps,
    agreement,
    boxes_at,
    choose,
    expected_overlap,
    overlaps,
    stability,
    statistics,
    surroundings,
    taught,
)
from seekcam.studies.picture_cuts import PULLS, best_constant, between_bars, cross_fitted, rows, taught_scores

SIDE = 14


def disc(radius: float, *, slope: float = 0.08, x: float = 0.5, y: float = 0.5) -> Float32:
    """A map that is .5 at `radius` from (x, y) and falls by `slope` with every cell further out."""
    centres = (np.arange(SIDE) + 0.5) / SIDE
    distance = np.hypot(centres - x, centres[:, None] - y)
    return np.clip(0.5 + (radius - distance) * SIDE * slope, 0, 1).astype(np.float32)


def step(inside: float, around: float) -> Float32:
    """A square of `inside` in a wider one of `around`, and nothing elsewhere."""
    grid = np.zeros((SIDE, SIDE), np.float32)
    grid[3:11, 3:11], grid[5:9, 5:9] = around, inside
    return grid


def maps_of(grid: Float32, plane: Float32 | None = None, second: Float64 | None = None) -> Maps:
    boxes = boxes_at(grid)
    return Maps(grid, grid if plane is None else plane, boxes, boxes if second is None else second)


def made_up(seed: int) -> Maps:
    random = np.random.default_rng(seed)
    grid = disc(random.uniform(0.15, 0.35), slope=random.uniform(0.05, 0.2), x=random.uniform(0.3, 0.7))
    return maps_of(grid, random.random((SIDE, SIDE)).astype(np.float32), boxes_at(disc(random.uniform(0.15, 0.35))))


def test_stability_chooses_a_cut_among_those_that_leave_the_box_as_it_is() -> None:
    # The wide square goes at once between .4 and .425; above that the box keeps to the sharp edge of the inner one.
    maps = maps_of(step(1.0, 0.41))
    assert CUTS[choose(stability(maps)[None], 0.0)[0]] >= 0.5
    by_hand = [
        np.mean([best_iou([box], [other]) for k, other in enumerate(maps.boxes) if k != c and abs(k - c) <= 4])
        for c, box in enumerate(maps.boxes)
    ]
    assert stability(maps) == pytest.approx(by_hand)


def test_two_looks_agree_at_the_cut_at_which_their_boxes_are_the_same() -> None:
    grid = disc(0.3)
    second = np.tile(np.array([0.0, 0.0, 0.1, 0.1]), (len(CUTS), 1))
    second[9] = boxes_at(grid)[9]
    assert choose(agreement(maps_of(grid, second=second))[None], 0.0)[0] == 9


def test_where_the_plane_goes_on_beyond_the_cells_that_are_kept_a_lower_cut_is_chosen() -> None:
    grid, plane = step(0.9, 0.45), step(0.9, 0.9)
    assert CUTS[choose(surroundings(maps_of(grid, plane))[None], 0.01)[0]] <= 0.45
    assert CUTS[choose(surroundings(maps_of(grid, step(0.9, 0.0)))[None], 0.01)[0]] == 0.5


@pytest.mark.parametrize("seed", range(4))
def test_the_expected_overlap_is_that_of_soft_cells_counted_one_by_one(seed: int) -> None:
    grid = np.random.default_rng(seed).random((5, 6)).astype(np.float32)
    wanted = []
    for cut in CUTS:
        inside = sum(float(v) for v in grid.ravel() if v >= cut)
        union = sum(1.0 if v >= cut else float(v) for v in grid.ravel())
        wanted.append(inside / union)
    assert expected_overlap(maps_of(grid)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [0.0, 0.45, 1.0])
def test_a_constant_map_is_scored_too_and_keeps_the_constant_cut_under_a_pull(way: str, value: float) -> None:
    scores = WAYS[way](maps_of(np.full((SIDE, SIDE), value, np.float32)))
    assert scores.shape == CUTS.shape
    assert np.isfinite(scores).all()
    assert choose(scores[None], 100.0)[0] == FIXED


@given(st.lists(st.floats(-1, 1), min_size=len(CUTS), max_size=len(CUTS)))
@settings(deadline=None, max_examples=50)
def test_a_stronger_pull_never_leads_further_from_the_constant_cut(scores: list[float]) -> None:
    far = [abs(int(choose(np.array([scores]), pull)[0]) - FIXED) for pull in (0.0, 0.01, 0.1, 1.0, 1000.0)]
    assert far == sorted(far, reverse=True)
    assert far[-1] == 0
    assert choose(np.zeros((1, len(CUTS))), 0.0)[0] == FIXED, "of equal scores the constant cut's is taken"


def test_statistics_say_nothing_at_the_constant_cut_and_weights_follow_the_second_look() -> None:
    pictures = [made_up(seed) for seed in range(12)]
    assert not statistics(pictures[0])[FIXED].any()
    # Second looks that always agree with the widest box teach to cut low.
    wide = [Maps(m.grid, m.plane, m.boxes, np.tile(m.boxes[0], (len(CUTS), 1))) for m in pictures]
    weights = taught(wide)
    chosen = choose(np.stack([statistics(maps) @ weights for maps in wide]), 0.0)
    assert CUTS[chosen].mean() < 0.42


def test_neither_weights_nor_pull_nor_constant_of_a_half_come_from_that_half() -> None:
    pictures = [made_up(seed) for seed in range(12)]
    scores = taught_scores(pictures)
    random = np.random.default_rng(0)
    ious = random.random((12, len(CUTS)))
    pulled, constant = cross_fitted(scores, ious), best_constant(ious)
    others = [maps if place % 2 else made_up(100 + place) for place, maps in enumerate(pictures)]
    assert taught_scores(others)[0] != pytest.approx(scores[0])
    assert taught_scores([pictures[0], *others[1:]])[0] == pytest.approx(scores[0])
    changed = ious.copy()
    changed[0::2] = random.random(changed[0::2].shape)
    assert np.array_equal(cross_fitted(scores, changed)[0::2], pulled[0::2])
    assert np.array_equal(best_constant(changed)[0::2], constant[0::2])
    assert set(PULLS) >= {0.0}


def test_the_table_finds_a_way_that_is_right_and_the_best_of_all_cuts() -> None:
    looked = []
    for seed in range(20):
        maps = made_up(seed)
        right = seed % len(CUTS)  # the second look happens to know the right box, at the right cut only
        second = np.tile(np.array([0.0, 0.0, 0.02, 0.02]), (len(CUTS), 1))
        second[right] = maps.boxes[right]
        x0, y0, x1, y1 = (float(side) for side in maps.boxes[right])
        looked.append((Maps(maps.grid, maps.plane, maps.boxes, second), ((x0, y0, x1, y1),)))
    lines = {line[0]: line for line in rows(looked)}
    base = np.mean([best_iou([maps.boxes[FIXED]], truths) for maps, truths in looked])
    assert lines["the constant cut, .5"][5] == f"{100 * base:.1f}"
    assert lines["agreement of two looks"][5] == "100.0"
    assert lines["(the best for each picture, by its boxes)"][5] == "100.0"
    assert set(WAYS) <= set(lines)
    assert len({len(line) for line in lines.values()}) == 1


def test_between_bars_a_box_keeps_to_its_pixels() -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[15:45, 20:40] = 255
    wide, (box,) = between_bars(picture, [(0.25, 0.25, 0.5, 0.75)], 0.25)
    assert wide.shape == (80, 80, 3)
    rows_of, columns = np.nonzero(wide[..., 0])
    assert box == pytest.approx((columns[0] / 80, rows_of[0] / 80, (columns[-1] + 1) / 80, (rows_of[-1] + 1) / 80))
    assert overlaps(np.array([box]), np.array([box]))[0, 0] == 1
