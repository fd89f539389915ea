"""The measures against a second implementation in plain loops, and against cases worked out by hand."""

import math
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.evaluation.metrics import (
    SIDE,
    TAUS,
    BoxAccuracy,
    BoxIous,
    PixelPrecision,
    best_iou,
    box_ious,
    inclusive_iou,
    iou,
    pixel_counts,
    score_map,
    truth_boxes,
)
from tests.helpers.slow_metrics import Box, slow_inclusive_iou, slow_ious, slow_pxap


@st.composite
def maps(draw: st.DrawFn) -> NDArray[np.float32]:
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    levels = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0])
    rows = draw(st.lists(st.lists(levels, min_size=width, max_size=width), min_size=height, max_size=height))
    return np.array(rows, np.float32)


@st.composite
def boxes_in(draw: st.DrawFn, most: int) -> Box:
    x0, y0 = draw(st.integers(0, most - 1)), draw(st.integers(0, most - 1))
    return x0, y0, draw(st.integers(x0, most)), draw(st.integers(y0, most))


@settings(deadline=None, max_examples=60)
@given(heat=maps(), truths=st.lists(boxes_in(9), min_size=1, max_size=3))
def test_boxes_at_every_threshold_equal_flood_fill(heat: NDArray[np.float32], truths: list[Box]) -> None:
    found = box_ious(heat, np.array(truths))
    largest, best = slow_ious(heat, truths)
    assert found.any == pytest.approx(best)
    for value, allowed in zip(found.largest, largest, strict=True):
        assert min(abs(value - choice) for choice in allowed) < 1e-9


def test_a_smooth_map_equals_flood_fill_too() -> None:
    noise = np.random.default_rng(3).random((6, 6)).astype(np.float32)
    heat = np.asarray(cv2.resize(noise, (20, 17), interpolation=cv2.INTER_CUBIC), np.float32)
    heat = (heat - heat.min()) / (heat.max() - heat.min())
    truths: list[Box] = [(2, 3, 9, 12), (8, 1, 19, 9)]
    found = box_ious(heat, np.array(truths))
    largest, best = slow_ious(heat, truths)
    assert found.any == pytest.approx(best)
    assert all(any(math.isclose(v, c) for c in allowed) for v, allowed in zip(found.largest, largest, strict=True))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=1, max_size=5))
def test_a_sets_accuracy_is_the_best_over_thresholds_of_the_mean_over_pictures(seeds: list[tuple[int, int]]) -> None:
    pictures = [BoxIous(np.random.default_rng(a).random(1000), np.random.default_rng(b).random(1000)) for a, b in seeds]
    accuracy = BoxAccuracy()
    for picture in pictures:
        accuracy.add(picture)
    expected = max(sum(p.largest[t] >= 0.5 for p in pictures) / len(pictures) for t in range(1000))
    assert accuracy.max_box_acc == pytest.approx(expected)
    maxima = [max(sum(p.any[t] >= d for p in pictures) / len(pictures) for t in range(1000)) for d in (0.3, 0.5, 0.7)]
    assert accuracy.max_box_acc_v2 == pytest.approx(sum(maxima) / 3)


def test_the_threshold_is_chosen_for_the_set_and_not_for_each_picture() -> None:
    early, late = np.where(TAUS < 0.5, 1.0, 0.0), np.where(TAUS < 0.5, 0.0, 1.0)
    accuracy = BoxAccuracy()
    accuracy.add(BoxIous(early, early))
    accuracy.add(BoxIous(late, late))
    assert (accuracy.max_box_acc, accuracy.max_box_acc_v2) == (0.5, 0.5)


def test_each_iou_has_a_threshold_of_its_own_in_version_two() -> None:
    rising = np.where(TAUS < 0.5, 0.4, 0.0)  # right at .3 only, and early
    late = np.where(TAUS < 0.5, 0.0, 0.8)
    accuracy = BoxAccuracy()
    for ious in (rising, rising, late):
        accuracy.add(BoxIous(ious, ious))
    assert accuracy.max_box_acc_v2 == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)


def heat_of(*spans: tuple[int, int, int, int, float], side: int = 20) -> NDArray[np.float32]:
    """A map of rectangles x, y, w, h, value."""
    heat = np.zeros((side, side), np.float32)
    for x, y, w, h, value in spans:
        heat[y : y + h, x : x + w] = value
    return heat


def test_a_contours_box_ends_one_pixel_behind_its_last_and_within_the_map() -> None:
    assert box_ious(heat_of((3, 2, 4, 3, 1.0)), np.array([[3, 2, 7, 5]])).largest[0] == 1.0
    assert box_ious(heat_of((16, 12, 4, 8, 1.0)), np.array([[16, 12, 19, 19]])).largest[0] == 1.0


def test_only_pixels_strictly_above_the_whole_number_of_the_threshold_count() -> None:
    heat = heat_of((2, 2, 16, 16, 0.5), (4, 4, 2, 2, 1.0))  # .5 is 127 of 255
    wide = box_ious(heat, np.array([[2, 2, 18, 18]])).largest
    assert wide[498] == 1.0  # .498 x 255 = 126.99: above 126
    assert wide[499] == pytest.approx(9 / 289)  # .499 x 255 = 127.2: not above 127; the box is 4..6


def test_the_threshold_is_a_share_of_the_maps_own_maximum() -> None:
    heat = heat_of((2, 2, 16, 16, 0.2), (4, 4, 2, 2, 0.4))  # 51 and 102
    wide = box_ious(heat, np.array([[2, 2, 18, 18]])).largest
    assert (wide[499] == 1.0, wide[500] == 1.0) == (True, False)  # 50 and 51 of 102


def test_a_map_without_contours_boxes_the_first_pixel() -> None:
    heat = np.zeros((20, 20), np.float32)
    assert box_ious(heat, np.array([[0, 0, 1, 1]])).largest == pytest.approx(np.full(1000, 0.25))
    assert not box_ious(heat, np.array([[1, 1, 5, 5]])).any.any()


def test_version_one_takes_the_largest_contour_and_version_two_any_inner_ones_too() -> None:
    heat = heat_of((1, 1, 12, 12, 1.0), (4, 4, 5, 5, 0.0), (15, 15, 3, 3, 1.0))  # a ring and a small square
    ring, hole, square = [1, 1, 13, 13], [3, 3, 10, 10], [15, 15, 18, 18]
    for truth, largest in ((ring, 1.0), (hole, 64 / 169), (square, 0.0)):
        found = box_ious(heat, np.array([truth]))
        assert found.any[0] == 1.0
        assert found.largest[0] == pytest.approx(largest)


def test_several_annotated_boxes_count_as_the_best_pair() -> None:
    heat = heat_of((3, 2, 4, 3, 1.0))
    assert box_ious(heat, np.array([[10, 10, 12, 12], [3, 2, 7, 5]])).largest[0] == 1.0


@settings(deadline=None, max_examples=60)
@given(st.lists(boxes_in(12), min_size=1, max_size=4), st.lists(boxes_in(12), min_size=1, max_size=4))
def test_ious_equal_counted_pixels(boxes: list[Box], truths: list[Box]) -> None:
    closed = inclusive_iou(np.array(boxes), np.array(truths))
    assert closed == pytest.approx(np.array([[slow_inclusive_iou(a, b) for b in truths] for a in boxes]))
    # A continuous box covers the pixels before its far side.
    solid = [box for box in boxes if box[0] < box[2] and box[1] < box[3]]
    aims = [box for box in truths if box[0] < box[2] and box[1] < box[3]]
    expected = [
        [slow_inclusive_iou((*a[:2], a[2] - 1, a[3] - 1), (*b[:2], b[2] - 1, b[3] - 1)) for b in aims] for a in solid
    ]
    if solid and aims:
        assert iou(solid, aims) == pytest.approx(np.array(expected))
        assert best_iou(solid, aims) == pytest.approx(max(max(row) for row in expected))


def test_the_two_conventions_differ_by_one_pixel() -> None:
    a, b = [0, 0, 9, 9], [5, 5, 14, 14]
    assert inclusive_iou(np.array([a]), np.array([b]))[0, 0] == pytest.approx(25 / 175)
    assert iou([a], [b])[0, 0] == pytest.approx(16 / 146)


@pytest.mark.parametrize(
    ("boxes", "truths"), [([], [(0, 0, 1, 1)]), ([(0, 0, 1, 1)], []), ([(0, 0, 0, 1)], [(0, 0, 0, 1)])]
)
def test_no_box_or_one_without_area_has_no_overlap(boxes: list[Box], truths: list[Box]) -> None:
    assert best_iou(boxes, truths) == 0.0


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 2000), st.integers(1, 2000), st.lists(st.floats(0, 2000), min_size=4, max_size=4))
def test_annotated_boxes_are_scaled_and_cut_to_whole_numbers(width: int, height: int, corners: list[float]) -> None:
    (found,) = truth_boxes([corners], (width, height))
    for value, corner, side in zip(found, corners, (width, height, width, height), strict=True):
        exact = Fraction(corner) * SIDE / side
        # The quotient of doubles may round up to a whole number that the exact one only nearly reaches.
        assert value in {math.floor(exact), math.floor(exact * (1 + Fraction(1, 2**50)))}


def test_annotated_boxes_of_cub_and_imagenet_worked_out_by_hand() -> None:
    assert truth_boxes([(60, 27, 385, 331)], (500, 335)).tolist() == [[26, 18, 172, 221]]
    assert truth_boxes([(0, 0, 500, 335)], (500, 335)).tolist() == [[0, 0, 224, 224]]


def cubic_weights(count: int) -> NDArray[np.float64]:
    """[SIDE, count]: bicubic interpolation with a = -.75, pixel centres at halves, edges repeated."""
    weights = np.zeros((SIDE, count))
    for row in range(SIDE):
        place = (row + 0.5) * count / SIDE - 0.5
        for near in range(math.floor(place) - 1, math.floor(place) + 3):
            d, a = abs(place - near), -0.75
            weight = (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            weights[row, min(max(near, 0), count - 1)] += weight
    return weights


def test_a_score_map_is_the_bicubic_enlargement_from_zero_to_one() -> None:
    grid = np.random.default_rng(1).normal(5, 3, (7, 9)).astype(np.float32)
    smooth = cubic_weights(7) @ grid.astype(np.float64) @ cubic_weights(9).T
    expected = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    found = score_map(grid)
    assert (found.min(), found.max()) == (0.0, 1.0)
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("value", [3.0, math.nan, math.inf])
def test_a_constant_map_or_one_that_is_no_number_becomes_zeros(value: float) -> None:
    assert not score_map(np.full((7, 7), value, np.float32)).any()
    spoilt = np.random.default_rng(0).random((7, 7)).astype(np.float32)
    if not math.isfinite(value):
        spoilt[3, 3] = value
        assert not score_map(spoilt).any()


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3), st.floats(0.1, 0.9))
def test_pixel_precision_equals_counting_pixels(seeds: list[int], share: float) -> None:
    pictures = []
    for seed in seeds:
        draw = np.random.default_rng(seed)
        heat = np.round(draw.random((5, 6)), draw.integers(1, 5)).astype(np.float32)
        mask = draw.random((5, 6)) < share
        mask[0, 0] = True
        pictures.append((heat, mask, draw.random((5, 6)) < 0.3))
    precision = PixelPrecision()
    for heat, mask, ignore in pictures:
        precision.add(pixel_counts(heat, mask, ignore))
    assert precision.average_precision == pytest.approx(slow_pxap(pictures))


def test_pixel_precision_of_known_maps() -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[2:6, 2:7] = True
    for heat, expected in ((mask, 1.0), (np.zeros((10, 10)), 0.2), (~mask, 0.2)):
        precision = PixelPrecision()
        precision.add(pixel_counts(heat.astype(np.float32), mask))
        assert precision.average_precision == pytest.approx(expected)
    assert PixelPrecision().average_precision is None


def test_the_ignored_region_hides_background_only() -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[:5] = True
    precision = PixelPrecision()
    precision.add(pixel_counts(np.ones((10, 10), np.float32), mask, np.ones((10, 10), np.bool_)))
    assert precision.average_precision == 1.0


def test_a_map_that_says_the_centre_finds_central_objects_and_no_others() -> None:
    line = np.exp(-(((np.arange(14) - 6.5) / 4) ** 2))
    heat = score_map(np.outer(line, line).astype(np.float32))
    accuracy = {True: BoxAccuracy(), False: BoxAccuracy()}
    for half in range(30, 110, 10):
        accuracy[True].add(box_ious(heat, truth_boxes([(112 - half, 112 - half, 112 + half, 112 + half)], (224, 224))))
        accuracy[False].add(box_ious(heat, truth_boxes([(0, 0, half, half)], (224, 224))))
    assert accuracy[True].max_box_acc_v2 > 0.5
    assert accuracy[False].max_box_acc < 0.5
