"""What holds the map and the box of a stream steady: a short average of the map, and a cut that keeps what it has.

The maps of single frames tremble by a few hundredths, and where the object's edge lies near the cut its box jumps by a
cell. Two things, in the order of what they bring:

1. The map of each shown class is a moving average over some .05 s, which takes off most of the tremble and lags behind
   a moving object by less than its box is wrong anyway.
2. The cut has a hysteresis in space: what was the object in the last frame stays it down to a little below the cut,
   and what was not becomes it only a little above.

On clips that nothing was chosen on (`studies.clips`) the box jumps a third as much and holds as well. What did not
help: averages of the box's corners and one-euro filters (they lag as much as the map and let the jumps through), a
stricter cut while the camera moves, moving the average along with the camera, mirroring every other frame, and a bonus
for the part that was the object before (a box that begins on the wrong thing then stays there).
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.boxes import SIDE, ScoredRectangle, threshold_mask
from seekcam.localization.prediction import ClassMap
from seekcam.localization.region import WHOLE, Region

Float32 = NDArray[np.float32]
Mask = NDArray[np.uint8]

# Chosen on made clips and one real one (`studies.clips`); half or twice the value costs little of either.
TIME_CONSTANT = 0.05  # seconds in which the weight of an old map falls to 1/e
HOLD = 0.03  # of the map's range: how far above and below the cut what was out or in stays so
CUT = 0.2  # mean change of a map from which on it is another scene: trembling and motion make less than .1
STANDING = 1 / 30  # seconds by which a frame with the time of the one before counts as later
LONGEST_GAP = 1.0  # seconds without a frame after which the past says nothing


@dataclass(frozen=True, eq=False)
class HeldMap:
    """What is kept of one class from frame to frame."""

    grid: Float32  # [h, w], averaged
    threshold: float  # averaged alike, where each frame has its own
    mask: Mask | None = None  # [SIDE, SIDE] of 0 and 1: the object of the last frame


def averaged(held: HeldMap | None, grid: Float32, threshold: float, seconds: float) -> HeldMap:
    """The average moved on by one frame, `seconds` after the last; afresh at a change of scene.

    Args:
        grid: [h, w] in [0, 1].
    """
    if held is None or held.grid.shape != grid.shape or not float(np.abs(grid - held.grid).mean()) <= CUT:
        return HeldMap(grid, threshold)  # which a map with NaN in it comes to as well
    old = np.float32(math.exp(-seconds / TIME_CONSTANT))
    return replace(
        held,
        grid=old * held.grid + (1 - old) * grid,
        threshold=float(old) * held.threshold + (1 - float(old)) * threshold,
    )


def held_object(held: HeldMap) -> tuple[HeldMap, ScoredRectangle | None]:
    """The object in the averaged map, its box and the mean of the map in that."""
    heat, mask = threshold_mask(held.grid, held.threshold, held.mask, HOLD)
    part = _largest_part(mask)
    x, y, w, h = cv2.boundingRect(part)
    if w == 0:
        return replace(held, mask=None), None
    box = (x / SIDE, y / SIDE, (x + w) / SIDE, (y + h) / SIDE)
    return replace(held, mask=part), (box, float(heat[y : y + h, x : x + w].mean()))


def _largest_part(mask: Mask) -> Mask:
    x, y, w, h = cv2.boundingRect(mask)
    if w == 0:
        return mask
    inside = np.s_[y : y + h, x : x + w]  # nothing lies outside, and a part of the labels takes a part of the time
    count, labels = cv2.connectedComponentsWithAlgorithm(mask[inside], 8, cv2.CV_16U, cv2.CCL_GRANA)
    if count == 2:
        return mask
    part = np.zeros_like(mask)
    part[inside] = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return part


class Steady:
    """The steady maps and boxes of one stream.

    Example:
        >>> steady = Steady()
        >>> steady.begin([lion.index], pts=0.0)
        >>> lion = steady.average(lion)
        >>> steady.box(lion)
        (((0.125, 0.25, 0.5, 0.75), 0.81),)
    """

    def __init__(self) -> None:
        self._held: dict[int, HeldMap] = {}
        self._seconds = 0.0  # since the frame before
        self._pts = 0.0
        self._region: Region = WHOLE

    def begin(self, shown: Sequence[int], pts: float, region: Region = WHOLE) -> None:
        """A frame begins, in which these classes are shown: what was held of others is let go.

        Args:
            pts: seconds. Going backwards, or more than a second ahead, starts afresh; a frame with the time of the one
                before it counts as if it came a little later.
            region: the part of the frame that the maps cover; another than before starts afresh.
        """
        self._seconds = pts - self._pts or STANDING
        afresh = not 0 < self._seconds <= LONGEST_GAP or region != self._region
        self._held = {} if afresh else {index: held for index, held in self._held.items() if index in shown}
        self._pts, self._region = pts, region

    def average(self, shown: ClassMap) -> ClassMap:
        """The class's map with its average in place of the frame's own."""
        held = averaged(self._held.get(shown.index), shown.grid, shown.threshold, self._seconds)
        self._held[shown.index] = held
        return replace(shown, grid=held.grid, threshold=held.threshold)

    def box(self, shown: ClassMap) -> tuple[ScoredRectangle, ...]:
        """The one box of a class that `average` has seen in this frame, in [0, 1] of what the map covers; or none."""
        self._held[shown.index], found = held_object(self._held[shown.index])
        return () if found is None else (found,)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on exactly from here, as JSON."""
        held = [
            {
                "class": index,
                "grid": each.grid.tolist(),
                "threshold": each.threshold,
                "mask": None if each.mask is None else base64.b64encode(np.packbits(each.mask).tobytes()).decode(),
            }
            for index, each in self._held.items()
        ]
        return {"held": held, "pts": self._pts, "region": list(self._region)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier `state`."""
        self._held = {
            each["class"]: HeldMap(np.array(each["grid"], np.float32), each["threshold"], _mask(each["mask"]))
            for each in state["held"]
        }
        x0, y0, x1, y1 = state["region"]
        self._pts, self._region = state["pts"], (x0, y0, x1, y1)


def _mask(packed: str | None) -> Mask | None:
    if packed is None:
        return None
    return np.unpackbits(np.frombuffer(base64.b64decode(packed), np.uint8)).reshape(SIDE, SIDE)
