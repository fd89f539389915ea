"""Plates: their two colour forms agree, they are cut at the edges, and long names keep their percentage."""

import cv2
import numpy as np
import pytest

from seekcam.localization.painting.colormaps import rgb_to_yuv
from seekcam.localization.painting.fonts import text_width
from seekcam.localization.painting.labels import ELLIPSIS, PADDING, Layer, PlateStyle, plate, shortened

WHITE = PlateStyle(fill=(250, 250, 250), text=(16, 18, 22))
CLEAR = PlateStyle(fill=(20, 20, 20), text=(230, 230, 230), opacity=0.6)


@pytest.mark.parametrize("style", [WHITE, CLEAR, PlateStyle((110, 205, 255), (16, 18, 22))])
def test_a_plate_looks_the_same_on_rgb_and_on_video_planes(style: PlateStyle) -> None:
    label = plate("Persian cat 87 %", 30, style)
    h, w = label.height, label.width
    colour = np.array((180, 90, 60), np.uint8)
    picture = np.tile(colour, (h, w, 1))
    start = rgb_to_yuv(colour)
    y = np.full((h, w), start[0], np.uint8)
    u, v = (np.full((h // 2, w // 2), value, np.uint8) for value in start[1:])
    label.rgb.lay_on(picture, 0, 0)
    label.y.lay_on(y, 0, 0)
    luma = picture @ np.array([65.481, 128.553, 24.966]) / 255 + 16
    assert np.abs(y - luma).max() <= 3
    label.u.lay_on(u, 0, 0)
    label.v.lay_on(v, 0, 0)
    for plane, weights in ((u, (-37.797, -74.203, 112.0)), (v, (112.0, -93.786, -18.214))):
        chroma = picture @ np.array(weights) / 255 + 128
        coarse = cv2.resize(chroma, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        assert np.abs(plane - coarse).mean() <= 2


def test_text_stands_out_from_its_plate_on_black_and_on_white() -> None:
    for background in (0, 255):
        for style in (WHITE, CLEAR):
            label = plate("HHHH", 24, style)
            picture = np.full((label.height, label.width, 3), background, np.uint8)
            label.rgb.lay_on(picture, 0, 0)
            middle = picture[label.height // 3 : -label.height // 3, label.height // 2 : -label.height // 2].mean(
                axis=2
            )
            # White on light grey is the worst case: a clear plate over a white picture.
            assert middle.max() - middle.min() > 90


@pytest.mark.parametrize(("x", "y"), [(-3, -2), (17, 4), (-100, 0), (0, 100), (18, 18)])
def test_a_layer_over_the_edge_is_cut(x: int, y: int) -> None:
    rng = np.random.default_rng(0)
    layer = Layer(rng.integers(0, 100, (6, 8), dtype=np.uint8), rng.integers(0, 150, (6, 8), dtype=np.uint8))
    plane = rng.integers(0, 256, (20, 20), dtype=np.uint8)
    expected = plane.astype(float)
    for row in range(6):
        for column in range(8):
            if 0 <= y + row < 20 and 0 <= x + column < 20:
                kept = expected[y + row, x + column] * layer.keep[row, column] / 255
                expected[y + row, x + column] = min(255, kept + layer.paint[row, column])
    layer.lay_on(plane, x, y)
    assert np.abs(plane - expected).max() <= 1


def test_a_plate_fits_its_text_with_even_sides() -> None:
    for size in (9, 17, 26, 41):
        label = plate("Persian cat 87 %", size, WHITE)
        assert label.width % 2 == label.height % 2 == 0
        assert label.width >= text_width("Persian cat 87 %", size) + 2 * round(PADDING * size)
        assert label.rgb.paint.shape == (label.height, label.width, 3)
        assert label.u.paint.shape == (label.height // 2, label.width // 2)


@pytest.mark.parametrize("width", [30, 60, 120, 300, 2000])
def test_a_long_name_is_cut_and_its_percentage_kept(width: int) -> None:
    name = "a very long name of a class " * 20
    text = shortened(name, " 87 %", 18, width)
    if width >= 120:
        assert text.endswith(" 87 %")
        assert ELLIPSIS in text
        assert text_width(text, 18) <= width - 2 * round(PADDING * 18)
    assert text


def test_a_name_that_fits_is_left_alone() -> None:
    assert shortened("tabby", " 87 %", 18, 400) == "tabby 87 %"
