"""Colour tables against the published end colours, and the YUV conversion against OpenCV's."""

import cv2
import numpy as np
import pytest

from seekcam.localization.painting.colormaps import rgb_table, rgb_to_yuv, yuv_table
from seekcam.localization.settings import COLORMAPS

# First and last colour as their authors publish them (jet starts half way up its blue).
ENDS = {
    "turbo": ((48, 18, 59), (122, 4, 3)),
    "jet": ((0, 0, 128), (128, 0, 0)),
    "viridis": ((68, 1, 84), (253, 231, 37)),
    "inferno": ((0, 0, 4), (252, 255, 164)),
}


@pytest.mark.parametrize("name", COLORMAPS)
def test_tables_run_from_the_published_first_to_the_last_colour(name: str) -> None:
    table = rgb_table(name)
    assert table.shape == (256, 3)
    assert np.abs(table[[0, 255]].astype(int) - np.array(ENDS[name])).max() <= 3


@pytest.mark.parametrize("name", ["viridis", "inferno"])
def test_perceptual_maps_grow_brighter_all_the_way(name: str) -> None:
    assert (np.diff(yuv_table(name)[:, 0].astype(int)) >= 0).all()


def test_yuv_is_opencvs_limited_range_bt601() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (200, 3), dtype=np.uint8)
    for colour in colours:
        patch = np.tile(colour, (4, 4, 1))
        planes = cv2.cvtColor(patch, cv2.COLOR_RGB2YUV_I420)
        expected = (planes[0, 0], planes[4, 0], planes[5, 0])
        assert np.abs(rgb_to_yuv(colour).astype(int) - np.array(expected, int)).max() <= 1


@pytest.mark.parametrize("name", COLORMAPS)
def test_yuv_tables_stay_in_the_limited_range(name: str) -> None:
    table = yuv_table(name)
    assert table[:, 0].min() >= 16
    assert table[:, 0].max() <= 235
    assert table[:, 1:].min() >= 16
    assert table[:, 1:].max() <= 240


def test_tables_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        rgb_table("turbo")[0] = 0
