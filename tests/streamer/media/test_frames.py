"""Frames against the colour equations, against the picture path, and against their own inputs."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.localization.card import ModelCard
from seekcam.localization.pipeline import cut_picture, fit_picture
from seekcam.localization.prediction import Box, ClassMap, Prediction
from seekcam.localization.region import Region
from seekcam.localization.settings import PaintSettings
from seekcam.streamer.media import frames as frames_module
from seekcam.streamer.media.frames import (
    cut_frame,
    fit_frame,
    letterboxed,
    luma,
    paint_frame,
    planes,
    to_i420,
    to_rgb,
    upright,
)

CARD = ModelCard("net", ("cat", "dog"), ("n1", "n2"), input_size=224, map_size=7, spread_size=14, features=8, mapped=2)
COLOUR = (200, 40, 30)
BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)  # Kr, Kb of ITU-R BT.601-7 and BT.709-6


def coded(rgb: tuple[int, int, int], weights: tuple[float, float], full: bool) -> list[float]:
    """Y, Cb, Cr of an RGB colour by the standards' equations."""
    kr, kb = weights
    red, green, blue = (value / 255 for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = ((blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr)))
    low, swing, chroma_swing = (0, 255, 255) if full else (16, 219, 224)
    return [low + swing * luma, *(128 + chroma_swing * c for c in chroma)]


def flat(values: list[float], matrix: int = 2, colour_range: int = 0, pixel_format: str = "yuv420p") -> av.VideoFrame:
    """A 320 x 240 frame of one colour with the given tags."""
    frame = av.VideoFrame(320, 240, pixel_format)
    for plane, value in zip(frame.planes, values, strict=True):
        np.frombuffer(memoryview(plane), np.uint8)[:] = round(value)
    frame.colorspace, frame.color_range = matrix, colour_range
    return frame


def photograph(height: int, width: int, pixel_format: str = "yuv420p") -> tuple[NDArray[np.uint8], av.VideoFrame]:
    """Chelsea the cat as a frame, and that frame in RGB: both have lost the same chroma."""
    cat: NDArray[np.uint8] = skimage.data.chelsea()
    source = np.asarray(cv2.resize(cat, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    frame = av.VideoFrame.from_ndarray(source, "rgb24").reformat(format=pixel_format)
    frame.pts, frame.time_base = 1234, Fraction(1, 90000)
    return to_rgb(frame), frame


def prediction() -> Prediction:
    grid = np.linspace(0, 1, 14 * 14, dtype=np.float32).reshape(14, 14)
    return Prediction(
        "net", "cam", (), (ClassMap(0, "cat", grid, 0.5, 0.9),), (Box(0, "cat", 0.8, (0.1, 0.5, 0.9, 1.0)),)
    )


@pytest.mark.parametrize(
    ("weights", "full", "matrix", "colour_range", "pixel_format"),
    [
        (BT601, False, 2, 0, "yuv420p"),  # a WebRTC frame: untagged
        (BT601, False, 6, 1, "yuv420p"),
        (BT601, True, 6, 2, "yuv420p"),
        (BT601, True, 2, 0, "yuvj420p"),
        (BT709, False, 1, 1, "yuv420p"),
        (BT709, True, 1, 2, "yuv420p"),
    ],
)
def test_the_colour_tags_of_a_frame_are_respected(
    weights: tuple[float, float], full: bool, matrix: int, colour_range: int, pixel_format: str
) -> None:
    frame = flat(coded(COLOUR, weights, full), matrix, colour_range, pixel_format)
    assert np.abs(fit_frame(frame, 64, "area") - np.array(COLOUR)).max() <= 3
    expected = coded(COLOUR, BT601, full=False)
    for plane, value in zip(planes(to_i420(frame)), expected, strict=True):
        assert np.abs(plane - value).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280), (360, 640), (640, 360), (241, 333)])
def test_a_fitted_frame_is_the_fitted_picture(height: int, width: int) -> None:
    picture, frame = photograph(height, width)
    difference = fit_frame(frame, 224, "area").astype(float) - fit_picture(picture, CARD)
    assert abs(difference.mean()) < 0.3
    assert np.abs(difference).mean() < 1
    assert np.percentile(np.abs(difference), 99) <= 4


@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280), (241, 333)])
@pytest.mark.parametrize(
    "region", [(0.2, 0.3, 0.45, 0.8), (0.0, 0.0, 0.31, 0.27), (0.9, 0.77, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0)]
)
def test_a_region_of_a_frame_is_that_of_the_picture(height: int, width: int, region: Region) -> None:
    picture, frame = photograph(height, width)
    cut, place = cut_frame(frame, region, 224, "area")
    _, whole = cut_picture(picture, CARD, region)
    assert place == pytest.approx(whole, abs=1.01 / min(height, width))  # an odd last row or column is cut off
    assert place[0] <= region[0] + 1e-6
    assert place[1] <= region[1] + 1e-6
    assert place[2] >= region[2] - 1.01 / width
    assert place[3] >= region[3] - 1.01 / height
    x0, y0, x1, y1 = (round(at * side) for at, side in zip(place, (width, height, width, height), strict=True))
    assert np.abs(cut.astype(float) - fit_picture(picture[y0:y1, x0:x1], CARD)).mean() < 2


@pytest.mark.parametrize(("weights", "full", "matrix", "colour_range"), [(BT709, False, 1, 1), (BT709, True, 1, 2)])
def test_a_region_keeps_its_colours_and_no_more_than_it_is_converted(
    monkeypatch: pytest.MonkeyPatch, weights: tuple[float, float], full: bool, matrix: int, colour_range: int
) -> None:
    frame = flat(coded(COLOUR, weights, full), matrix, colour_range, "yuv420p")
    seen: list[int] = []
    convert = frames_module._converted

    def converted(source: av.VideoFrame, *arguments: Any, **options: Any) -> av.VideoFrame:
        seen.append(source.width)
        return convert(source, *arguments, **options)

    monkeypatch.setattr(frames_module, "_converted", converted)
    cut, (x0, _, x1, _) = cut_frame(frame, (0.25, 0.25, 0.75, 0.75), 64, "area")
    assert np.abs(cut - np.array(COLOUR)).max() <= 3
    assert seen == [round((x1 - x0) * frame.width)]


@pytest.mark.parametrize("region", [(0.0, 0.125, 1.0, 0.875), (0.125, 0.0, 0.875, 1.0), (0.1, 0.2, 0.8, 0.95)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_a_part_of_a_frame_is_fitted_as_that_part_of_the_picture(region: Region, pixel_format: str) -> None:
    picture, frame = photograph(480, 640)
    fitted = fit_frame(frame.reformat(format=pixel_format), 224, "area", region)
    x0, y0, x1, y1 = region
    part = picture[round(480 * y0) : round(480 * y1), round(640 * x0) : round(640 * x1)]
    difference = fitted.astype(float) - fit_picture(np.ascontiguousarray(part), CARD)
    assert fitted.shape == (224, 224, 3)
    assert abs(difference.mean()) < 0.5
    assert np.abs(difference).mean() < 4  # as far as half a pixel of the result makes


@given(width=st.integers(8, 64), height=st.integers(8, 64), region=st.tuples(*[st.floats(0, 0.49)] * 4))
@settings(deadline=None, max_examples=40)
def test_any_part_of_any_frame_can_be_fitted(
    width: int, height: int, region: tuple[float, float, float, float]
) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
    left, top, right, bottom = region
    fitted = fit_frame(frame, 32, "area", (left, top, 1 - right, 1 - bottom))
    assert fitted.shape == (32, 32, 3)
    assert np.abs(fitted.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "gray", "rgb24", "yuyv422", "uyvy422", "yuv420p10le"])
def test_the_brightness_of_a_frame_of_any_format_is_its_own(pixel_format: str) -> None:
    picture, frame = photograph(48, 64)
    grey = luma(frame.reformat(format=pixel_format))
    expected = frame.reformat(format="gray").to_ndarray().astype(float)
    spread = np.polyfit(expected.ravel(), grey.ravel().astype(float), 1)
    assert grey.shape == picture.shape[:2]
    assert 0.8 <= spread[0] <= 1.2  # limited or full range


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj422p", "nv12", "yuyv422", "uyvy422"])
def test_the_brightness_of_what_cameras_send_is_looked_at_where_it_lies(pixel_format: str) -> None:
    frame = photograph(48, 66)[1].reformat(format=pixel_format)
    grey = luma(frame)
    assert np.shares_memory(grey, np.frombuffer(memoryview(frame.planes[0]), np.uint8))
    converted = frame.reformat(format="gray", dst_color_range=frame.color_range)
    plane = converted.planes[0]
    expected = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:48, :66].astype(float)
    assert np.corrcoef(grey.ravel(), expected.ravel())[0, 1] > 0.999


@given(width=st.integers(2, 90), height=st.integers(2, 70))
@settings(deadline=None, max_examples=25)
def test_planes_are_the_pixels_whatever_the_line_size(width: int, height: int) -> None:
    frame = av.VideoFrame(width, height, "yuv420p")
    rows = np.arange(height)[:, None] + np.arange(width)[None, :]
    first = frame.planes[0]
    np.frombuffer(memoryview(first), np.uint8).reshape(-1, first.line_size)[:height, :width] = rows
    y, u, v = planes(frame)
    assert np.array_equal(y, rows[: height // 2 * 2, : width // 2 * 2])
    assert u.shape == v.shape == (height // 2, width // 2)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "rgb24", "yuyv422", "yuv420p10le", "nv12"])
def test_painting_makes_a_new_frame_at_the_same_time(pixel_format: str) -> None:
    picture, frame = photograph(241, 321, pixel_format)
    before = [bytes(plane) for plane in frame.planes]
    painted = paint_frame(frame, prediction(), PaintSettings(opacity=0.6))
    assert [bytes(plane) for plane in frame.planes] == before
    assert (painted.format.name, painted.width, painted.height) == ("yuv420p", 320, 240)
    assert (painted.pts, painted.time_base) == (1234, Fraction(1, 90000))
    changed = np.abs(to_rgb(painted).astype(int) - picture[:240, :320]).mean()
    assert changed > 10


def test_painting_nothing_changes_nothing() -> None:
    picture, frame = photograph(240, 320)
    nothing = Prediction("net", "cam", ())
    painted = paint_frame(frame, nothing, PaintSettings(boxes=False, labels=False))
    assert np.array_equal(to_rgb(painted), picture)


@pytest.mark.parametrize(("width", "height"), [(320, 240), (240, 320), (100, 300), (64, 2), (322, 242)])
def test_letterboxing_keeps_the_proportions_and_bars_are_black(width: int, height: int) -> None:
    source = flat(coded((255, 255, 255), BT601, full=False))
    boxed = letterboxed(source, width, height)
    assert (boxed.width, boxed.height) == (width, height)
    white = to_rgb(boxed)[..., 1] > 128
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    inner_height, inner_width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert white.sum() == inner_height * inner_width
    scale = min(width / 320, height / 240)
    assert inner_width == pytest.approx(320 * scale, abs=2)
    assert inner_height == pytest.approx(240 * scale, abs=2)


def test_a_frame_without_a_display_matrix_is_upright_already() -> None:
    _, frame = photograph(240, 320)
    assert upright(frame) is frame


def test_several_threads_may_read_one_frame_at_once() -> None:
    """Viewers of one stream are painted in parallel; a frame's own scaler would crash the process here."""
    frame = av.VideoFrame.from_ndarray(np.asarray(skimage.data.chelsea())[:, :450].copy(), format="rgb24")
    expected = fit_frame(frame, 224, "area")
    with ThreadPoolExecutor(4) as executor:
        fitted = [executor.submit(fit_frame, frame, 224, "area") for _ in range(200)]
        converted = [executor.submit(to_i420, frame) for _ in range(200)]
    assert all(np.array_equal(f.result(), expected) for f in fitted)
    assert all(c.result().format.name == "yuv420p" for c in converted)
