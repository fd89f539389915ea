"""What the benchmarks look at: a photograph that moves, with the frame's number written into the picture.

The number survives compression and the overlay, so that every frame that comes back is matched to the one that was
sent. It stands along the lower edge as 20 bits, each of them a pair of cells: dark and bright for 0, bright and dark
for 1. Only which cell of a pair is brighter counts; a checksum rejects the frames where a label hides a pair.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from matplotlib.cbook import get_sample_data
from numpy.typing import NDArray

from seekcam.localization.errors import PictureError, UserError
from seekcam.streamer.media.frames import planes

NUMBERS = 1 << 16  # frame numbers start again from 0 here: 18 minutes at 60 fps
BITS = 20  # 16 of the number, 4 of its checksum
DARK, BRIGHT = 32, 220  # luma, limited range
STRIP = 12  # the number takes one part in so many of the height
LOOP = 90  # frames after which the motion repeats
SWAY = 0.1  # how far the photograph moves, in parts of the frame
MIN_SIDE = 160  # pixels; below, a cell is too few pixels wide to survive the encoder


class MovingPhotograph:
    """A photograph that sways behind a window of `width` x `height` pixels (both even), numbered frame by frame.

    Args:
        photograph: uint8 [H, W, 3] RGB; by default a portrait that comes with Matplotlib.

    Raises:
        UserError: a size that no video has.
    """

    def __init__(self, width: int, height: int, photograph: NDArray[np.uint8] | None = None) -> None:
        if min(width, height) < MIN_SIDE or width % 2 or height % 2:
            raise UserError(f"The size must be even and at least {MIN_SIDE} x {MIN_SIDE}, not {width} x {height}.")
        self.width, self.height = width, height
        # Rendered before the measurement starts: the client must not compete with the server for the processor.
        self._pictures = _render(portrait() if photograph is None else photograph, width, height)

    def frame(self, number: int) -> av.VideoFrame:
        """Frame `number`, yuv420p, without a timestamp."""
        picture = self._pictures[number % LOOP].copy()
        write_number(picture[: self.height], number)
        return av.VideoFrame.from_ndarray(picture, format="yuv420p")


def write_number(luma: NDArray[np.uint8], number: int) -> None:
    """Write `number` modulo `NUMBERS` into a luma plane uint8 [H, W], in place."""
    height, width = luma.shape
    strip = luma[height - height // STRIP :]
    edges = np.linspace(0, width, 2 * BITS + 1).round().astype(int)
    for bit, value in enumerate(_encode(number)):
        first, middle, last = edges[2 * bit : 2 * bit + 3]
        strip[:, first:middle] = BRIGHT if value else DARK
        strip[:, middle:last] = DARK if value else BRIGHT


def read_number(luma: NDArray[np.uint8]) -> int | None:
    """The number in a luma plane uint8 [H, W]; None when it cannot be read."""
    height, width = luma.shape
    strip_height = height // STRIP
    # Away from the cells' borders, where neighbours bleed into each other.
    rows = luma[height - strip_height * 3 // 4 : height - strip_height // 4].mean(axis=0)
    cells = itertools.pairwise(np.linspace(0, width, 2 * BITS + 1))
    sides = [rows[int(a + (b - a) / 4) : int(b - (b - a) / 4) + 1].mean() for a, b in cells]
    bits = [left > right for left, right in zip(sides[::2], sides[1::2], strict=True)]
    number = sum(1 << position for position, bit in enumerate(bits[:16]) if bit)
    return number if _encode(number) == bits else None


def frame_number(frame: av.VideoFrame) -> int | None:
    """The number in a yuv420p frame; None when it cannot be read."""
    return read_number(planes(frame)[0])


def portrait() -> NDArray[np.uint8]:
    """The photograph that comes with Matplotlib, uint8 [H, W, 3] RGB."""
    with cast("av.container.InputContainer", av.open(get_sample_data("grace_hopper.jpg"))) as file:
        return cast("NDArray[np.uint8]", next(file.decode(video=0)).to_ndarray(format="rgb24"))


def photograph(path: Path) -> NDArray[np.uint8]:
    """A picture file as uint8 [H, W, 3] RGB.

    Raises:
        PictureError: it cannot be read.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise PictureError(f"{path} is no picture that can be read.")
    return picture.astype(np.uint8, copy=False)


def _encode(number: int) -> Sequence[bool]:
    number %= NUMBERS
    checksum = (0b1010 ^ number ^ number >> 4 ^ number >> 8 ^ number >> 12) & 0b1111
    return [bool((number | checksum << 16) >> bit & 1) for bit in range(BITS)]


def _render(picture: NDArray[np.uint8], width: int, height: int) -> list[NDArray[np.uint8]]:
    """`LOOP` pictures uint8 [H * 3 / 2, W] (the planes of yuv420p, one above the other)."""
    scale = (1 + 2 * SWAY) * max(width / picture.shape[1], height / picture.shape[0])
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    centre = np.array([large.shape[1] - width, large.shape[0] - height]) / 2
    rendered = []
    for angle in np.linspace(0, 2 * np.pi, LOOP, endpoint=False):
        sway = np.array([np.cos(angle), np.sin(2 * angle)]) * SWAY * np.array([width, height])
        x, y = np.clip(np.rint(centre + sway), 0, 2 * centre).astype(int)
        window = np.ascontiguousarray(large[y : y + height, x : x + width])
        rendered.append(cv2.cvtColor(window, cv2.COLOR_RGB2YUV_I420))
    return [picture.astype(np.uint8, copy=False) for picture in rendered]
