"""One frame's meaning as bytes: what overlay mode sends in place of a painted picture (Contract 4).

Everything is little-endian. A header, then one or two sides (two where models or methods are compared):

    header  version u8, flags u8, sides u8, 0 u8, RTP timestamp u32, frame u32, pts f64 s, captured f64 Unix ms of the
            sender's clock (NaN: not known yet), sent f64 Unix ms of the server's clock, held f32 ms on the server
    side    model, method and kind of map (each u8 length, UTF-8), counts u8 of shown, top, boxes and grids, then ms f32
            of queue, prepare, infer and boxes; after that
    shown   class u32
    top     class u32, score u16
    box     class u32, score u16, x0 y0 x1 y1 u16
    grid    class u32, score u16, threshold u16, rows u8, columns u8, rows x columns values u8

u16 and u8 values stand for 0 to 1. The grids of the shown classes come first; those of the other ranked classes follow
as far as there is room, so that the page can show another one of them at once.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.prediction import Box, ClassMap, Prediction

VERSION = 2
TRUNCATED = 1  # flag: a shown map or a box was left out, or a map was made coarser
STAGES = ("queue", "prepare", "infer", "boxes")
LEAST_SIDE = 7  # a map is never made coarser than this many cells a side
MAX_BOXES = 24  # a side

_HEADER = struct.Struct("<BBBBIIdddf")
_COUNTS = struct.Struct("<BBBBffff")
_SHOWN = struct.Struct("<I")
_TOP = struct.Struct("<IH")
_BOX = struct.Struct("<IHHHHH")
_GRID = struct.Struct("<IHHBB")


@dataclass(frozen=True)
class Stamps:
    """Which frame a message is about, and when it was where.

    `rtp` is the RTP timestamp under which the sender sent it; `captured` is Unix milliseconds of the sender's clock, or
    None until the sender has reported that; `sent` is Unix milliseconds of ours, `held` the milliseconds we had it.
    """

    rtp: int
    frame: int
    pts: float
    captured: float | None
    sent: float
    held: float


def pack(prediction: Prediction, stamps: Stamps, limit: int) -> bytes:
    """The message, of at most `limit` bytes (which must hold header and rankings: some 300)."""
    predictions = [prediction] if prediction.compare is None else [prediction, prediction.compare]
    sides = [_Side(side) for side in predictions]
    room = limit - _HEADER.size - sum(side.size for side in sides)
    truncated = False
    # What everybody wants first: the first shown map of each side and its first box, as fine as they go in together.
    share = room // len(sides)
    for side in sides:
        for shown, boxes in side.wishes[:1]:
            grid, coarser = side.fitting(shown, share - _BOX.size * len(boxes[:1]))
            room -= side.take(grid, boxes[:1])
            truncated |= coarser
    for side in sides:
        for number, (shown, boxes) in enumerate(side.wishes):
            rest = boxes[1:] if number == 0 else boxes
            if number > 0 and _cost(shown.grid.shape) > room:
                truncated = True
                continue
            room -= side.take(side.whole(shown) if number > 0 else b"", [])
            fitting = rest[: min(MAX_BOXES - len(side.boxes), room // _BOX.size)]
            truncated |= len(fitting) < len(rest)
            room -= side.take(b"", fitting)
    for number in range(max(len(side.others) for side in sides)):
        for side in sides:
            for other in side.others[number : number + 1]:
                if _cost(other.grid.shape) <= room:
                    room -= side.take(side.whole(other), [])
    header = _HEADER.pack(
        VERSION,
        TRUNCATED if truncated else 0,
        len(sides),
        0,
        stamps.rtp,
        stamps.frame,
        stamps.pts,
        math.nan if stamps.captured is None else stamps.captured,
        stamps.sent,
        stamps.held,
    )
    return header + b"".join(side.bytes() for side in sides)


def read_stamps(message: bytes) -> Stamps:
    """The stamps of a message; what else is in it, the page reads."""
    _, _, _, _, rtp, frame, pts, captured, sent, held = _HEADER.unpack_from(message)
    return Stamps(rtp, frame, pts, None if math.isnan(captured) else captured, sent, held)


class _Side:
    """What one model says, in the making."""

    def __init__(self, prediction: Prediction) -> None:
        self.wishes = [
            (shown, [box for box in prediction.boxes if box.index == shown.index]) for shown in prediction.maps[:255]
        ]
        self.others = prediction.others
        self.grids: list[bytes] = []
        self.boxes: list[Box] = []
        self._prediction = prediction
        self._values = _values((*prediction.maps[:255], *prediction.others))
        self._names = _text(prediction.model) + _text(prediction.method) + _text(prediction.map)
        self._shown = b"".join(_SHOWN.pack(shown.index) for shown, _ in self.wishes)
        self._top = b"".join(_TOP.pack(ranked.index, _u16(ranked.score)) for ranked in prediction.top)
        self.size = len(self._names) + _COUNTS.size + len(self._shown) + len(self._top)

    def whole(self, shown: ClassMap) -> bytes:
        """One of the side's maps."""
        return _grid(shown, shown.grid.shape) + self._values[shown]

    def fitting(self, shown: ClassMap, room: int) -> tuple[bytes, bool]:
        """The map in at most `room` bytes, and whether it had to be made coarser; nothing where that is too much."""
        rows, columns = shown.grid.shape
        while _cost((rows, columns)) > room and min(rows, columns) > LEAST_SIDE:
            scale = max(rows, columns) / (max(rows, columns) - 1)
            rows, columns = max(1, math.floor(rows / scale)), max(1, math.floor(columns / scale))
        if _cost((rows, columns)) > room:
            return b"", True
        if (rows, columns) == shown.grid.shape:
            return self.whole(shown), False
        coarse = cv2.resize(_bounded(shown.grid), (columns, rows), interpolation=cv2.INTER_AREA)
        return _grid(shown, (rows, columns)) + _bytes(coarse.astype(np.float32, copy=False)), True

    def take(self, grid: bytes, boxes: Sequence[Box]) -> int:
        """Add a packed map and boxes; returns how many bytes they are."""
        if grid:
            self.grids.append(grid)
        self.boxes.extend(boxes)
        return len(grid) + _BOX.size * len(boxes)

    def bytes(self) -> bytes:
        """The side as it is sent."""
        ms = [self._prediction.ms.get(stage, 0.0) for stage in STAGES]
        counts = (len(self.wishes), len(self._prediction.top), len(self.boxes), len(self.grids))
        boxes = b"".join(_BOX.pack(box.index, _u16(box.score), *map(_u16, box.box)) for box in self.boxes)
        return b"".join((self._names, _COUNTS.pack(*counts, *ms), self._shown, self._top, boxes, *self.grids))


def _cost(shape: tuple[int, ...]) -> float:
    """Bytes of a map of that many rows and columns; infinitely many when a byte cannot count them."""
    return _GRID.size + math.prod(shape) if max(shape) <= 255 else math.inf


def _grid(shown: ClassMap, shape: tuple[int, ...]) -> bytes:
    """What stands before a map's values."""
    return _GRID.pack(shown.index, _u16(shown.score), _u16(shown.threshold), *shape)


def _values(maps: Sequence[ClassMap]) -> dict[ClassMap, bytes]:
    """The values of each map; all in one go, as calls of NumPy take longer than these few cells."""
    grids = [shown.grid for shown in maps]
    data = _bytes(_bounded(np.concatenate([grid.ravel() for grid in grids]))) if grids else b""
    ends = accumulate(grid.size for grid in grids)
    return {shown: data[end - shown.grid.size : end] for shown, end in zip(maps, ends, strict=True)}


def _bounded(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    bounded: NDArray[np.float32] = np.fmin(np.fmax(grid, np.float32(0)), np.float32(1))
    return bounded  # what was NaN is 0


def _bytes(bounded: NDArray[np.float32]) -> bytes:
    values: NDArray[np.uint8] = np.rint(bounded * np.float32(255)).astype(np.uint8)
    return values.tobytes()


def _u16(part: float) -> int:
    return round(min(max(part, 0.0), 1.0) * 65535) if part == part else 0  # NaN is not equal to itself


def _text(name: str) -> bytes:
    data = name.encode()[:64].decode(errors="ignore").encode()  # cut between characters
    return bytes([len(data)]) + data
