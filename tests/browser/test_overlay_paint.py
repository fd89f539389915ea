"""The page's own painter against the server's: the same heat, boxes where they belong, and crisp at any size."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser
from skimage.data import chelsea

from localization.layout import lay_out
from localization.overlay import paint_rgb
from localization.prediction import Box, ClassMap
from localization.settings import PaintSettings
from tests.browser.painter_page import LOOK, Painter, Pixels, blob, open_page, pane, predict, rgba

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 320, 240
KINDS = ("webgl", "2d")
NO_MARKS = PaintSettings(boxes=False, labels=False)


def apart(a: Pixels, b: Pixels) -> float:
    """Mean absolute difference, in levels of 255."""
    assert a.shape == b.shape
    return float(np.abs(a.astype(np.float32) - b).mean())


@pytest.fixture(scope="module")
def painter(browser: Browser) -> Iterator[Painter]:
    """One page for all."""
    made = open_page(browser)
    yield made
    made.page.context.close()
    assert made.errors == []


@pytest.fixture(scope="module")
def picture(painter: Painter) -> Pixels:
    """The cat, as the video's frame has it: in the browser and here."""
    return painter.film(cv2.resize(chelsea(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_the_heat_is_the_servers(painter: Painter, picture: Pixels, kind: str) -> None:
    assert painter.open(kind) == kind
    painter.show(WIDTH, HEIGHT)
    painter.call("keep", 0)
    noise = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)
    cases = (
        (predict(blob(0.3, 0.4)), "turbo"),
        (predict(noise), "jet"),
        (predict(blob(0.2, 0.2), blob(0.9, 0.7, 9)), "viridis"),
    )
    mean, most = {"webgl": (0.4, 3), "2d": (0.8, 12)}[kind]  # Chromium's 2D canvas interpolates in coarse steps
    for number, (prediction, name) in enumerate(cases):
        paint = replace(NO_MARKS, colormap=name, opacity=0.5 + 0.25 * number, mirror=number == 0)
        expected = paint_rgb(picture, prediction, paint)
        bare, whole = painter.paint(
            [pane(prediction)], colormap=name, opacity=paint.opacity, mirror=paint.mirror, boxes=False, labels=False
        )
        assert apart(bare, expected) < mean
        assert np.abs(bare.astype(int) - expected).max() <= most
        assert apart(expected, picture) > 5, "there is something to compare"
        assert apart(whole, expected) < mean
        assert np.abs(whole.astype(int) - bare).max() <= most, "nothing stands on it"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("turned", "size"),
    [
        ({}, (WIDTH, HEIGHT)),
        ({"rotation": 90}, (HEIGHT, WIDTH)),
        ({"flip": True}, (WIDTH, HEIGHT)),
        ({"visibleRect": {"x": 100, "y": 0, "width": 200, "height": HEIGHT}}, (200, HEIGHT)),
        ({"displayWidth": 400, "displayHeight": HEIGHT}, (400, HEIGHT)),
    ],
)
def test_a_frame_of_the_track_is_kept_as_the_browser_draws_it(
    painter: Painter, picture: Pixels, kind: str, turned: dict[str, Any], size: tuple[int, int]
) -> None:
    painter.open(kind)
    kept = painter.call("keepFrame", 1, turned)
    # Only what lies as it is shown can be had as a copy, which is faster; a graphics card needs none.
    assert kept["copies"] == (kind == "2d" and turned.keys() <= {"visibleRect"})
    drawn = rgba(kept)[..., :3]
    assert drawn.shape[1::-1] == size
    painter.show(*size)
    bare, whole = painter.paint([pane(predict(blob(0.5, 0.5)))], slot=1, opacity=0, boxes=False, labels=False)
    limit = 2 if kind == "webgl" and "displayWidth" in turned else 0.6  # WebGL stretches to the nearest pixels
    assert apart(bare, drawn) < limit
    assert apart(whole, drawn) < limit
    if not turned:
        assert apart(bare, picture) < 1.5, "the frame's own colours, its planes halved"


def test_the_picture_is_drawn_as_large_as_it_is_shown_and_saved_whole(painter: Painter, picture: Pixels) -> None:
    painter.open("2d")
    painter.call("keep", 0)
    prediction = predict(blob(0.3, 0.4))
    whole = paint_rgb(picture, prediction, NO_MARKS)
    for (width, height, density), drawn in {
        (WIDTH // 2, HEIGHT // 2, 1): (WIDTH // 2, HEIGHT // 2),
        (WIDTH // 2, HEIGHT // 2, 2): (WIDTH, HEIGHT),
        (3 * WIDTH // 2, 3 * HEIGHT // 2, 1): (3 * WIDTH // 2, 3 * HEIGHT // 2),
        (2 * WIDTH, 2 * HEIGHT, 1): (WIDTH, HEIGHT),  # the browser enlarges it
        (WIDTH // 2, HEIGHT, 1): (WIDTH // 2, HEIGHT // 2),  # between bars
    }.items():
        painter.show(width, height, density)
        seen, saved = painter.paint([pane(prediction)], boxes=False, labels=False)
        assert painter.call("drawn") == list(drawn)
        assert apart(saved, whole) < 0.8
        size = (int(width * density), int(width * density) * HEIGHT // WIDTH)
        bar = (seen.shape[0] - size[1]) // 2
        middle = seen[bar : bar + size[1]]
        assert (seen[:bar] == 0).all()
        assert apart(middle, cv2.resize(whole, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)) < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_stays_in_its_frame_whatever_is_known_of_that(painter: Painter, picture: Pixels, kind: str) -> None:
    painter.open(kind)
    painter.show(2 * WIDTH, 2 * HEIGHT)
    painter.call("keep", 0)
    painter.paint([pane(predict())])
    assert painter.call("squeezed", f"{WIDTH}px", f"{HEIGHT}px") == [WIDTH, HEIGHT]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_stays_while_its_slot_is_kept_anew(painter: Painter, picture: Pixels, kind: str) -> None:
    painter.open(kind)
    painter.show(WIDTH, HEIGHT)
    painter.call("keep", 0)
    before = painter.paint([pane(predict())])
    upside_down = np.ascontiguousarray(picture[::-1])
    for expected in (upside_down, picture):
        painter.film(expected)
        painter.call("keep", 0)
        assert np.array_equal(painter.seen(), before[0])
        assert np.array_equal(rgba(painter.call("saved"))[..., :3], before[1])
        before = painter.paint([pane(predict())])
        assert np.array_equal(before[0], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_two_sides_stand_next_to_each_other(painter: Painter, picture: Pixels, kind: str) -> None:
    painter.open(kind)
    painter.show(2 * WIDTH, HEIGHT)
    painter.call("keep", 0)
    left, right = predict(blob(0.2, 0.5)), predict(blob(0.8, 0.5), model="lite1")
    bare, whole = painter.paint([pane(left, "lite0 · cam"), pane(right, "lite1 · cam")], labels=False)
    assert whole.shape == (HEIGHT, 2 * WIDTH, 3)
    halves = [paint_rgb(picture, side, NO_MARKS) for side in (left, right)]
    assert apart(bare, np.concatenate(halves, axis=1)) < 0.6
    expected = paint_rgb(picture, replace(left, compare=right), NO_MARKS)
    seam = (expected == (16, 18, 22)).all(axis=(0, 2))
    assert seam.sum() == 4
    assert np.array_equal((whole == (16, 18, 22)).all(axis=(0, 2)), seam)
    for half in range(2):
        corner = np.s_[HEIGHT - 12 : HEIGHT - 3, half * WIDTH + 6 : half * WIDTH + 40]
        assert whole[corner].mean() < bare[corner].mean() - 40, "a dark plate says which side this is"


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_is_left_as_it_is(painter: Painter, picture: Pixels, kind: str) -> None:
    painter.open(kind)
    painter.show(WIDTH, HEIGHT)
    assert not painter.call("paint", 0, [pane(predict())], LOOK), "there is no picture yet"
    painter.call("keep", 0)
    sure = predict(blob(0.5, 0.5), boxes=(Box(0, "class 0", 0.5, (0.2, 0.2, 0.8, 0.8)),))
    bare, _ = painter.paint([pane(sure)], opacity=0)
    assert np.array_equal(bare, picture)
    for untouched in (pane(sure, strength=0), pane(predict())):
        bare, whole = painter.paint([untouched], labels=untouched["grids"] != [], line=True)
        assert np.array_equal(bare, picture)
        assert np.array_equal(whole, picture), "what is too old to be shown has no marks either"
    mirrored, _ = painter.paint([pane(predict())], mirror=True)
    assert np.array_equal(mirrored, picture[:, ::-1])
    faded, _ = painter.paint([pane(sure, strength=0.5)], opacity=0.8)
    assert apart(faded, paint_rgb(picture, sure, replace(NO_MARKS, opacity=0.4))) < 0.6
    again, _ = painter.paint([pane(sure)], slot=1)
    assert np.array_equal(again, faded), "nothing was kept there"


def test_a_slot_keeps_its_own_picture_and_size(painter: Painter, picture: Pixels) -> None:
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2))
    for kind in KINDS:
        painter.open(kind)
        painter.call("keep", 0)
        assert np.array_equal(painter.film(turned), turned)
        painter.call("keep", 1)
        for slot, expected in ((0, picture), (1, turned), (0, picture)):
            painter.show(*expected.shape[1::-1])
            bare, _ = painter.paint([pane(predict())], slot)
            assert np.array_equal(bare, expected)
        painter.call("keep", 0)
        assert painter.paint([pane(predict())])[1].shape == turned.shape
        drawn = rgba(painter.call("into", WIDTH, HEIGHT))[..., :3]
        dark = (drawn == 0).all(axis=(0, 2))
        assert dark.sum() == WIDTH - HEIGHT * HEIGHT // WIDTH, "bars left and right of the upright picture"
        painter.film(picture)


def test_a_lost_context_goes_unnoticed(painter: Painter, picture: Pixels) -> None:
    assert painter.open() in KINDS
    painter.open("webgl")
    painter.show(WIDTH, HEIGHT)
    painter.call("keep", 0)
    prediction = predict(blob(0.4, 0.6))
    painter.paint([pane(prediction)])
    painter.call("lose")
    painter.call("keep", 1)
    bare, _ = painter.paint([pane(prediction)], slot=1)
    assert apart(bare, paint_rgb(picture, prediction, NO_MARKS)) < 0.6


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
