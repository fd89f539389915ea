"""Black bars: found to the pixel where they are, never where they are not, and held steady through a stream."""

import json

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.localization.bars import BLACK, NARROWEST, STANDS, BarTracker, bars_are_black, find_bars
from seekcam.localization.region import WHOLE, Region

Pixels = NDArray[np.uint8]
CHELSEA = np.asarray(skimage.data.chelsea())
BARS = st.one_of(st.just(0), st.integers(20, 64))
LETTERBOX: Region = (0.0, 0.125, 1.0, 0.875)


def content(height: int, width: int, seed: int = 0) -> Pixels:
    """A picture without a dark spot."""
    return np.random.default_rng(seed).integers(60, 250, (height, width)).astype(np.uint8)


def framed(picture: Pixels, top: int, bottom: int, left: int, right: int, black: int = 16) -> Pixels:
    width = ((top, bottom), (left, right), (0, 0))[: picture.ndim]
    return np.pad(picture, width, constant_values=black)


def region_of(frame: Pixels, top: int, bottom: int, left: int, right: int) -> Region:
    height, width = frame.shape[:2]
    return left / width, top / height, 1 - right / width, 1 - bottom / height


def as_jpeg(picture: Pixels, quality: int) -> Pixels:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, [1, quality])[1], cv2.IMREAD_UNCHANGED), np.uint8)


@given(BARS, BARS, BARS, BARS, st.sampled_from([0, 16]), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_bars_of_any_widths_are_found_to_the_pixel(
    top: int, bottom: int, left: int, right: int, black: int, seed: int
) -> None:
    frame = framed(content(240, 320, seed), top, bottom, left, right, black)
    assert find_bars(frame) == pytest.approx(region_of(frame, top, bottom, left, right))


@given(st.integers(0, 90), st.integers(0, 90), st.booleans(), st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_a_pixel_that_is_bright_in_a_full_line_is_never_cut_off(
    first: int, last: int, upright: bool, seed: int, coarse: int
) -> None:
    """Whatever is found, no line of the frame that is bright from end to end lies outside."""
    rng = np.random.default_rng(seed)
    picture = np.kron(rng.integers(0, 256, (200 // coarse, 240 // coarse)), np.ones((coarse, coarse))).astype(np.uint8)
    picture[[first, -1 - last]] = 200
    frame = picture.T if upright else picture
    x0, y0, x1, y1 = find_bars(frame)
    begins, ends = (x0, x1) if upright else (y0, y1)
    length = len(picture)
    assert begins * length <= first + 1e-6 or first >= length - 1 - last
    assert ends * length >= length - last - 1e-6 or first >= length - 1 - last


@pytest.mark.parametrize("quality", [95, 75, 40])
@pytest.mark.parametrize("black", [0, 16])
def test_compression_moves_no_bar_by_more_than_a_hundredth(quality: int, black: int) -> None:
    frame = framed(CHELSEA, 50, 50, 0, 0, black)
    assert find_bars(as_jpeg(frame, quality)) == pytest.approx(region_of(frame, 50, 50, 0, 0), abs=0.01)


def test_a_photograph_has_no_bars() -> None:
    for picture in (
        CHELSEA,
        skimage.data.astronaut(),
        skimage.data.coffee(),
        skimage.data.rocket(),
        skimage.data.cat(),
    ):
        assert find_bars(np.asarray(picture)) == WHOLE


def test_a_black_thing_before_black_is_not_cut_into() -> None:
    """A lit ball, and a cat of which two eyes are seen."""
    frame = np.full((240, 320), 12, np.uint8)
    cv2.circle(frame, (160, 120), 80, 180, -1)
    assert find_bars(frame) == WHOLE
    eyes = np.full((240, 320), 12, np.uint8)
    for x in (130, 190):
        cv2.circle(eyes, (x, 120), 12, 220, -1)
    assert find_bars(eyes) == WHOLE


def test_a_night_sky_is_no_bar() -> None:
    """Dark and nearly even, but there is no bar at the other side, and a skyline is not straight."""
    rng = np.random.default_rng(0)
    frame = rng.integers(8, 20, (240, 320)).astype(np.uint8)
    for x in range(0, 320, 16):
        frame[240 - int(rng.integers(40, 120)) :, x : x + 16] = 140
    assert find_bars(frame) == WHOLE
    assert find_bars(frame[::-1]) == WHOLE


def test_dark_blue_is_a_colour() -> None:
    frame = framed(CHELSEA, 50, 50, 0, 0, 0)
    frame[:50, :, 2] = frame[-50:, :, 2] = 90
    assert find_bars(frame) == WHOLE


@pytest.mark.parametrize("level", [0, 16, 255])
def test_an_even_frame_is_whole(level: int) -> None:
    assert find_bars(np.full((120, 160), level, np.uint8)) == WHOLE


def test_what_leaves_too_little_or_is_too_narrow_is_no_bar() -> None:
    assert find_bars(framed(content(60, 320), 100, 100, 0, 0)) == WHOLE
    narrow = int(NARROWEST * 400) - 2
    assert find_bars(framed(content(400 - 2 * narrow, 320), narrow, narrow, 0, 0)) == WHOLE


def test_a_tiny_picture_is_whole() -> None:
    assert find_bars(np.zeros((1, 1, 3), np.uint8)) == WHOLE


@given(st.integers(12, 60), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_bars_are_black_until_a_stripe_of_content_appears(bar: int, seed: int) -> None:
    frame = framed(content(200, 320), bar, bar, 0, 0)
    region = find_bars(frame)
    assert bars_are_black(frame, region)
    y = int(np.random.default_rng(seed).integers(0, bar - 6)) // 2 * 2
    frame[y : y + 2] = BLACK + 60
    assert not bars_are_black(frame, region)


LETTERBOXED = framed(content(180, 320), 30, 30, 0, 0)
DARK = np.full_like(LETTERBOXED, 16)
PLAIN = content(240, 320)


@pytest.mark.parametrize("fps", [10, 24, 30, 60])
def test_bars_count_after_the_same_time_at_any_frame_rate(fps: int) -> None:
    tracker = BarTracker()
    counted = next(i for i in range(10 * fps) if tracker.update(LETTERBOXED, i / fps) != WHOLE)
    assert STANDS - 1e-6 <= counted / fps <= STANDS + 0.15 + 1 / fps
    assert tracker.update(LETTERBOXED, (counted + 1) / fps) == pytest.approx(LETTERBOX)


def held() -> BarTracker:
    tracker = BarTracker()
    for i in range(30):
        tracker.update(LETTERBOXED, i / 30)
    return tracker


def test_bars_go_at_once_when_content_appears_in_them() -> None:
    assert held().update(PLAIN, 1.0) == WHOLE


def test_a_dark_scene_between_bars_keeps_them() -> None:
    tracker = held()
    assert tracker.update(DARK, 1.0) == pytest.approx(LETTERBOX)


def test_a_dark_film_has_no_bars_of_its_own() -> None:
    tracker = BarTracker()
    assert {tracker.update(DARK, i / 30) for i in range(90)} == {WHOLE}


def test_bars_that_come_and_go_never_count() -> None:
    tracker = BarTracker()
    frames = ([LETTERBOXED] * 10 + [PLAIN]) * 10
    assert {tracker.update(frame, i / 30) for i, frame in enumerate(frames)} == {WHOLE}


@pytest.mark.parametrize("pts", [0.2, 5.0])
def test_going_back_or_a_gap_starts_afresh(pts: float) -> None:
    assert held().update(LETTERBOXED, pts) == WHOLE


def test_the_same_frame_again_changes_nothing() -> None:
    tracker = held()
    before = tracker.state()
    assert tracker.update(PLAIN, 29 / 30) == pytest.approx(LETTERBOX)
    assert tracker.state() == before


def test_a_restored_tracker_goes_on_as_the_first_would_have() -> None:
    frames = [LETTERBOXED] * 40 + [PLAIN] * 3 + [LETTERBOXED] * 40
    for stop in (0, 5, 20, 41, 60):
        first, second = BarTracker(), BarTracker()
        for i in range(stop):
            first.update(frames[i], i / 30)
        second.restore(json.loads(json.dumps(first.state())))
        rest = range(stop, len(frames))
        assert [first.update(frames[i], i / 30) for i in rest] == [second.update(frames[i], i / 30) for i in rest]
