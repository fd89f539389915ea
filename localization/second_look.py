"""A second look at a small thing: the graph runs once more on the surroundings of its box, cut from the whole picture.

At 224 pixels a thing on a twentieth of the frame covers some ten cells of the map, and its box is mostly guessed. Seen
again at more than twice the scale it is bounded anew. In frames that were made of ILSVRC photographs, the thing of one
small before another, this lifts GT-known from 20.1 to 25.2 % (+5.1 +- 1.1, n = 512), at IoU .7 by 6.8 +- 1.3; on the
650 photographs as they are it changes nothing (+0.0 +- .4): `python -m seekcam.studies.small_things` measures both.

A stream takes such looks at one of five frames at most, so that they cost a fifth of the graph's time at most; what one
has found moves along with the first look's box until the next one (`SecondLooks`).

Everything here is a pure decision: the graph is run, and the picture cut, by `localization.pipeline`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.prediction import Box, ClassMap, Prediction, Rectangle
from seekcam.localization.region import WHOLE, Region, box_in_frame, grid_in_frame

# Chosen on one half of the made frames and of the photographs, together: see `studies/small_things.py`.
SMALL = 0.2  # of what the first look saw: a larger box has cells enough
SIDES = 1.5  # of the region, in those of the box; its shape stays the box's, as the graph's input is a squashed one
CUT = 0.8  # of the first look's threshold: the thing fills more of the picture, and its map falls off inside it
EVERY = 5  # frames of a stream, of which one at most has a second look: a fifth of the graph's time, at any rate
REST = 0.25  # seconds from one to the next: what it found holds that long
NEW = 0.5  # weight of a stream's newest second look against what it holds of the one before
HOLD = 1.0  # seconds after which it is forgotten
SAME = 0.3  # IoU of the first looks' boxes, then and now, from which it is the same thing


@dataclass(frozen=True, eq=False)
class Closer:
    """What a look at a part of a frame has found of one class.

    `grid` is float32 [h, w] over `region`, scaled so that the first look's threshold bounds the thing in it; `box` is
    in [0, 1] of the frame, `score` the mean of the map inside it.
    """

    index: int
    region: Region
    grid: NDArray[np.float32]
    box: Rectangle
    score: float


def wanted(first: Prediction, seen: Region = WHOLE) -> Region | None:
    """Where to look again: round the only box, when it is small; None where the first look will do.

    Args:
        seen: the part of the frame that the first look saw; the region stays inside.
    """
    if len(first.maps) != 1 or len(first.boxes) != 1:
        return None
    x0, y0, x1, y1 = box = first.boxes[0].box
    if not 0 < area(box) < SMALL * area(seen):
        return None
    left, right = _span(x0, x1, seen[0], seen[2])
    top, bottom = _span(y0, y1, seen[1], seen[3])
    return left, top, right, bottom


def whole_pixels(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """The region in pixels of a frame, rounded outwards to even ones, as chroma has half the resolution."""

    def outwards(low: float, high: float, length: int) -> tuple[int, int]:
        first = min(2 * floor(low * length / 2 + 1e-6), length - 1)
        return first, min(max(2 * ceil(high * length / 2 - 1e-6), first + 2), length)

    (x0, x1), (y0, y1) = outwards(region[0], region[2], width), outwards(region[1], region[3], height)
    return x0, y0, x1, y1


def found(first: Prediction, second: Prediction, region: Region) -> Closer | None:
    """What the second look says, which was at `region` and at `CUT` of the first one's threshold; None: nothing."""
    if not second.boxes or second.boxes[0].index != first.maps[0].index:
        return None
    box, grid = second.boxes[0], second.maps[0].grid
    scaled = np.minimum(grid / np.float32(CUT), np.float32(1)).astype(np.float32, copy=False)
    return Closer(box.index, region, scaled, box_in_frame(box.box, region), min(box.score / CUT, 1.0))


def better(first: Prediction, closer: Closer) -> Prediction:
    """The first look's prediction with the box of the closer one, and its map in the place where it looked."""
    shown = first.maps[0]
    return replace(
        first,
        maps=(replace(shown, grid=_inset(shown, closer)),),
        boxes=(Box(shown.index, shown.name, closer.score, closer.box),),
    )


class SecondLooks:
    """When a stream may look again, and what it last saw.

    Of any `EVERY` frames on end one at most has a second look.
    """

    def __init__(self) -> None:
        self._since = EVERY  # frames since the last second look, of its own one on; more than EVERY need no counting
        self._last: _Last | None = None

    def due(self, first: Prediction, pts: float) -> bool:
        """Take in the first look of the next frame, at `pts` seconds; whether a second one may follow."""
        self._since = min(self._since + 1, EVERY)
        last = self._last
        if last is not None and (not 0 <= pts - last.pts <= HOLD or not last.shows(first)):
            self._last = last = None
        return self._since >= EVERY and (last is None or pts - last.pts >= REST)

    def took(self, first: Prediction, closer: Closer | None, pts: float) -> Closer | None:
        """A second look was taken at this frame and found that; what to show of it.

        Its box goes half the way from what was held, so that it neither jumps nor lags by much.
        """
        held = self.held(first)
        if closer is not None and held is not None:
            x0, y0, x1, y1 = (NEW * new + (1 - NEW) * old for new, old in zip(closer.box, held.box, strict=True))
            closer = replace(closer, box=(x0, y0, x1, y1))
        self._since = 0
        self._last = None if closer is None else _Last(pts, first.boxes[0].box, closer)
        return closer

    def held(self, first: Prediction) -> Closer | None:
        """What the last second look found, moved to where the first look's box is by now; None when it is stale."""
        if self._last is None or not self._last.shows(first):
            return None
        old, new = self._last.first, first.boxes[0].box
        return _moved(
            self._last.closer, (new[0] + new[2] - old[0] - old[2]) / 2, (new[1] + new[3] - old[1] - old[3]) / 2
        )

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on exactly from here, as JSON."""
        last = self._last
        if last is None:
            return {"since": self._since, "last": None}
        closer = {**vars(last.closer), "grid": last.closer.grid.tolist()}
        return {"since": self._since, "last": {"pts": last.pts, "first": last.first, "closer": closer}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier `state`."""
        self._since, last = state["since"], state["last"]
        self._last = None
        if last is not None:
            closer = dict(last["closer"])
            closer["grid"] = np.array(closer["grid"], np.float32)
            closer["region"], closer["box"] = tuple(closer["region"]), tuple(closer["box"])
            self._last = _Last(last["pts"], tuple(last["first"]), Closer(**closer))


@dataclass(frozen=True, eq=False)
class _Last:
    pts: float
    first: Rectangle  # the first look's box, in that frame
    closer: Closer

    def shows(self, first: Prediction) -> bool:
        """Whether this first look is at the same thing."""
        boxes = first.boxes
        return len(boxes) == 1 and boxes[0].index == self.closer.index and _iou(boxes[0].box, self.first) >= SAME


def area(box: Rectangle) -> float:
    """Of the frame."""
    return (box[2] - box[0]) * (box[3] - box[1])


def _span(low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """An interval `SIDES` as long round the same centre, moved and, where it must be, cut to stay within bounds."""
    length = min(SIDES * (high - low), most - least)
    start = min(max((low + high - length) / 2, least), most - length)
    return start, start + length


def _inset(shown: ClassMap, closer: Closer) -> NDArray[np.float32]:
    """The first look's map with the closer one put where it looked: finer, but no message's worth too fine."""
    inside = grid_in_frame(closer.grid, closer.region)
    where = grid_in_frame(np.ones_like(closer.grid), closer.region) > 0
    around = cv2.resize(shown.grid, (inside.shape[1], inside.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.where(where, inside, around).astype(np.float32, copy=False)


def _moved(closer: Closer, right: float, down: float) -> Closer:
    """Moved by a part of the frame, as far as the region stays inside it."""
    x0, y0, x1, y1 = closer.region
    right, down = min(max(right, -x0), 1 - x1), min(max(down, -y0), 1 - y1)
    region, box = ((r[0] + right, r[1] + down, r[2] + right, r[3] + down) for r in (closer.region, closer.box))
    return replace(closer, region=region, box=box)


def _iou(one: Rectangle, other: Rectangle) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (area(one) + area(other) - width * height)
