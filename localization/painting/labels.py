"""The plates with text that stand on a picture, ready to be laid on RGB pixels or on the planes of a video frame.

Labels repeat from frame to frame, so a plate is drawn once for each text, size and style and then kept.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.painting.colormaps import rgb_to_yuv
from seekcam.localization.painting.fonts import draw_text, text_width

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]  # RGB

INK: Colour = (16, 18, 22)
ELLIPSIS = "…"
PADDING = 0.45  # em, left and right of the text
RIM = 0.5  # how far the plate's edge goes from its own colour to that of the text
LONGEST = 200  # characters of a name that are looked at


@dataclass(frozen=True)
class PlateStyle:
    """Colours of a plate and its text, and how much of the picture the plate hides (0 to 1)."""

    fill: Colour
    text: Colour
    opacity: float = 1.0


@dataclass(frozen=True, eq=False)
class Layer:
    """One plane of a plate: `paint + keep / 255 * picture`; both uint8 of the plane's shape."""

    paint: Pixels
    keep: Pixels

    def lay_on(self, plane: Pixels, x: int, y: int) -> None:
        """Draw on `plane` in place with the top left corner at (x, y); what reaches over the edges is cut."""
        height, width = self.paint.shape[:2]
        top, left = max(0, -y), max(0, -x)
        view = plane[max(0, y) : y + height, max(0, x) : x + width]
        if view.size == 0:
            return
        bottom, right = top + view.shape[0], left + view.shape[1]
        kept = cv2.multiply(np.ascontiguousarray(view), self.keep[top:bottom, left:right], scale=1 / 255)
        view[...] = cv2.add(kept, self.paint[top:bottom, left:right])


@dataclass(frozen=True, eq=False)
class Plate:
    """A label's bitmap: `rgb` for pictures [h, w, 3], `y`, `u`, `v` for video frames; h and w are even."""

    width: int
    height: int
    rgb: Layer
    y: Layer
    u: Layer
    v: Layer


@lru_cache(maxsize=256)
def plate(text: str, size: int, style: PlateStyle) -> Plate:
    """A plate with one line of text, `size` pixels the em."""
    glyphs = draw_text(text, size)
    pad = round(size * PADDING)
    width, height = _even(glyphs.shape[1] + 2 * pad), _even(glyphs.shape[0])
    radius = round(size * 0.28)
    cover = _rounded(width, height, radius)
    rim = cover - np.pad(_rounded(width - 2, height - 2, max(0, radius - 1)), 1)  # parts a plate from its like
    ink = np.zeros((height, width), np.float32)
    ink[: glyphs.shape[0], pad : pad + glyphs.shape[1]] = glyphs.astype(np.float32) / 255
    dark = np.maximum(ink, RIM * rim)[..., None]
    fill, text_colour = np.array(style.fill, np.float32), np.array(style.text, np.float32)
    colour = fill + dark * (text_colour - fill)
    alpha = cover * np.maximum(style.opacity, ink)
    yuv = rgb_to_yuv(np.rint(colour).astype(np.uint8)).astype(np.float32)
    half = cv2.resize(alpha, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    weighted = cv2.resize(yuv[..., 1:] * alpha[..., None], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return Plate(
        width,
        height,
        _layer(colour * alpha[..., None], np.repeat(alpha[..., None], 3, axis=2)),
        _layer(yuv[..., 0] * alpha, alpha),
        _layer(weighted[..., 0], half),
        _layer(weighted[..., 1], half),
    )


@lru_cache(maxsize=512)
def shortened(name: str, suffix: str, size: int, width: int) -> str:
    """`name + suffix`, the name cut with an ellipsis so that its plate is at most `width` pixels wide."""
    room = width - 2 * round(size * PADDING)
    if text_width(name + suffix, size) <= room:
        return name + suffix
    for length in range(min(len(name) - 1, LONGEST), 0, -1):
        text = name[:length].rstrip() + ELLIPSIS + suffix
        if text_width(text, size) <= room:
            return text
    return suffix.strip() or ELLIPSIS


def _layer(weighted: cv2.typing.MatLike, alpha: cv2.typing.MatLike) -> Layer:
    paint = np.rint(weighted).astype(np.uint8)
    keep = np.rint(255 * (1 - alpha)).astype(np.uint8)
    return Layer(paint, keep)


@lru_cache(maxsize=64)
def _rounded(width: int, height: int, radius: int) -> NDArray[np.float32]:
    """A rectangle with round corners as coverage 0..1, [height, width], its edges smoothed."""
    scale = 4
    big = np.zeros((height * scale, width * scale), np.uint8)
    r = radius * scale
    cv2.rectangle(big, (r, 0), (width * scale - 1 - r, height * scale - 1), 255, -1)
    cv2.rectangle(big, (0, r), (width * scale - 1, height * scale - 1 - r), 255, -1)
    for x in (r, width * scale - 1 - r):
        for y in (r, height * scale - 1 - r):
            cv2.circle(big, (x, y), r, 255, -1)
    return cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)


def _even(value: int) -> int:
    return value + value % 2
