"""The part of a frame that a model was shown, and the way back from it: boxes and maps in the frame's own coordinates.

A model sees the whole frame, the picture between black bars, or the neighbourhood of a thing. What it says is said of
that part; everybody else is told of the frame.
"""

from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.prediction import Rectangle

Region = Rectangle  # x0, y0, x1, y1 in [0, 1] of the frame, x0 < x1 and y0 < y1

WHOLE: Region = (0.0, 0.0, 1.0, 1.0)
MOST_CELLS = 28  # a side of a map of the frame: twice the stride-16 grid, and still one data-channel message


def box_in_frame(box: Rectangle, region: Region) -> Rectangle:
    """A box in [0, 1] of the region as one in [0, 1] of the frame."""
    x0, y0, x1, y1 = region
    width, height = x1 - x0, y1 - y0
    return (x0 + box[0] * width, y0 + box[1] * height, x0 + box[2] * width, y0 + box[3] * height)


def grid_in_frame(grid: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    """A map of the region as one of the frame, nothing outside: as fine as it was, as far as MOST_CELLS allow.

    Args:
        grid: float32 [h, w] over the region.

    Returns:
        float32 [h', w'] over the frame; the very same grid where the region is the whole frame.
    """
    if region == WHOLE:
        return grid
    rows, columns = grid.shape
    x0, y0, x1, y1 = region
    height = min(ceil(rows / (y1 - y0) - 1e-6), max(MOST_CELLS, rows))
    width = min(ceil(columns / (x1 - x0) - 1e-6), max(MOST_CELLS, columns))
    # The centre of cell (i, j) of the frame, in cells of the grid.
    x = (((np.arange(width) + 0.5) / width - x0) / (x1 - x0) * columns - 0.5).astype(np.float32)
    y = (((np.arange(height) + 0.5) / height - y0) / (y1 - y0) * rows - 0.5).astype(np.float32)
    inside = np.outer((y > -0.5) & (y < rows - 0.5), (x > -0.5) & (x < columns - 0.5))
    xs, ys = np.meshgrid(x, y)
    moved = cv2.remap(grid, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(inside, moved, np.float32(0)).astype(np.float32)
