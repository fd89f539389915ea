"""The page's own painter against the server's: the same picture and the same heat, on the screen and as it is saved."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from seekcam.localization.painting.overlay import paint_rgb
from seekcam.localization.prediction import Box
from seekcam.localization.settings import PaintSettings
from tests.browser.painter_page import HEIGHT, LOOK, WIDTH, Painter, Pixels, blob, pane, predict, rgba

pytestmark = pytest.mark.browser

KINDS = ("webgl", "2d")
NO_MARKS = PaintSettings(boxes=False, labels=False)


def apart(a: Pixels, b: Pixels) -> float:
    """Mean absolute difference, in levels of 255."""
    assert a.shape == b.shape
    return float(np.abs(a.astype(np.float32) - b).mean())


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
        (predict(blob(0.3, 0.6) // 3 * 2, blob(0.8, 0.3, 9) // 4), "turbo"),  # one at full heat, one that stays pale
    )
    mean, most = {"webgl": (0.4, 3), "2d": (0.8, 12)}[kind]  # Chromium's 2D canvas interpolates in coarse steps
    for number, (prediction, name) in enumerate(cases):
        paint = replace(NO_MARKS, colormap=name, opacity=min(1, 0.5 + 0.25 * number), mirror=number == 0)
        expected = paint_rgb(picture, prediction, paint)
        bare, whole = painter.paint(
            [pane(prediction)], colormap=name, opacity=paint.opacity, mirror=paint.mirror, boxes=False, labels=False
        )
        assert apart(bare, expected) < mean
        assert np.abs(bare.astype(int) - expected).max() <= most
        assert apart(expected, picture) > 5, "there is something to compare"
        assert apart(whole, expected) < mean
        assert np.abs(whole.astype(int) - bare).max() <= most, "nothing stands on it"


@pytest.mark.parametrize(
    ("width", "density", "size"),
    [(160, 1, (160, 120)), (640, 1, (347, 260)), (640, 3, (480, 360))],
    ids=["as it is", "some 90000", "a quarter"],
)
def test_the_processor_puts_together_few_pixels_of_heat(
    painter: Painter, picture: Pixels, width: int, density: float, size: tuple[int, int]
) -> None:
    painter.open("2d")
    painter.show(width, width * HEIGHT // WIDTH, density)
    painter.call("keep", 0)
    prediction = predict(np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8))
    seen, saved = painter.paint([pane(prediction)], boxes=False, labels=False)
    heat = painter.page.locator(".heat").first
    assert heat.evaluate("canvas => [canvas.width, canvas.height, getComputedStyle(canvas).imageRendering]") == [
        *size,
        "pixelated",
    ]
    assert heat.evaluate("canvas => getComputedStyle(canvas).opacity") == "1", "see-through is in the pixels"
    assert apart(saved, picture) > 5, "there is something to compare"
    smooth = cv2.resize(saved, seen.shape[1::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    assert apart(seen, smooth) < 3, "steps that nobody sees"


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
