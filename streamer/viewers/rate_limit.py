"""How often somebody may ask: so many times at once, and so many a second over time."""

import time
from collections.abc import Callable


class TokenBucket:
    """Full at first; each `take` costs one of `burst` tokens, which come back at `rate` a second."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._counted = clock()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._counted) * self._rate)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
