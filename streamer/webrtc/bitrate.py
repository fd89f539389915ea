"""How many bits a second the returned video gets: bounds by its size, and few changes between them.

A VP8 or H.264 encoder of aiortc has to be built anew for another bit rate and then begins with a keyframe, many times
as large as other frames. What the receiver says it can take (REMB, draft-alvestrand-rmcat-remb) moves all the time, and
it grows out of what has arrived: of a quiet picture, which needs few bits, it knows no more than those. So it bounds
what is really sent, not what might be.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

STEP = 0.25  # how much more has to be allowed before the rate rises
FULL = 0.75  # and which share of the rate has to be in use: no keyframe for room that nobody needs
INTERVAL_S = 3.0  # and how long the rate has to have lasted
# Share of what is sent that is not allowed, and for how long before the rate falls. An estimator's own dips are 15 %
# and pass; a path that carries half waits for nothing.
SHORTFALLS = ((0.5, 0.0), (0.25, 1.0), (0.1, 3.0))
WINDOW_S = 1.0  # over which what is sent is counted


@dataclass(frozen=True)
class BitrateBounds:
    """Bits a second for a size of picture: before anything is known of the path, at least, and at most."""

    start: int
    least: int
    most: int

    def clamp(self, rate: int) -> int:
        """The rate within these bounds that is nearest to `rate`."""
        return max(self.least, min(rate, self.most))


HD = BitrateBounds(start=4_000_000, least=500_000, most=6_000_000)
VGA = BitrateBounds(start=2_500_000, least=500_000, most=4_000_000)
SMALL = BitrateBounds(start=1_000_000, least=250_000, most=2_000_000)


def bitrate_bounds(width: int, height: int) -> BitrateBounds:
    """The bounds for video of so many pixels, upright or not."""
    if width * height >= 1280 * 720:
        return HD
    return VGA if width * height >= 640 * 480 else SMALL


class SteadyBitrate:
    """The bit rate of one sender: what its receiver allows, in few and large steps.

    `allow` may be called by another thread than the encoder's, which calls the rest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._allowed: int | None = None
        self._bounds: BitrateBounds | None = None
        self._rate = 0
        self._changed = 0.0
        self._sent: deque[tuple[float, int]] = deque()  # when, and bits
        self._short_since: list[float | None] = [None] * len(SHORTFALLS)

    def allow(self, rate: int) -> None:
        """Take note of what the receiver says it can take, in bits a second."""
        self._allowed = rate

    def sent(self, size: int) -> None:
        """Count a frame of so many bytes; keyframes are left out, which say nothing of the frames to come."""
        self._sent.append((self._clock(), 8 * size))

    def rate(self, width: int, height: int) -> int:
        """Bits a second for a frame of this size that is encoded now."""
        bounds, now, allowed = bitrate_bounds(width, height), self._clock(), self._allowed
        if bounds != self._bounds:
            self._take(bounds.start if allowed is None else bounds.clamp(max(allowed, self._rate)), now)
            self._bounds = bounds
        elif allowed is not None and self._is_due(bounds.clamp(allowed), now):
            self._take(bounds.clamp(allowed), now)
        return self._rate

    def _take(self, rate: int, now: float) -> None:
        self._rate, self._changed = rate, now
        self._sent.clear()
        self._short_since = [None] * len(SHORTFALLS)

    def _is_due(self, wish: int, now: float) -> bool:
        used = self._used(now)
        short = False
        for place, (share, seconds) in enumerate(SHORTFALLS):
            since = self._short_since[place]
            if wish >= (1 - share) * used:
                since = None
            elif since is None:
                since = now
            self._short_since[place] = since
            short |= since is not None and now - since >= seconds
        rises = wish >= (1 + STEP) * self._rate and used >= FULL * self._rate
        return short or (rises and now - self._changed >= INTERVAL_S)

    def _used(self, now: float) -> float:
        """Bits of the last second, at most the rate: an encoder's overshoot passes."""
        while self._sent and self._sent[0][0] < now - WINDOW_S:
            self._sent.popleft()
        return min(self._rate, sum(bits for _, bits in self._sent) / WINDOW_S)
