"""Where boxes and labels stand: inside the picture, clear of each other, mirrored in place but never in writing."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.painting import layout
from seekcam.localization.painting.layout import NOT_SURE, lay_out
from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass, Rectangle
from seekcam.localization.settings import PaintSettings

NAMES = ("Persian cat", "tabby", "a quite unreasonably long name of a class of things", "персидская кошка", "")


def prediction(rectangles: list[tuple[int, Rectangle]], classes: int = 1) -> Prediction:
    """`classes` shown classes, and boxes of some of them."""
    grid = np.zeros((7, 7), np.float32)
    return Prediction(
        model="m",
        method="cam",
        top=tuple(RankedClass(i, NAMES[i], 0.87 - 0.1 * i) for i in range(classes)),
        maps=tuple(ClassMap(i, NAMES[i], grid, 0.5, 0.87 - 0.1 * i) for i in range(classes)),
        boxes=tuple(Box(i, NAMES[i], 0.5, rectangle) for i, rectangle in rectangles if i < classes),
    )


@st.composite
def rectangles(draw: st.DrawFn) -> Rectangle:
    x0, x1 = sorted(draw(st.lists(st.floats(0, 1), min_size=2, max_size=2)))
    y0, y1 = sorted(draw(st.lists(st.floats(0, 1), min_size=2, max_size=2)))
    return x0, y0, x1, y1


@given(
    boxes=st.lists(st.tuples(st.integers(0, 4), rectangles()), max_size=8),
    classes=st.integers(0, 5),
    width=st.integers(2, 700),
    height=st.integers(2, 700),
    mirror=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_everything_stands_inside_the_picture_and_labels_apart(
    boxes: list[tuple[int, Rectangle]], classes: int, width: int, height: int, mirror: bool
) -> None:
    placed = lay_out(prediction(boxes, classes), PaintSettings(mirror=mirror), width, height)
    for box in placed.boxes:
        x0, y0, x1, y1 = box.corners
        assert 0 <= x0 <= x1 < width
        assert 0 <= y0 <= y1 < height
    for label in placed.labels:
        assert label.x % 2 == label.y % 2 == 0
        assert label.x >= 0
        assert 0 <= label.y <= height - label.plate.height + 1
        assert label.x + label.plate.width <= width + 1, "an even plate may reach one pixel over an odd picture"
    for a, b in itertools.combinations(placed.labels, 2):
        apart_in_x = a.x + a.plate.width <= b.x or b.x + b.plate.width <= a.x
        apart_in_y = a.y + a.plate.height <= b.y or b.y + b.plate.height <= a.y
        assert apart_in_x or apart_in_y
    if min(width, height) >= 240:
        assert len(placed.labels) == max(1, classes), "there is room for each label"


def test_a_class_is_labelled_once_with_its_probability_above_its_first_box() -> None:
    boxes: list[tuple[int, Rectangle]] = [
        (0, (0.3, 0.4, 0.6, 0.8)),
        (0, (0.7, 0.1, 0.9, 0.3)),
        (1, (0.1, 0.5, 0.2, 0.9)),
    ]
    placed = lay_out(prediction(boxes, 2), PaintSettings(), 640, 480)
    assert [label.text for label in placed.labels] == ["Persian cat 87 %", "tabby 77 %"]
    label, box = placed.labels[0], placed.boxes[0]
    assert label.y + label.plate.height <= box.corners[1]
    assert box.corners[1] - label.y - label.plate.height <= 4
    assert abs(label.x - box.corners[0]) <= 4
    assert placed.boxes[0].colour == placed.boxes[1].colour != placed.boxes[2].colour


def test_a_box_that_fills_the_picture_has_its_label_inside() -> None:
    placed = lay_out(prediction([(0, (0, 0, 1, 1))]), PaintSettings(), 640, 480)
    assert placed.labels[0].y <= 6
    assert placed.boxes[0].corners[0] >= 1
    assert placed.boxes[0].corners[2] <= 638


def test_mirroring_swaps_left_and_right_of_a_box() -> None:
    one = lay_out(prediction([(0, (0.1, 0.2, 0.4, 0.6))]), PaintSettings(), 640, 480).boxes[0].corners
    other = lay_out(prediction([(0, (0.1, 0.2, 0.4, 0.6))]), PaintSettings(mirror=True), 640, 480).boxes[0].corners
    assert other == (639 - one[2], one[1], 639 - one[0], one[3])


def test_not_sure_is_one_calm_label_that_can_be_switched_off() -> None:
    unsure = Prediction("m", "cam", (RankedClass(0, "Persian cat", 0.05),))
    placed = lay_out(unsure, PaintSettings(), 640, 480)
    assert [label.text for label in placed.labels] == [NOT_SURE]
    assert not placed.boxes
    assert not lay_out(unsure, PaintSettings(labels=False), 640, 480).labels


def test_switches_and_classes_without_box_or_rank() -> None:
    seen = prediction([(0, (0.3, 0.3, 0.6, 0.6))])
    assert not lay_out(seen, PaintSettings(boxes=False), 640, 480).boxes
    assert lay_out(seen, PaintSettings(boxes=False), 640, 480).labels[0].x < 20, "without boxes it stands in the corner"
    improbable = replace(seen.maps[0], score=0.0004)
    unranked = Prediction("m", "cam", (), (improbable,), seen.boxes)
    assert lay_out(unranked, PaintSettings(), 640, 480).labels[0].text == "Persian cat < 1 %"


@pytest.mark.parametrize("name", ["", "  ", "波斯猫"])
def test_a_name_that_cannot_be_written_gives_way_to_its_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "coverage", lambda text: 1.0 if text.isascii() else 0.0)
    grid = np.zeros((7, 7), np.float32)
    seen = Prediction("m", "cam", (RankedClass(283, name, 0.5),), (ClassMap(283, name, grid, 0.5, 0.5),))
    assert lay_out(seen, PaintSettings(), 640, 480).labels[0].text == "(#283) 50 %"
