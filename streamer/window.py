"""What happened in the last second: a rate, and the median of each stage's milliseconds."""

import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping

SECONDS = 1.0


class Window:
    """A sliding window over the frames of the last second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[tuple[float, Mapping[str, float]]] = deque()

    def add(self, ms: Mapping[str, float]) -> None:
        """Note a frame and what its stages took, in milliseconds."""
        self._recent.append((self._clock(), ms))
        self._forget()

    def rate(self) -> float:
        """Frames per second."""
        self._forget()
        return len(self._recent) / SECONDS

    def medians(self) -> dict[str, float]:
        """Median milliseconds of each stage; empty when no frame came."""
        self._forget()
        stages: dict[str, list[float]] = {}
        for _, ms in self._recent:
            for stage, value in ms.items():
                stages.setdefault(stage, []).append(value)
        return {stage: statistics.median(values) for stage, values in stages.items()}

    def _forget(self) -> None:
        horizon = self._clock() - SECONDS
        while self._recent and self._recent[0][0] < horizon:
            self._recent.popleft()
