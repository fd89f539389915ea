"""Painting against its definition, RGB against video planes, and the pictures it must leave alone."""

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.localization.painting.colormaps import rgb_table
from seekcam.localization.painting.layout import lay_out
from seekcam.localization.painting.overlay import CLEAR, PALE, paint_i420, paint_rgb
from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass, Rectangle
from seekcam.localization.settings import COLORMAPS, PaintSettings

Pixels = NDArray[np.uint8]
HEAT_ONLY = PaintSettings(boxes=False, labels=False)


def bump(x: float, y: float, radius: float = 0.15) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:14, :14] / 13
    return np.asarray(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2)), np.float32)


def seen(*grids: NDArray[np.float32], box: Rectangle | None = (0.3, 0.3, 0.6, 0.7)) -> Prediction:
    return Prediction(
        model="m",
        method="cam",
        top=tuple(RankedClass(i, f"cat {i}", 0.8) for i in range(len(grids))),
        maps=tuple(ClassMap(i, f"cat {i}", grid, 0.5, 0.8) for i, grid in enumerate(grids)),
        boxes=() if box is None else (Box(0, "cat 0", 0.5, box),),
    )


NOT_SURE = Prediction("m", "cam", (RankedClass(0, "cat", 0.05),))


def cat(width: int = 320, height: int = 240) -> Pixels:
    photograph = np.asarray(skimage.data.chelsea(), np.uint8)
    return cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def planes(picture: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """OpenCV's limited-range BT.601 4:2:0 of a picture whose height is a multiple of 4."""
    height, width = picture.shape[:2]
    frame = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).astype(np.uint8)
    chroma = frame[height:].reshape(2, height // 2, width // 2)
    return frame[:height].copy(), chroma[0].copy(), chroma[1].copy()


@pytest.mark.parametrize("paint", [PaintSettings(), PaintSettings(mirror=True, opacity=1), HEAT_ONLY])
@pytest.mark.parametrize("prediction", [seen(bump(0.5, 0.5)), seen(bump(0.2, 0.2), bump(0.8, 0.8)), NOT_SURE])
def test_the_input_is_left_untouched_and_the_output_is_new(prediction: Prediction, paint: PaintSettings) -> None:
    picture = cat()
    given_planes = planes(picture)
    before = [array.copy() for array in (picture, *given_planes)]
    painted = [paint_rgb(picture, prediction, paint), *paint_i420(*given_planes, prediction, paint)]
    for old, copy, new in zip((picture, *given_planes), before, painted, strict=True):
        assert np.array_equal(old, copy)
        assert new.shape == old.shape
        assert new.dtype == np.uint8
        assert not np.shares_memory(old, new)


@pytest.mark.parametrize("colormap", COLORMAPS)
@pytest.mark.parametrize("opacity", [0.3, 1.0])
def test_the_hottest_place_is_mixed_by_the_opacity(colormap: str, opacity: float) -> None:
    picture = cat()
    paint = PaintSettings(opacity=opacity, colormap=colormap, boxes=False, labels=False)
    painted = paint_rgb(picture, seen(np.ones((14, 14), np.float32)), paint)
    expected = (1 - opacity) * picture + opacity * rgb_table(colormap)[255]
    assert np.abs(painted - expected).max() <= 2


def test_where_the_map_is_low_the_picture_is_as_it_was() -> None:
    picture = cat()
    grid = bump(0.2, 0.5, 0.05)
    painted = paint_rgb(picture, seen(grid), HEAT_ONLY)
    assert np.array_equal(painted[:, 160:], picture[:, 160:])
    assert not np.array_equal(painted[:, :160], picture[:, :160])
    low = np.full((14, 14), CLEAR * PALE * 0.9, np.float32)
    assert np.array_equal(paint_rgb(picture, seen(low), HEAT_ONLY), picture)


def test_the_hottest_place_has_full_heat_whatever_its_value() -> None:
    picture = cat()
    whole = (bump(0.5, 0.5) / bump(0.5, 0.5).max()).astype(np.float32)
    full, weaker, pale = (
        paint_rgb(picture, seen((share * whole).astype(np.float32)), HEAT_ONLY) for share in (1, 0.7, 0.25)
    )
    assert np.abs(full.astype(int) - weaker).max() <= 2
    assert np.abs(full.astype(int) - picture).sum() > 1.5 * np.abs(pale.astype(int) - picture).sum()


def test_heat_sits_where_the_map_is() -> None:
    grey = np.full((240, 320, 3), 128, np.uint8)
    change = np.abs(paint_rgb(grey, seen(bump(0.75, 0.25, 0.1)), HEAT_ONLY).astype(int) - 128).sum(axis=2)
    rows, columns = np.mgrid[:240, :320]
    assert (columns * change).sum() / change.sum() == pytest.approx(0.75 * 13 / 14 * 320 + 320 / 28, abs=6)
    assert (rows * change).sum() / change.sum() == pytest.approx(0.25 * 13 / 14 * 240 + 240 / 28, abs=6)


def test_of_several_maps_the_larger_value_shows() -> None:
    picture = cat()
    one, other = bump(0.3, 0.3), bump(0.7, 0.6)
    both = paint_rgb(picture, seen(one, other), HEAT_ONLY)
    largest = np.maximum(one / one.max(), other / other.max())
    assert np.array_equal(both, paint_rgb(picture, seen(largest), HEAT_ONLY))
    assert paint_rgb(picture, seen(one, other[:7, :7].copy()), HEAT_ONLY).shape == picture.shape


@pytest.mark.parametrize("prediction", [seen(bump(0.4, 0.5)), seen(bump(0.2, 0.2), bump(0.8, 0.8))])
def test_video_planes_show_what_rgb_shows(prediction: Prediction) -> None:
    picture = cat(640, 480)
    direct = paint_i420(*planes(picture), prediction, HEAT_ONLY)
    by_rgb = planes(paint_rgb(picture, prediction, HEAT_ONLY))
    for ours, theirs in zip(direct, by_rgb, strict=True):
        difference = np.abs(ours.astype(int) - theirs)
        assert difference.max() <= 6
        assert difference.mean() <= 1


def test_boxes_and_labels_of_video_planes_are_those_of_rgb() -> None:
    picture = np.full((480, 640, 3), 90, np.uint8)
    prediction = seen(np.zeros((14, 14), np.float32))
    direct = paint_i420(*planes(picture), prediction, PaintSettings())
    by_rgb = planes(paint_rgb(picture, prediction, PaintSettings()))
    assert np.abs(direct[0].astype(int) - by_rgb[0]).max() <= 3


def test_a_mirror_turns_picture_map_and_box() -> None:
    picture = cat()
    prediction = seen(bump(0.25, 0.4))
    plain = paint_rgb(picture, prediction, PaintSettings(labels=False))
    mirrored = paint_rgb(picture, prediction, PaintSettings(labels=False, mirror=True))
    assert np.abs(mirrored[:, ::-1].astype(int) - plain).max() <= 2


def test_a_mirror_never_turns_the_text() -> None:
    picture = np.full((240, 320, 3), 60, np.uint8)
    prediction = seen(np.zeros((14, 14), np.float32), box=None)
    plain = paint_rgb(picture, prediction, PaintSettings())
    assert not np.array_equal(plain, picture)
    assert np.array_equal(paint_rgb(picture, prediction, PaintSettings(mirror=True)), plain)


def test_not_sure_changes_the_label_only() -> None:
    picture = cat()
    assert np.array_equal(paint_rgb(picture, NOT_SURE, PaintSettings(labels=False)), picture)
    painted = paint_rgb(picture, NOT_SURE, PaintSettings())
    (label,) = lay_out(NOT_SURE, PaintSettings(), 320, 240).labels
    changed = np.argwhere((painted != picture).any(axis=2))
    assert len(changed)
    assert changed[:, 0].min() >= label.y
    assert changed[:, 0].max() < label.y + label.plate.height
    assert changed[:, 1].max() < label.x + label.plate.width
    for before, after in zip(planes(picture), paint_i420(*planes(picture), NOT_SURE, HEAT_ONLY), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("background", [0, 128, 255])
def test_a_box_reads_on_any_picture(background: int) -> None:
    picture = np.full((480, 640, 3), background, np.uint8)
    prediction = seen(np.zeros((14, 14), np.float32), box=(0.25, 0.25, 0.75, 0.75))
    row = paint_rgb(picture, prediction, PaintSettings(labels=False))[240, 150:170].astype(int)
    assert row.max() > 240
    assert row.min() < 30


def test_opacity_zero_paints_no_heat() -> None:
    picture = cat()
    painted = paint_rgb(picture, seen(bump(0.5, 0.5)), PaintSettings(opacity=0, boxes=False, labels=False))
    assert np.array_equal(painted, picture)


def test_planes_that_are_windows_of_a_wider_buffer_are_painted_alike() -> None:
    y, u, v = planes(cat())
    wide_y, wide_u, wide_v = (np.pad(plane, ((0, 0), (0, 24)))[:, : plane.shape[1]] for plane in (y, u, v))
    prediction = seen(bump(0.5, 0.5))
    for mirror in (False, True):
        paint = PaintSettings(mirror=mirror)
        windows = paint_i420(wide_y, wide_u, wide_v, prediction, paint)
        for one, other in zip(windows, paint_i420(y, u, v, prediction, paint), strict=True):
            assert np.array_equal(one, other)


@given(
    half_width=st.integers(1, 60),
    half_height=st.integers(1, 60),
    odd=st.booleans(),
    box=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    mirror=st.booleans(),
    value=st.sampled_from((0.0, 0.5, 1.0, float("nan"))),
)
@settings(deadline=None, max_examples=40)
def test_any_size_box_and_map_is_painted(
    half_width: int, half_height: int, odd: bool, box: Rectangle, mirror: bool, value: float
) -> None:
    paint = PaintSettings(mirror=mirror)
    prediction = seen(np.full((3, 5), value, np.float32), bump(0.5, 0.5), box=box)
    width, height = 2 * half_width, 2 * half_height
    picture = np.zeros((height + odd, width + odd, 3), np.uint8)
    assert paint_rgb(picture, prediction, paint).shape == picture.shape
    chroma = np.full((half_height, half_width), 128, np.uint8)
    y, u, v = paint_i420(np.zeros((height, width), np.uint8), chroma, chroma, prediction, paint)
    assert (y.shape, u.shape, v.shape) == ((height, width), chroma.shape, chroma.shape)
