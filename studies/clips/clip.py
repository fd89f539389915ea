"""A clip with the box of its object in every frame, and how clips become video: by a codec, there and back."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import av
import numpy as np

from seekcam.localization.pictures import Pixels
from seekcam.localization.prediction import Rectangle
from seekcam.streamer.media.frames import to_rgb


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of one object.

    `frames` are RGB uint8 [H, W, 3], H and W even; `boxes` are in [0, 1] of the frame, one each; `label` is the
    object's class, an index of the network's.
    """

    name: str
    kind: str
    fps: int
    frames: Sequence[Pixels]
    boxes: Sequence[Rectangle]
    label: int


def through_codec(clip: Clip, crf: int = 28) -> Clip:
    """The same clip after H.264, as a camera or a file would bring it; the codec is given one thread, for equal bytes.

    Args:
        crf: x264's quality, where 18 looks like the original and 35 is visibly coarse.
    """
    memory = io.BytesIO()
    height, width = clip.frames[0].shape[:2]
    with av.open(memory, "w", format="mp4") as written:
        stream = written.add_stream("libx264", clip.fps, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
        for pixels in clip.frames:
            written.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        written.mux(stream.encode())
    memory.seek(0)
    with av.open(memory, "r") as read:
        return replace(clip, frames=[to_rgb(frame) for frame in read.decode(video=0)])


def interpolated(keys: Iterable[tuple[int, Rectangle]], frames: int) -> list[Rectangle]:
    """Boxes of all frames from those of some, in a straight line between them and constant beyond.

    Args:
        keys: frame numbers, growing, each with its box.
    """
    numbers, boxes = zip(*keys, strict=True)
    sides = [np.interp(np.arange(frames), numbers, side) for side in zip(*boxes, strict=True)]
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in zip(*sides, strict=True)]
