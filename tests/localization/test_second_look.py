"""The second look at a small thing: pure decisions by their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.evaluation.metrics import iou
from seekcam.localization.prediction import Box, ClassMap, Prediction, Rectangle
from seekcam.localization.region import MOST_CELLS, WHOLE, Region
from seekcam.localization.second_look import (
    CUT,
    EVERY,
    HOLD,
    REST,
    SMALL,
    Closer,
    SecondLooks,
    area,
    better,
    found,
    wanted,
    whole_pixels,
)

CELLS = 14

places = st.floats(0, 1, width=16)


@st.composite
def boxes(draw: st.DrawFn, least: float = 0.01, most: float = 1.0) -> Rectangle:
    width, height = draw(st.floats(least, most)), draw(st.floats(least, most))
    x, y = draw(places) * (1 - width), draw(places) * (1 - height)
    return x, y, x + width, y + height


def seen(box: Rectangle | None, index: int = 2, grid: NDArray[np.float32] | None = None) -> Prediction:
    """A prediction with one map, and a box where one is given."""
    shown = np.full((CELLS, CELLS), 0.5, np.float32) if grid is None else grid
    found_boxes = () if box is None else (Box(index, "cat", 0.8, box),)
    return Prediction("m", "cam", (), (ClassMap(index, "cat", shown, 0.5, 0.9),), found_boxes)


def overlap(one: Rectangle, other: Rectangle) -> float:
    return float(iou([one], [other])[0, 0])


@given(boxes())
def test_the_region_holds_the_box_in_its_middle_unless_the_edge_is_near(box: Rectangle) -> None:
    region = wanted(seen(box))
    if area(box) >= SMALL:
        assert region is None
        return
    assert region is not None
    for low, high, least, most in ((box[0], box[2], region[0], region[2]), (box[1], box[3], region[1], region[3])):
        assert 0 <= least <= low + 1e-9
        assert high - 1e-9 <= most <= 1 + 1e-9
        assert most - least == pytest.approx(min(1.5 * (high - low), 1))
        if least > 1e-9 and most < 1 - 1e-9:
            assert (least + most) / 2 == pytest.approx((low + high) / 2)


@given(boxes(0.05, 0.3), boxes(0.4, 0.9))
def test_a_second_look_stays_in_what_the_first_one_saw(inner: Rectangle, part: Region) -> None:
    x0, y0, x1, y1 = part
    box = (
        x0 + inner[0] * (x1 - x0),
        y0 + inner[1] * (y1 - y0),
        x0 + inner[2] * (x1 - x0),
        y0 + inner[3] * (y1 - y0),
    )
    region = wanted(seen(box), part)
    assert region is not None  # a third by a third at most
    assert part[0] - 1e-9 <= region[0] < region[2] <= part[2] + 1e-9
    assert part[1] - 1e-9 <= region[1] < region[3] <= part[3] + 1e-9


def test_without_one_small_box_the_first_look_will_do() -> None:
    small = (0.4, 0.4, 0.5, 0.5)
    two = Prediction("m", "cam", (), seen(small).maps, seen(small).boxes * 2)
    both = Prediction("m", "cam", (), seen(small).maps * 2, seen(small).boxes)
    unsure = Prediction("m", "cam", ())
    assert wanted(seen(small)) is not None
    assert [wanted(each) for each in (seen(None), two, both, unsure, seen((0.5, 0.5, 0.5, 0.5)))] == [None] * 5


@given(boxes(0.001), st.integers(1, 2000), st.integers(1, 2000))
def test_whole_pixels_hold_the_region_and_begin_at_even_ones(region: Region, width: int, height: int) -> None:
    x0, y0, x1, y1 = whole_pixels(region, width, height)
    for first, last, low, high, length in (
        (x0, x1, region[0], region[2], width),
        (y0, y1, region[1], region[3], height),
    ):
        assert 0 <= first < last <= length
        assert first <= low * length + 1e-3 or first == length - 1
        assert last >= high * length - 1e-3
        assert first % 2 == 0 or first == length - 1
        assert last % 2 == 0 or last == length
        assert last - first <= (high - low) * length + 4


@given(boxes(0.05, 0.4), boxes(0.1, 0.9), st.floats(0.05, 1))
def test_what_was_found_is_in_the_frames_own_coordinates(region: Region, box: Rectangle, peak: float) -> None:
    grid = np.full((CELLS, CELLS), peak, np.float32)
    closer = found(seen((0.1, 0.1, 0.2, 0.2)), seen(box, grid=grid), region)
    assert closer is not None
    width, height = region[2] - region[0], region[3] - region[1]
    inside = [(closer.box[i] - region[i % 2]) / (width, height)[i % 2] for i in range(4)]
    assert inside == pytest.approx(box, abs=1e-6)
    assert closer.grid.max() == pytest.approx(min(peak / CUT, 1))


def test_a_second_look_that_finds_nothing_or_another_thing_changes_nothing() -> None:
    first = seen((0.1, 0.1, 0.2, 0.2))
    assert found(first, seen(None), WHOLE) is None
    assert found(first, seen((0.1, 0.1, 0.9, 0.9), index=3), WHOLE) is None


@given(boxes(0.1, 0.5))
@settings(max_examples=40)
def test_the_better_map_is_the_closer_one_where_it_looked_and_the_first_one_elsewhere(region: Region) -> None:
    first = seen(region, grid=np.full((CELLS, CELLS), 0.25, np.float32))
    closer = Closer(2, region, np.full((CELLS, CELLS), 0.75, np.float32), region, 0.7)
    prediction = better(first, closer)
    grid = prediction.maps[0].grid
    assert max(grid.shape) <= MOST_CELLS  # with more, a data-channel message would have no room for it
    rows, columns = ((np.arange(n) + 0.5) / n for n in grid.shape)
    inside = np.outer((rows > region[1]) & (rows < region[3]), (columns > region[0]) & (columns < region[2]))
    near = np.outer(
        np.abs(rows[:, None] - np.array(region[1::2])).min(1) < 1e-6,
        np.ones(len(columns), bool),
    ) | (np.abs(columns[:, None] - np.array(region[::2])).min(1) < 1e-6)
    np.testing.assert_allclose(grid[inside & ~near], 0.75)
    np.testing.assert_allclose(grid[~inside & ~near], 0.25)
    assert prediction.boxes == (Box(2, "cat", 0.7, region),)
    assert prediction.top == first.top


moments = st.lists(st.tuples(st.floats(0, 0.3), st.sampled_from(["same", "moved", "gone"])), min_size=1, max_size=120)


@given(moments)
def test_no_stream_looks_again_at_more_than_one_of_five_frames_on_end(frames: list[tuple[float, str]]) -> None:
    looks, pts, taken = SecondLooks(), 0.0, []
    times = []
    for step, where in frames:
        pts += step
        first = seen({"same": (0.4, 0.4, 0.5, 0.5), "moved": (0.7, 0.1, 0.8, 0.2), "gone": None}[where])
        due = looks.due(first, pts)
        taken.append(due and wanted(first) is not None)
        if taken[-1]:
            times.append((pts, where))
            looks.took(
                first, Closer(2, (0.3, 0.3, 0.6, 0.6), np.ones((2, 2), np.float32), (0.4, 0.4, 0.5, 0.5), 1), pts
            )
    assert all(sum(taken[i : i + EVERY]) <= 1 for i in range(len(taken)))
    assert sum(taken) <= 1 + (len(taken) - 1) // EVERY


def test_a_still_thing_is_looked_at_again_after_a_while_at_any_frame_rate() -> None:
    first = seen((0.4, 0.4, 0.5, 0.5))
    for fps in (2, 5, 15, 30, 60):
        looks, times = SecondLooks(), []
        for number in range(4 * fps):
            if looks.due(first, number / fps):
                times.append(number / fps)
                looks.took(first, Closer(2, WHOLE, np.ones((2, 2), np.float32), (0.4, 0.4, 0.5, 0.5), 1), times[-1])
        gaps = np.diff(times)
        wait = max(EVERY / fps, REST)
        assert ((gaps > wait - 1e-6) & (gaps < wait + 1 / fps + 1e-6)).all()


@given(boxes(0.05, 0.2), places, places)
def test_what_was_seen_moves_with_the_first_looks_box(box: Rectangle, right: float, down: float) -> None:
    looks = SecondLooks()
    region = wanted(seen(box))
    assert region is not None
    fine = (box[0] + 0.01, box[1] + 0.01, box[2] - 0.02, box[3] - 0.01)
    looks.took(seen(box), Closer(2, region, np.ones((3, 3), np.float32), fine, 0.9), 1.0)
    width, height = box[2] - box[0], box[3] - box[1]
    dx, dy = (right - 0.5) * width, (down - 0.5) * height
    now = (box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy)
    looks.due(seen(now), 1.1)
    held = looks.held(seen(now))
    if overlap(box, now) < 0.3 - 1e-9:
        assert held is None
    elif overlap(box, now) > 0.3 + 1e-9:
        assert held is not None
        assert held.box[2] - held.box[0] == pytest.approx(fine[2] - fine[0])
        assert held.box[3] - held.box[1] == pytest.approx(fine[3] - fine[1])
        assert min(held.region[:2]) >= -1e-9
        assert max(held.region[2:]) <= 1 + 1e-9
        if min(region[0] + dx, region[1] + dy) >= 0 and max(region[2] + dx, region[3] + dy) <= 1:
            assert held.box == pytest.approx((fine[0] + dx, fine[1] + dy, fine[2] + dx, fine[3] + dy))


@given(boxes(0.05, 0.3), boxes(0.05, 0.3))
def test_a_new_second_look_goes_half_the_way_from_what_was_held(old: Rectangle, new: Rectangle) -> None:
    first, looks = seen((0.4, 0.4, 0.5, 0.5)), SecondLooks()
    one, other = (Closer(2, WHOLE, np.ones((2, 2), np.float32), box, 1) for box in (old, new))
    assert looks.took(first, one, 1.0) is one
    assert looks.due(first, 1.3) is False
    shown = looks.took(first, other, 1.3)
    assert shown is not None
    assert shown.box == pytest.approx(np.mean([old, new], axis=0))
    assert looks.took(first, None, 1.6) is None
    assert looks.held(first) is None


@pytest.mark.parametrize(
    ("later", "pts"),
    [
        (seen((0.4, 0.4, 0.5, 0.5)), 1 + HOLD + 0.1),  # too old
        (seen((0.4, 0.4, 0.5, 0.5)), 0.5),  # the film began anew
        (seen((0.4, 0.4, 0.5, 0.5), index=3), 1.1),  # another class
        (seen((0.7, 0.7, 0.8, 0.8)), 1.1),  # another place
        (seen(None), 1.1),
    ],
)
def test_what_was_seen_is_forgotten(later: Prediction, pts: float) -> None:
    first, looks = seen((0.4, 0.4, 0.5, 0.5)), SecondLooks()
    looks.took(first, Closer(2, WHOLE, np.ones((2, 2), np.float32), (0.4, 0.4, 0.5, 0.5), 1), 1.0)
    looks.due(first, 1.05)
    assert looks.held(first) is not None
    looks.due(later, pts)
    looks.due(first, pts)
    assert looks.held(first) is None
