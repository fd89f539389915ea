"""Black bars: the picture inside a letterboxed or pillarboxed frame, so that the model need not look at its bars.

A bar is dark, even, and ends in a straight edge. A dark scene is none of these all at once: a night sky is uneven or
ends in a skyline, and a black cat on black has no line along which the whole picture lights up. Where it is not clear
the frame counts as having no bars, for a bar that is looked at costs little and a thing that is cut off everything.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekcam.localization.region import WHOLE, Region

# All chosen on copies of photographs with bars, kept as JPEG and as video, against the photographs themselves.
BLACK = 40  # the brightest that a pixel of a bar may be: limited range's 16, or 0, and what compression adds
EVEN = 6  # levels by which nearly all pixels of a bar may differ from its median
UNEVEN_SHARE = 0.03  # of a bar's pixels that may differ more: ringing along its edge
EDGE_SHARE = 0.25  # of the edge's length along which the picture must be brighter than black, at both of two like bars
LONE_EDGE_SHARE = 0.9  # the same for a bar whose opposite is of another width, or missing
EDGE_DEPTH = 0.02  # of the frame: how far behind the edge the picture must have become brighter
ALIKE = 0.015  # of the frame: two bars differ by no more than this in width
NARROWEST = 0.04  # of the frame: narrower bars are not worth cutting off
LEAST_AREA = 0.4  # of the frame, which the picture fills at least
SAMPLES = 64  # lines of pixels that are looked at in each direction

STANDS = 0.5  # seconds that bars must have stood before they count
LOOK_EVERY = 0.1  # seconds: in between it is only seen to that the bars are still black
LONGEST_GAP = 1.0  # seconds without a frame after which the past says nothing
SAME = 0.01  # of the frame: bars that moved less are the same ones

Pixels = NDArray[np.uint8]


def find_bars(picture: Pixels) -> Region:
    """The part of a frame that is not black bars; `WHOLE` when there are none, or when it is not certain.

    Args:
        picture: luma [H, W] or RGB [H, W, 3].
    """
    height, width = picture.shape[:2]
    if min(height, width) < 16 or not _dark_border(picture):
        return WHOLE
    # Every row at some columns, [H, samples], and every column at some rows, [W, samples].
    across = _brightest(np.ascontiguousarray(picture[:, :: max(1, width // SAMPLES)]))
    down = _brightest(picture[:: max(1, height // SAMPLES)]).T
    (top, bottom), (left, right) = _dark_lines(across), _dark_lines(down)
    if top >= height or left >= width:
        return WHOLE  # all black
    rows = _bars(across, _inside(across.shape[1], left / width, right / width), (top, bottom))
    columns = _bars(down, _inside(down.shape[1], top / height, bottom / height), (left, right))
    region = (columns[0] / width, rows[0] / height, 1 - columns[1] / width, 1 - rows[1] / height)
    return region if (region[2] - region[0]) * (region[3] - region[1]) >= LEAST_AREA else WHOLE


def bars_are_black(picture: Pixels, region: Region) -> bool:
    """Whether nothing but black is seen outside of `region`, some pixels beside its edge apart.

    Args:
        picture: as for `find_bars`.
    """
    height, width = picture.shape[:2]
    x0, y0 = max(0, int(region[0] * width) - 4), max(0, int(region[1] * height) - 4)
    x1, y1 = min(width, int(np.ceil(region[2] * width)) + 4), min(height, int(np.ceil(region[3] * height)) + 4)
    step_x, step_y = max(1, width // SAMPLES), max(1, height // SAMPLES)
    bars = (picture[:y0:2, ::step_x], picture[y1::2, ::step_x], picture[::step_y, :x0:2], picture[::step_y, x1::2])
    return all(not bar.size or int(bar.max()) <= BLACK for bar in bars)


class _Lines(NamedTuple):
    """Widths in pixels of two opposite bars."""

    first: int
    last: int


def _dark_border(picture: Pixels) -> bool:
    """Whether two opposite sides, or one, are dark at all: most frames are done with here."""
    return any(int(side.max()) <= BLACK for side in (picture[0], picture[-1], picture[:, 0], picture[:, -1]))


def _brightest(picture: Pixels) -> Pixels:
    """The brightest channel of each pixel: dark blue is a colour and no black."""
    return picture if picture.ndim == 2 else np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2])


def _dark_lines(lines: Pixels) -> tuple[int, int]:
    """How many lines of [n, samples] are dark throughout, from the first on and from the last on."""
    bright = lines.max(axis=1) > BLACK
    if not bright.any():
        return len(lines), len(lines)
    return int(np.argmax(bright)), int(np.argmax(bright[::-1]))


def _inside(samples: int, before: float, after: float) -> slice:
    """The samples of a line that do not lie in the bars of the other direction."""
    return slice(int(np.ceil(before * samples)), max(1, int((1 - after) * samples)))


def _bars(lines: Pixels, inside: slice, dark: tuple[int, int]) -> _Lines:
    """The bars at both ends of [n, samples], each of which has `dark` lines that are dark throughout; 0 for none."""
    n = len(lines)
    (first, first_share), (last, last_share) = (
        _bar(side, inside, count) for side, count in zip((lines, lines[::-1]), dark, strict=True)
    )
    pair = first > 0 and last > 0 and abs(first - last) <= max(2.0, ALIKE * n)
    needed = EDGE_SHARE if pair else LONE_EDGE_SHARE
    if pair and min(first_share, last_share) < needed:
        return _Lines(0, 0)
    return _Lines(first if first_share >= needed else 0, last if last_share >= needed else 0)


def _bar(lines: Pixels, inside: slice, dark: int) -> tuple[int, float]:
    """The bar before the first line that belongs to the picture, and the share of its edge that is clear."""
    n = len(lines)
    if dark < max(2.0, NARROWEST * n) or dark >= n:
        return 0, 0.0
    bar = np.sort(lines[: max(1, dark - 4) : max(1, dark // 16)], axis=None).astype(np.int16)
    if np.count_nonzero(np.abs(bar - bar[bar.size // 2]) > EVEN) > UNEVEN_SHARE * bar.size:
        return 0, 0.0
    depth = max(4, round(EDGE_DEPTH * n))
    bright = lines[dark : dark + depth, inside] > BLACK  # [depth, samples]
    share = np.count_nonzero(bright.any(axis=0)) / max(1, bright.shape[1])
    # Ringing lights up single pixels of the bar: the picture begins where half of its edge is bright.
    begun = bright.mean(axis=1) >= share / 2
    return dark + int(np.argmax(begun)), share


class BarTracker:
    """The bars of one stream: they count once they have stood for a while, and go at once when something is in them.

    Example:
        >>> tracker = BarTracker()
        >>> tracker.update(np.full((720, 1280), 128, np.uint8), pts=0.0)
        (0.0, 0.0, 1.0, 1.0)
    """

    def __init__(self) -> None:
        self._held: Region = WHOLE
        self._standing: Region = WHOLE  # bars that may come to count
        self._since = 0.0
        self._looked: float | None = None
        self._pts: float | None = None

    def update(self, picture: Pixels, pts: float) -> Region:
        """Take in one frame and return the part of it that the model is to see.

        Args:
            picture: as for `find_bars`.
            pts: seconds. Going backwards, or more than a second ahead, starts afresh; the same time again changes
                nothing, so that two models of one stream may share a tracker.
        """
        if pts == self._pts:
            return self._held
        if self._pts is None or not 0 <= pts - self._pts <= LONGEST_GAP:
            self._held, self._standing, self._looked = WHOLE, WHOLE, None
        self._pts = pts
        if self._held != WHOLE and not bars_are_black(picture, self._held):
            self._held = WHOLE
        if self._standing != WHOLE and not bars_are_black(picture, self._standing):
            self._standing, self._looked = WHOLE, None
        if self._looked is None or pts - self._looked >= LOOK_EVERY:
            self._looked = pts
            self._look(picture, pts)
        return self._held

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on exactly from here, as JSON."""
        return {
            "held": list(self._held),
            "standing": list(self._standing),
            "since": self._since,
            "looked": self._looked,
            "pts": self._pts,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier `state`."""
        self._held, self._standing = _region(state["held"]), _region(state["standing"])
        self._since, self._looked, self._pts = state["since"], state["looked"], state["pts"]

    def _look(self, picture: Pixels, pts: float) -> None:
        found = find_bars(picture)
        if found == WHOLE:
            return  # a dark scene between black bars: what stood goes on standing
        if _differ(found, self._standing):
            self._standing, self._since = found, pts
        # A hair's breadth, or .5 s at 10 frames a second would need a sixth frame.
        elif pts - self._since >= STANDS - 1e-6 and _differ(self._standing, self._held):
            self._held = self._standing


def _differ(one: Region, other: Region) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) > SAME


def _region(values: Sequence[float]) -> Region:
    x0, y0, x1, y1 = values
    return x0, y0, x1, y1
