"""Boxes and maps of a part of a frame, in the frame: against moving every pixel by hand."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.region import MOST_CELLS, WHOLE, Region, box_in_frame, grid_in_frame


@st.composite
def regions(draw: st.DrawFn) -> Region:
    x0, y0 = draw(st.floats(0, 0.6)), draw(st.floats(0, 0.6))
    return x0, y0, draw(st.floats(x0 + 0.2, 1)), draw(st.floats(y0 + 0.2, 1))


@given(regions(), st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_point_of_the_region_lies_where_it_is_in_the_frame(region: Region, point: tuple[float, float]) -> None:
    x0, y0, x1, y1 = box_in_frame((*point, 1.0, 1.0), region)
    assert (x0 - region[0]) / (region[2] - region[0]) == pytest.approx(point[0], abs=1e-9)
    assert (y0 - region[1]) / (region[3] - region[1]) == pytest.approx(point[1], abs=1e-9)
    assert (x1, y1) == pytest.approx((region[2], region[3]))


def test_the_whole_frame_leaves_everything_as_it_is() -> None:
    grid = np.random.default_rng(0).random((14, 14), np.float32)
    assert grid_in_frame(grid, WHOLE) is grid
    assert box_in_frame((0.1, 0.2, 0.3, 0.4), WHOLE) == (0.1, 0.2, 0.3, 0.4)


@settings(deadline=None, max_examples=60)
@given(regions(), st.integers(0, 100))
def test_a_map_of_a_region_lies_inside_it_and_is_nothing_outside(region: Region, seed: int) -> None:
    grid = (0.5 + np.random.default_rng(seed).random((14, 14)) / 2).astype(np.float32)
    moved = grid_in_frame(grid, region)
    rows, columns = moved.shape
    assert max(rows, columns) <= MOST_CELLS
    for row in range(rows):
        for column in range(columns):
            x, y = (column + 0.5) / columns, (row + 0.5) / rows
            inside = region[0] < x < region[2] and region[1] < y < region[3]
            on_edge = min(abs(x - region[0]), abs(x - region[2]), abs(y - region[1]), abs(y - region[3])) < 1e-5
            if not on_edge:
                assert (moved[row, column] >= 0.5) if inside else (moved[row, column] == 0)


def test_between_black_bars_a_map_keeps_its_cells() -> None:
    grid = np.random.default_rng(1).random((14, 14), np.float32)
    moved = grid_in_frame(grid, (0.0, 0.125, 1.0, 0.875))  # 14 of 18.67 rows
    assert moved.shape == (19, 14)
    picture = np.zeros((1200, 14), np.float32)
    picture[150:1050] = cv2.resize(grid, (14, 900), interpolation=cv2.INTER_LINEAR)
    centres = [round((row + 0.5) / 19 * 1200 - 0.5) for row in range(19)]
    np.testing.assert_allclose(moved[3:16], picture[centres][3:16], atol=0.02)
