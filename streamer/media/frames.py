"""Decoded video frames in and out of numpy: fit one for the model, paint one for the viewer, stand one upright.

Every frame that leaves here is yuv420p in limited range and, where the source says what its colours are, BT.601: that
is what a WebRTC receiver assumes of untagged video, and what the colours of the overlay are made for.
One swscale thread everywhere: its own threads stall for milliseconds when the cores are busy.
"""

import threading
from collections.abc import Sequence
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from seekcam.localization.painting.overlay import LIVE, Limit, paint_i420
from seekcam.localization.prediction import Prediction
from seekcam.localization.region import WHOLE, Region
from seekcam.localization.second_look import whole_pixels
from seekcam.localization.settings import PaintSettings

# Without these flags swscale takes fast paths that darken the picture by 1.5 grey levels.
_EXACT = Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
_FILTERS = {"area": Interpolation.AREA | _EXACT, "linear": Interpolation.BILINEAR | _EXACT}
_PACKED_LUMA = {"yuyv422": 0, "uyvy422": 1}  # what cameras send: the first of the luma bytes, every other one is chroma
_MAX_SCALERS = 16  # of one thread: streams of other sizes come and go
_thread = threading.local()
_BT601 = (Colorspace.ITU601, Colorspace.SMPTE170M, Colorspace.DEFAULT)  # the last is "not tagged"


def fit_frame(frame: av.VideoFrame, size: int, resize: str, region: Region = WHOLE) -> NDArray[np.uint8]:
    """Squash a part of a frame to RGB uint8 [size, size, 3], as `seekcam.localization.pipeline.fit_picture` does it.

    The frame's own colour matrix and range are respected; untagged frames count as BT.601, limited range.

    Args:
        resize: the card's filter, "area" or "linear".
        region: the part; its sides are rounded to pixels of the result.
    """
    if region == WHOLE:
        return _rgb(frame, size, size, resize)
    # swscale reads whole frames only: it makes this one so large that the part is of the right size, and that is taken.
    x0, y0, x1, y1 = region
    width, height = round(size / (x1 - x0)), round(size / (y1 - y0))
    left, top = min(round(x0 * width), width - size), min(round(y0 * height), height - size)
    return _rgb(frame, width, height, resize, (left, top, size))


def luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """How bright a frame is, uint8 [H, W], in its own range: a view of the frame where it says it in bytes."""
    kind = frame.format
    if kind.is_planar and not kind.is_rgb and kind.components[0].bits == 8:
        return _plane(frame.planes[0])[: frame.height, : frame.width]
    if (first := _PACKED_LUMA.get(kind.name)) is not None:
        return _plane(frame.planes[0])[: frame.height, first : first + 2 * frame.width : 2]
    grey = _converted(frame, frame.width, frame.height, "gray", interpolation=_FILTERS["linear"])
    return _plane(grey.planes[0])[: frame.height, : frame.width]


def cut_frame(frame: av.VideoFrame, region: Region, size: int, resize: str) -> tuple[NDArray[np.uint8], Region]:
    """A region of a frame, fitted as `fit_frame` does, and where it lies to the pixel.

    Of a yuv420p frame, whatever its colours, only the region's pixels are read; another format is converted whole.
    """
    # High definition is mostly BT.709, and making the whole of it BT.601 takes longer than the graph.
    source = frame if frame.format.name == "yuv420p" else to_i420(frame)
    y, u, v = planes(source)
    x0, y0, x1, y1 = whole_pixels(region, frame.width, frame.height)
    x1, y1 = min(x1, y.shape[1]), min(y1, y.shape[0])  # an odd last row or column is cut off
    half = np.s_[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
    part = from_planes([y[y0:y1, x0:x1], u[half], v[half]], like=source)
    return fit_frame(part, size, resize), (x0 / frame.width, y0 / frame.height, x1 / frame.width, y1 / frame.height)


def to_rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The whole frame as RGB uint8 [H, W, 3]."""
    return _rgb(frame, frame.width, frame.height, "area")


def _rgb(
    frame: av.VideoFrame, width: int, height: int, resize: str, square: tuple[int, int, int] | None = None
) -> NDArray[np.uint8]:
    """The frame scaled to `width` x `height`, or of that the `square` (left, top, side)."""
    # swscale writes planes of red, green and blue in 0.4 of the time of pixels of all three (640x480, yuv420p). Both
    # differ by one level at most, but for RGB of 16 bits that is not scaled: by up to 7.
    converted = _converted(frame, width, height, "gbrp", interpolation=_FILTERS[resize])
    left, top, across, down = (0, 0, width, height) if square is None else (*square, square[2])
    green, blue, red = (_plane(plane)[top : top + down, left : left + across] for plane in converted.planes)
    return cast("NDArray[np.uint8]", cv2.merge((red, green, blue)))


def paint_frame(
    frame: av.VideoFrame, prediction: Prediction, paint: PaintSettings, limit: Limit = LIVE
) -> av.VideoFrame:
    """A painted copy of a frame: yuv420p, the same pts and time base; an odd last row or column is cut off.

    Two sides that are compared make a frame twice as wide, or as large as `limit` allows.
    """
    source = to_i420(frame)
    y, u, v = planes(source)
    return from_planes(paint_i420(y, u, v, prediction, paint, limit), like=source)


def to_i420(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame as yuv420p, limited range, BT.601 unless untagged; the very same object when it is that already."""
    if (
        frame.format.name == "yuv420p"
        and frame.colorspace in _BT601
        and frame.color_range in (ColorRange.MPEG, ColorRange.UNSPECIFIED)
    ):
        return frame
    converted = _converted(
        frame,
        frame.width,
        frame.height,
        "yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=_FILTERS["area"],
    )
    _stamp(converted, like=frame)
    return converted


def _converted(frame: av.VideoFrame, width: int, height: int, pixels: str, **options: Any) -> av.VideoFrame:
    """`frame.reformat`, safe for a frame that several threads read at once.

    A frame keeps the scaler of its first `reformat`, and two threads in one scaler crash the process. Each thread has
    its own here, one for each kind of output, so that a stream's frames find it set up already.
    """
    scalers: dict[tuple[int, int, str], VideoReformatter] = _thread.__dict__.setdefault("scalers", {})
    if len(scalers) > _MAX_SCALERS:
        scalers.clear()
    scaler = scalers.setdefault((width, height, pixels), VideoReformatter())
    return scaler.reformat(frame, width, height, pixels, threads=1, **options)


def planes(frame: av.VideoFrame) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Views of a yuv420p frame's planes, cropped to even sides: y [H, W], u and v [H/2, W/2]."""
    height, width = frame.height // 2, frame.width // 2
    y, u, v = (_plane(plane) for plane in frame.planes)
    return y[: 2 * height, : 2 * width], u[:height, :width], v[:height, :width]


def _plane(plane: VideoPlane) -> NDArray[np.uint8]:
    """A view of one plane, with what fills up its lines."""
    values = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height]
    return values.reshape(plane.height, plane.line_size)


def from_planes(picture: Sequence[NDArray[np.uint8]], like: av.VideoFrame) -> av.VideoFrame:
    """A new yuv420p frame of y [H, W], u and v [H/2, W/2], with the timestamps and colour tags of `like`."""
    height, width = picture[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for view, plane in zip(planes(frame), picture, strict=True):
        view[:] = plane
    _stamp(frame, like)
    frame.colorspace, frame.color_range = like.colorspace, like.color_range
    frame.color_primaries, frame.color_trc = like.color_primaries, like.color_trc
    return frame


def _stamp(frame: av.VideoFrame, like: av.VideoFrame) -> None:
    frame.pts = like.pts
    if like.time_base is not None:  # a frame made by hand has none, and none can be set
        frame.time_base = like.time_base


def upright(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame turned as its display matrix says (phones film lying down); the same object when there is no turn."""
    quarters = round(frame.rotation / 90) % 4
    if quarters == 0:
        return frame
    source = to_i420(frame)
    return from_planes([np.rot90(plane, quarters) for plane in planes(source)], like=source)


def letterboxed(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """The frame scaled into `width` x `height` (both even) with its proportions kept and black bars around it."""
    source = to_i420(frame)
    if (source.width, source.height) == (width, height):
        return source
    scale = min(width / source.width, height / source.height)
    inner_width = max(2, min(width, 2 * round(source.width * scale / 2)))
    inner_height = max(2, min(height, 2 * round(source.height * scale / 2)))
    inner = _converted(source, inner_width, inner_height, "yuv420p", interpolation=Interpolation.AREA)
    # In chroma samples, so that no bar ends inside a chroma pixel.
    left, top = (width - inner_width) // 4, (height - inner_height) // 4
    picture = [
        np.full((height, width), 16, np.uint8),
        np.full((height // 2, width // 2), 128, np.uint8),
        np.full((height // 2, width // 2), 128, np.uint8),
    ]
    for canvas, plane, step in zip(picture, planes(inner), (2, 1, 1), strict=True):
        canvas[step * top : step * top + plane.shape[0], step * left : step * left + plane.shape[1]] = plane
    return from_planes(picture, like=source)
