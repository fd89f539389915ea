"""Short films made for a test, and what is read back of them."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

CAT: NDArray[np.uint8] = skimage.data.chelsea()
CUP: NDArray[np.uint8] = skimage.data.coffee()


def film(
    path: Path,
    times: list[int],
    time_base: Fraction = Fraction(1, 1000),
    sound: bool = False,
    size: tuple[int, int] = (192, 128),
    matrix: int = 2,
) -> Path:
    """The cat, and from the middle on the cup, at each of `times`; with a tone of the same length if wanted."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height = size
        stream.time_base = stream.codec_context.time_base = time_base
        stream.colorspace = matrix
        if sound:
            tone = container.add_stream("aac", rate=48_000, layout="mono")
        for number, ticks in enumerate(times):
            picture = np.roll(CAT if number < len(times) / 2 else CUP, 2 * number, axis=1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(cv2.resize(picture, size), np.uint8), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=matrix if matrix != 2 else None)
            frame.pts, frame.time_base = ticks, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            seconds = float(times[-1] * time_base)
            wave = (8000 * np.sin(np.arange(int(seconds * 48_000)) / 20)).astype(np.int16)[None]
            audio = av.AudioFrame.from_ndarray(wave, "s16", "mono")
            audio.rate, audio.pts = 48_000, 0
            container.mux(tone.encode(audio))
            container.mux(tone.encode(None))
    return path


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [f.pts * f.time_base for f in container.decode(video=0) if f.pts is not None and f.time_base]


def packets(path: Path, kind: str) -> list[tuple[Any, ...]]:
    """Time and bytes of each packet of the first video or audio stream."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(p.pts, p.dts, p.time_base, bytes(p)) for p in container.demux(stream) if p.pts is not None]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_timing(path: Path) -> list[dict[str, Any]]:
    return [{**line, "ms": {}} for line in lines(path)]


UNEVEN = [80, 120, 121, 200, 233, 290, 700, 741, 800, 830, 900]
