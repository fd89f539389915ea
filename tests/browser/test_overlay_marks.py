"""The lines, boxes and plates of the page's own painter: where the server would draw them, crisp at any size."""

import itertools
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from seekcam.localization.painting.layout import lay_out
from seekcam.localization.prediction import Box, ClassMap
from seekcam.localization.settings import PaintSettings
from tests.browser.painter_page import HEIGHT, LOOK, WIDTH, Painter, Pixels, blob, pane, predict, rgba

pytestmark = pytest.mark.browser


def test_the_line_is_the_level_set(painter: Painter, picture: Pixels) -> None:
    rng = np.random.default_rng(1)
    grids = [blob(0.95, 0.5), cv2.GaussianBlur(rng.integers(0, 256, (14, 14), np.uint8), (0, 0), 1).astype(np.uint8)]
    side = 896
    for grid, threshold in zip(grids, (0.4, 0.5), strict=True):
        shown = ClassMap(0, "class 0", grid.astype(np.float32) / np.float32(255), threshold, 0.9)
        prediction = replace(predict(grid), maps=(shown,))
        segments = np.array(painter.call("contour", pane(prediction)["grids"][0])).reshape(-1, 4)
        # Brute force: what is inside on the enlarged map, and the edge between inside and outside.
        inside = (cv2.resize(shown.grid, (side, side), interpolation=cv2.INTER_LINEAR) >= threshold).astype(np.uint8)
        edge = cv2.dilate(inside, np.ones((3, 3), np.uint8)) != cv2.erode(inside, np.ones((3, 3), np.uint8))
        drawn = np.zeros((side, side), np.uint8)
        for x0, y0, x1, y1 in np.rint(segments * side - 0.5).astype(int):
            cv2.line(drawn, (x0, y0), (x1, y1), 255)
        off = cv2.distanceTransform(255 - drawn, cv2.DIST_L2, 5)[edge]
        assert off.max() <= 8, "it runs along the whole edge; where two parts nearly touch it may cut a corner"
        assert np.percentile(off, 98) <= 3
        assert cv2.distanceTransform(1 - edge.astype(np.uint8), cv2.DIST_L2, 5)[drawn > 0].max() <= 4, (
            "and nowhere else"
        )
        assert edge.sum() > side


def test_the_line_is_drawn_where_it_is_asked_for(painter: Painter, picture: Pixels) -> None:
    painter.open("2d")
    painter.call("keep", 0)
    prediction = predict(blob(0.3, 0.5))
    for mirror in (False, True):
        _, without = painter.paint([pane(prediction)], mirror=mirror, labels=False)
        _, whole = painter.paint([pane(prediction)], mirror=mirror, labels=False, line=True)
        changed = (whole != without).any(axis=-1)
        enlarged = cv2.resize(prediction.maps[0].grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        inside = (enlarged >= 0.4).astype(np.uint8)[:, :: -1 if mirror else 1]
        edge = cv2.dilate(inside, np.ones((3, 3), np.uint8)) != cv2.erode(inside, np.ones((3, 3), np.uint8))
        assert changed[edge].all()
        assert not (changed & (cv2.dilate(edge.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)).any(), "it is thin"
        assert np.median(cv2.dilate(whole.min(axis=-1), np.ones((3, 3), np.uint8))[edge]) > 200, "it is white"
        assert whole[changed & ~edge].mean() < without[changed & ~edge].mean(), "its edge is dark"


@pytest.mark.parametrize(("width", "height", "density"), [(640, 480, 1.0), (290, 300, 2.0), (411, 231, 1.75)])
def test_boxes_stand_on_the_displays_own_pixels(
    painter: Painter, picture: Pixels, width: int, height: int, density: float
) -> None:
    painter.open("2d")
    painter.show(width, height, density)
    painter.call("keep", 0)
    box = (0.21, 0.33, 0.64, 0.87)
    prediction = predict(blob(0.5, 0.5), boxes=(Box(0, "class 0", 0.5, box),))
    for mirror in (False, True):
        painter.paint([pane(prediction)], mirror=mirror, labels=False)
        marks = rgba(painter.call("marks"))
        assert abs(marks.shape[0] - height * density) <= 1
        assert abs(marks.shape[1] - width * density) <= 1
        # Where the picture stands in the room that it has, and where the server would draw the box on it.
        scale = min(marks.shape[1] / WIDTH, marks.shape[0] / HEIGHT)
        w, h = round(WIDTH * scale), round(HEIGHT * scale)
        left, top = (marks.shape[1] - w) // 2, (marks.shape[0] - h) // 2
        layout = lay_out(prediction, PaintSettings(labels=False, mirror=mirror), w, h)
        x0, y0, x1, y1 = layout.boxes[0].corners
        white = (marks == (250, 250, 250, 255)).all(axis=-1)
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        reach = layout.thickness // 2
        assert (columns[0], columns[-1]) == (left + x0 - reach, left + x1 + (layout.thickness - 1) // 2)
        assert (rows[0], rows[-1]) == (top + y0 - reach, top + y1 + (layout.thickness - 1) // 2)
        middle = white[top + (y0 + y1) // 2]
        assert middle.sum() == 2 * layout.thickness, "nothing is smeared over neighbouring pixels"
        assert ((marks[..., 3] == 0) | (marks[..., 3] == 255)).all()


def test_text_is_never_mirrored(painter: Painter, picture: Pixels) -> None:
    painter.open("2d")
    painter.show(390, 293, 2)
    painter.call("keep", 0)
    seen = []
    for mirror in (False, True):
        painter.paint([pane(predict(blob(0.5, 0.5)), "lite0 · cam")], mirror=mirror)
        seen.append(rgba(painter.call("marks")))
    assert np.array_equal(seen[0], seen[1])
    # Both plates have writing: dark on the class's colour at the top, light on the calm one at the bottom.
    top, bottom = np.array_split(seen[0], 2)
    assert (top[top[..., 3] == 255][:, :3] < 60).all(axis=-1).sum() > 100
    assert (bottom[bottom[..., 3] == 255][:, :3] > 200).all(axis=-1).sum() > 100


def test_plates_stand_inside_and_clear_of_each_other(painter: Painter) -> None:
    rng = np.random.default_rng(2)
    cases: list[tuple[list[dict[str, Any]], dict[str, Any], int, int]] = []
    for number in range(60):
        boxes = tuple(
            Box(index, f"class {index}", 0.5, (x - 0.2 * x, y - 0.3 * y, x, y))
            for index, x, y in zip(rng.integers(0, 5, 6), rng.random(6), rng.random(6), strict=True)
        )
        made = pane(predict(*[blob(0.5, 0.5)] * 5, boxes=boxes), "a model with a name · layercam" if number % 2 else "")
        for mark in made["marks"]:
            mark["name"] = "quite unreasonable " * int(rng.integers(1, 9))
        cases.append(([made], LOOK | {"mirror": bool(number % 3)}, *rng.integers(60, 900, 2).tolist()))
    shown = 0
    for (_, _, width, height), layout in zip(cases, painter.call("lay", cases), strict=True):
        plates = layout["plates"] + [layout["caption"]] * (layout["caption"] is not None)
        shown += len(plates)
        for a, b in itertools.combinations(plates, 2):
            beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
            assert beside or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        for plate in plates:
            assert 0 <= plate["x"] <= width - plate["width"]
            assert 0 <= plate["y"] <= height - plate["height"]
            assert plate["width"] <= 30 * layout["em"]
            assert 0.5 * layout["em"] * len(plate["text"]) <= plate["width"] - 2 * plate["padding"] + 1e-6
        for plate in layout["plates"]:
            assert plate["text"].endswith("87 %"), "what is cut is the name"
        for box in layout["boxes"]:
            corners = box["corners"]
            assert 0 < corners["left"] <= corners["right"] < width - 1
            assert 0 < corners["top"] <= corners["bottom"] < height - 1
    assert shown > 3 * len(cases)
