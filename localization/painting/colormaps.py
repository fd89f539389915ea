"""The colour maps of the overlay as tables: 256 colours from 0 to 1, in RGB and in the YUV of video frames.

turbo (Mikhailov, 2019), viridis and inferno (Smith & van der Walt, 2015) rise in order and read well to colour-blind
eyes; jet is here because papers on class activation maps show it.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.uint8]  # [256, 3]

_CODES = {
    "turbo": cv2.COLORMAP_TURBO,
    "jet": cv2.COLORMAP_JET,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "inferno": cv2.COLORMAP_INFERNO,
}

# ITU-R BT.601, limited range (16..235, 16..240): rows give Y, U and V of an R'G'B' in 0..255.
_BT601 = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
_OFFSET = np.array([16.0, 128.0, 128.0])


def rgb_to_yuv(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours [..., 3] in RGB to limited-range BT.601 YUV [..., 3], rounded to nearest."""
    yuv: NDArray[np.float64] = rgb @ _BT601.T + _OFFSET
    return np.rint(yuv).astype(np.uint8)


@cache
def rgb_table(name: str) -> Table:
    """The colours of a map, [256, 3] in RGB; read-only.

    Raises:
        KeyError: a name that is not in `settings.COLORMAPS`.
    """
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    table = np.ascontiguousarray(cv2.applyColorMap(ramp, _CODES[name])[:, 0, ::-1]).astype(np.uint8, copy=False)
    table.setflags(write=False)
    return table


@cache
def yuv_table(name: str) -> Table:
    """The same colours in limited-range BT.601 YUV, [256, 3]; read-only.

    Raises:
        KeyError: a name that is not in `settings.COLORMAPS`.
    """
    table = rgb_to_yuv(rgb_table(name))
    table.setflags(write=False)
    return table
