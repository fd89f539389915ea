"""What a bad path costs, in miniature: time is as the test tells it, so hundreds of blackouts take seconds.

The receiver's buffer and aiortc's own requests for what is missing, against a sender of which all feedback goes over
the same path.
"""

import heapq
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.webrtc import jitter_buffer
from tests.helpers import relay
from tests.helpers.relay import LOSSY
from tests.helpers.rtp_packets import DELTA, KEY, Collector

logger = logging.getLogger(__name__)  # `--log-cli-level=INFO` shows the figures

CLOCK = 90_000  # of RTP video
FPS = 30
STEP = CLOCK // FPS
DELAY_S = 0.01  # each way, at least


@dataclass
class Wire:
    """A sender at 30 frames a second, a path, and a receiver."""

    seed: int
    path: relay.Path
    dark: tuple[float, float]
    collector: Collector = field(default_factory=Collector)
    released: list[tuple[float, float]] = field(default_factory=list)  # when, and when it was captured

    def run(self, seconds: float) -> list[tuple[float, float]]:
        """Let time pass; returns every frame that went to the decoder: when, and when it was captured."""
        draw, nacks = random.Random(self.seed), NackGenerator()
        # (time, order, kind, what): "frame" and "keyframe?" at the sender, "again?" there too, "packet" at the receiver
        queue: list[tuple[float, int, str, Any]] = []
        order, number, keyframe = 0, 0, True
        history: dict[int, RtpPacket] = {}

        def post(at: float, kind: str, what: Any = None) -> None:
            nonlocal order
            heapq.heappush(queue, (at, order, kind, what))
            order += 1

        def carry(now: float, kind: str, what: Any = None) -> None:
            late = draw.uniform(0, self.path.jitter)
            if draw.random() >= self.path.loss and not self.dark[0] <= now < self.dark[1]:
                post(now + DELAY_S + late, kind, what)

        for frame in range(int(seconds * FPS)):
            post(frame / FPS, "frame", frame)
        while queue:
            now, _, kind, what = heapq.heappop(queue)
            if kind == "frame":
                size = 12 if keyframe else draw.randint(1, 5)
                for part in range(size):
                    packet = RtpPacket(sequence_number=number & 0xFFFF, timestamp=what * STEP, marker=part == size - 1)
                    packet._data = b"" if part else KEY if keyframe else DELTA  # type: ignore[attr-defined]
                    history[packet.sequence_number] = packet
                    number += 1
                    carry(now, "packet", packet)
                keyframe = False
            elif kind == "keyframe?":
                keyframe = True
            elif kind == "again?":
                for sequence_number in what:
                    carry(now, "packet", history[sequence_number])
            else:
                if nacks.add(what):
                    carry(now, "again?", sorted(nacks.missing))
                self._receive(now, what, lambda at: carry(at, "keyframe?"))
        return self.released

    def _receive(self, now: float, packet: RtpPacket, ask: Callable[[float], None]) -> None:
        collector = self.collector
        collector.clock.now, asked, had = now, collector.plis, len(collector.frames)
        collector.add(packet)
        self.released += [(now, frame.timestamp / CLOCK) for frame in collector.frames[had:]]
        if collector.plis > asked:
            ask(now)


@given(seed=st.integers(0, 10_000), path=st.sampled_from(list(LOSSY.values())))
@settings(deadline=None, max_examples=15, derandomize=True)  # the tail of a random wait has no bound
def test_frames_do_not_age_before_the_decoder_and_come_again_after_a_blackout(seed: int, path: relay.Path) -> None:
    dark = (3.0, 5.0)
    released = Wire(seed, path, dark).run(8.0)
    # Two holes may follow one another. A frame that the dark tore may be made whole behind it, however old.
    ages = [when - captured for when, captured in released if not dark[0] - 0.1 < captured < dark[0]]
    assert max(ages) < DELAY_S + path.jitter + 2 * jitter_buffer.HOLE_DEADLINE_S + 0.1, (
        "longer than holes may stay open"
    )
    assert [captured for _, captured in released] == sorted({captured for _, captured in released})
    # A keyframe of twelve packets may be lost again and again: the next test counts how often that takes long.
    assert recovery(released, dark) < 2.0
    before = sum(captured < dark[0] for _, captured in released)
    assert before > dark[0] * FPS / 3


def recovery(released: Iterable[tuple[float, float]], dark: tuple[float, float]) -> float:
    """Seconds from the end of the dark until a new picture goes to the decoder."""
    return min(when for when, captured in released if captured >= dark[1]) - dark[1]


@pytest.mark.parametrize("path", LOSSY.values(), ids=LOSSY)
def test_the_picture_is_back_within_a_second_nearly_always(path: relay.Path) -> None:
    dark = (1.0, 2.0)
    times = sorted(recovery(Wire(seed, path, dark).run(4.0), dark) for seed in range(100))
    logger.info("after a blackout: median %.0f ms, slowest of 100 %.0f ms", times[50] * 1e3, times[-1] * 1e3)
    assert sum(seconds < 1.0 for seconds in times) >= 97
