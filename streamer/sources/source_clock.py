"""When the frames of a source are shown: pts that only ever grow, and the wait of a file's frames for their time."""

import time
from fractions import Fraction

import av

TIME_BASE = Fraction(1, 90_000)  # seconds; of every frame that is delivered
BEHIND_S = 0.5  # a file that is decoded more slowly than it plays starts counting anew instead of rushing after
JUMP_S = 10.0  # between two frames of a camera: its clock was set


class SourceClock:
    """Gives frames growing pts over loops and reconnections, and says how long each has to wait for its time."""

    def __init__(self) -> None:
        self._timed = self._paced = False
        self._fresh = True  # the next frame is the first of a run
        self._offset = 0.0  # seconds from the times of this run to those that are delivered
        self._own = 0.0  # the last frame's time in this run
        self._ticks: int | None = None  # the last frame's delivered pts
        self._step = 0.04  # seconds between the last two frames
        self._arrived = 0.0
        self._anchor: float | None = None  # the time.monotonic() at which the delivered pts 0 is shown

    def begin(self, timed: bool, paced: bool) -> None:
        """The source was opened (again); `timed`: its frames carry times, `paced`: and wait for them."""
        self._timed, self._paced, self._fresh = timed, paced, True

    def stamp(self, frame: av.VideoFrame) -> float:
        """Set the frame's pts; returns the seconds to wait before it is shown."""
        now = time.monotonic()
        own = frame.time if self._timed and frame.pts is not None else now
        if self._fresh or (not self._paced and not 0 <= own - self._own <= JUMP_S):
            self._offset = self._next_start(now) - own
            self._fresh = False
        ticks = round((own + self._offset) / TIME_BASE)
        if self._ticks is not None:
            ticks = max(ticks, self._ticks + 1)
            self._step = min(1.0, float((ticks - self._ticks) * TIME_BASE))
        self._own, self._ticks, self._arrived = own, ticks, now
        frame.pts, frame.time_base = ticks, TIME_BASE
        return self._wait(now, float(ticks * TIME_BASE)) if self._paced else 0.0

    def _next_start(self, now: float) -> float:
        """Delivered seconds of a run's first frame: a loop has no gap; for a camera, time away is time too."""
        if self._ticks is None:
            return 0.0
        away = 0.0 if self._paced else now - self._arrived
        return float(self._ticks * TIME_BASE) + max(self._step, away)

    def _wait(self, now: float, shown: float) -> float:
        if self._anchor is None or now - (self._anchor + shown) > BEHIND_S:
            self._anchor = now - shown
        return max(0.0, self._anchor + shown - now)
