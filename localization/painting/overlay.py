"""Paint a prediction: the class map as heat, boxes and labels; on RGB pixels or straight on a video frame's planes.

Where the map is low the picture stays as it is; `opacity` is how much of it the hottest places hide. For painting, and
for that alone, each map is scaled so that its largest value is 1; a map that stays below the cut stays pale. Painting
on the YUV planes spares a video frame the way to RGB and back, which costs ten times as much as the painting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.painting.colormaps import rgb_table, rgb_to_yuv, yuv_table
from seekcam.localization.painting.labels import INK, Colour
from seekcam.localization.painting.layout import Layout, captions, lay_out
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import PaintSettings

Pixels = NDArray[np.uint8]

FINE = 56  # pixels: the map is bent smoothly (cubic) up to this side and straight (linear) from there
CLEAR, FULL = 0.08, 0.6  # map values below which nothing is painted, and from which the heat has its full opacity
PALE = 0.5  # a map with a smaller largest value is painted weaker: nothing in it is a thing
OUTLINE = INK


@dataclass(frozen=True)
class Limit:
    """How large two halves side by side may be, in pixels; what is larger is scaled down."""

    side: int
    pixels: int

    def half(self, width: int, height: int) -> tuple[int, int]:
        """The size of one half for pictures of `width` x `height`, even when it had to be scaled."""
        scale = min(self.side / max(2 * width, height), (self.pixels / (2 * width * height)) ** 0.5)
        if scale >= 1:
            return width, height
        return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


LIVE = Limit(1920, 1920 * 1080)  # what a phone decodes and two cores encode
FILE = Limit(3840, 3840 * 2160)
PICTURE = Limit(16_000, 50_000_000)  # WebP ends at 16,383; no more memory than the largest upload takes


def paint_rgb(picture: Pixels, prediction: Prediction, paint: PaintSettings, limit: Limit = PICTURE) -> Pixels:
    """A painted copy of an RGB picture uint8 [H, W, 3]; the picture itself is left as it is.

    Where two sides are compared, both stand next to each other, each with its name: [H, 2 W, 3] within `limit`.
    """
    if prediction.compare is None:
        canvas = _copy(picture, paint.mirror)
        _paint_rgb(canvas, prediction, paint)
        return canvas
    width, height = limit.half(picture.shape[1], picture.shape[0])
    source = _copy(_shrink(picture, width, height), paint.mirror)
    canvas = np.concatenate([source, source], axis=1)
    names = captions(prediction, prediction.compare)
    for number, side in enumerate((prediction, prediction.compare)):
        _paint_rgb(canvas[:, number * width : (number + 1) * width], side, paint, names[number])
    seam = _seam(width, height)
    canvas[:, width - seam : width + seam] = OUTLINE
    return canvas


def paint_i420(
    y: Pixels, u: Pixels, v: Pixels, prediction: Prediction, paint: PaintSettings, limit: Limit = LIVE
) -> tuple[Pixels, Pixels, Pixels]:
    """Painted copies of the planes of a YUV 4:2:0 frame (limited range, BT.601); the input is left as it is.

    Args:
        y: uint8 [H, W], H and W even.
        u: uint8 [H / 2, W / 2].
        v: uint8 [H / 2, W / 2].
        limit: of two compared sides, which stand next to each other as in `paint_rgb`.
    """
    if prediction.compare is None:
        planes = [_copy(plane, paint.mirror) for plane in (y, u, v)]
        _paint_i420(planes, prediction, paint)
        return planes[0], planes[1], planes[2]
    width, height = limit.half(y.shape[1], y.shape[0])
    scales = (1, 2, 2)  # how many pixels of the picture one of the plane's is wide
    sources = [
        _copy(_shrink(plane, width // scale, height // scale), paint.mirror)
        for plane, scale in zip((y, u, v), scales, strict=True)
    ]
    planes = [np.concatenate([plane, plane], axis=1) for plane in sources]
    names = captions(prediction, prediction.compare)
    for number, side in enumerate((prediction, prediction.compare)):
        views = [
            plane[:, number * width // scale : (number + 1) * width // scale]
            for plane, scale in zip(planes, scales, strict=True)
        ]
        _paint_i420(views, side, paint, names[number])
    seam = _seam(width, height)
    for plane, scale, value in zip(planes, scales, _yuv(OUTLINE), strict=True):
        plane[:, (width - seam) // scale : (width + seam) // scale] = value
    return planes[0], planes[1], planes[2]


def _paint_rgb(canvas: Pixels, prediction: Prediction, paint: PaintSettings, name: str = "") -> None:
    """Paint on an RGB picture, mirrored already; `name` goes into its corner."""
    height, width = canvas.shape[:2]
    heat = _heat(prediction, paint.mirror)
    if heat is not None and paint.opacity > 0:
        keep, colours = _tables(paint.colormap, paint.opacity, yuv=False)
        kept = _as_pixels(cv2.cvtColor(_enlarge(cv2.LUT(heat, keep), width, height), cv2.COLOR_GRAY2RGB))
        colour = _enlarge(cv2.LUT(cv2.cvtColor(heat, cv2.COLOR_GRAY2RGB), colours), width, height)
        _mix(canvas, kept, colour)
    layout = lay_out(prediction, paint, width, height, name)
    _draw_boxes(canvas, layout, [(box.colour, OUTLINE) for box in layout.boxes])
    for label in layout.labels:
        label.plate.rgb.lay_on(canvas, label.x, label.y)


def _paint_i420(planes: Sequence[Pixels], prediction: Prediction, paint: PaintSettings, name: str = "") -> None:
    """Paint on the planes of a video frame, mirrored already; `name` goes into its corner."""
    height, width = planes[0].shape
    heat = _heat(prediction, paint.mirror)
    if heat is not None and paint.opacity > 0:
        keep, colours = _tables(paint.colormap, paint.opacity, yuv=True)
        shares = cv2.split(cv2.LUT(cv2.cvtColor(heat, cv2.COLOR_GRAY2RGB), colours))
        kept = {plane.shape: _enlarge(cv2.LUT(heat, keep), plane.shape[1], plane.shape[0]) for plane in planes[:2]}
        for plane, share in zip(planes, shares, strict=True):
            _mix(plane, kept[plane.shape], _enlarge(share, plane.shape[1], plane.shape[0]))
    layout = lay_out(prediction, paint, width, height, name)
    yuv = [_yuv(box.colour) for box in layout.boxes]
    _draw_boxes(planes[0], layout, [((c[0],), _yuv(OUTLINE)[:1]) for c in yuv])
    for index in (1, 2):
        _draw_boxes(planes[index], layout, [((c[index],), None) for c in yuv], scale=2)
    for label in layout.labels:
        label.plate.y.lay_on(planes[0], label.x, label.y)
        label.plate.u.lay_on(planes[1], label.x // 2, label.y // 2)
        label.plate.v.lay_on(planes[2], label.x // 2, label.y // 2)


def _seam(width: int, height: int) -> int:
    """Pixels of the dark line between two halves that lie on each of them; even, for the chroma's sake."""
    return min(2 * max(1, round(min(width, height) / 480)), width // 4 * 2)


def _heat(prediction: Prediction, mirror: bool) -> Pixels | None:
    """The shown maps as one uint8 [FINE, FINE], the larger value where they overlap; None when nothing is shown."""
    if not prediction.sure:
        return None
    grid, *others = (_at_full_heat(shown.grid) for shown in prediction.maps)
    for other in others:
        if other.shape != grid.shape:
            other = cv2.resize(other, grid.shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
        grid = np.maximum(grid, other)
    fine = cv2.resize(grid, (FINE, FINE), interpolation=cv2.INTER_CUBIC)
    if mirror:
        fine = cv2.flip(fine, 1)
    return np.rint(np.clip(fine, 0, 1) * 255).astype(np.uint8)


def _at_full_heat(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """The map scaled for painting, zeros for NaN: one that reaches PALE has 1 as its largest value."""
    known = np.nan_to_num(grid)
    return known / np.float32(max(float(known.max()), PALE))


@lru_cache(maxsize=64)
def _tables(colormap: str, opacity: float, yuv: bool) -> tuple[Pixels, NDArray[np.uint8]]:
    """For each map value: how much of the picture stays ([256] of 0..255), and the colour's share added to it."""
    value = np.arange(256) / 255
    ramp = np.clip((value - CLEAR) / (FULL - CLEAR), 0, 1)
    alpha = opacity * ramp * ramp * (3 - 2 * ramp)
    table = yuv_table(colormap) if yuv else rgb_table(colormap)
    keep = np.rint(255 * (1 - alpha)).astype(np.uint8)
    return keep, np.rint(table * alpha[:, None]).astype(np.uint8)[None]


@cache
def _yuv(colour: Colour) -> Colour:
    y, u, v = rgb_to_yuv(np.array(colour, np.uint8))
    return int(y), int(u), int(v)


def _draw_boxes(
    plane: Pixels,
    layout: Layout,
    colours: list[tuple[tuple[int, ...], tuple[int, ...] | None]],
    scale: int = 1,
) -> None:
    """Draw each box's dark outline and its line on one plane, whose pixels are `scale` of the picture's wide."""
    thickness = -(-layout.thickness // scale)
    for box, (line, outline) in reversed(list(zip(layout.boxes, colours, strict=True))):  # the first class on top
        x0, y0, x1, y1 = (value // scale for value in box.corners)
        if outline is not None:
            cv2.rectangle(plane, (x0, y0), (x1, y1), outline, thickness + 2)
        cv2.rectangle(plane, (x0, y0), (x1, y1), line, thickness)


def _mix(plane: Pixels, kept: Pixels, colour: Pixels) -> None:
    """plane = plane * kept / 255 + colour, in place: fresh memory costs more than the sums."""
    cv2.multiply(plane, kept, dst=plane, scale=1 / 255)
    cv2.add(plane, colour, dst=plane)


def _copy(plane: Pixels, mirror: bool) -> Pixels:
    return _as_pixels(cv2.flip(plane, 1)) if mirror else plane.copy()


def _shrink(plane: Pixels, width: int, height: int) -> Pixels:
    if plane.shape[:2] == (height, width):
        return plane
    return _as_pixels(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA))


def _enlarge(plane: NDArray[np.uint8] | cv2.typing.MatLike, width: int, height: int) -> Pixels:
    return _as_pixels(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR))


def _as_pixels(array: cv2.typing.MatLike) -> Pixels:
    """OpenCV's stubs know any number type; here it is always bytes."""
    return array.astype(np.uint8, copy=False)
