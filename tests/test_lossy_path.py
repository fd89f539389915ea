"""Overlay mode over a bad network: real peers with a relay between them that loses, delays and overtakes packets.

A run of 6 s is recorded for what holds on any machine: each map names its very frame, and no old one is shown as fresh.
The slow tests assert rates and times as well, of some 20 s: a clear path, lossy ones, and a blackout. What the page
does with what arrived is played to its own module afterwards.
"""

import asyncio
import contextlib
import heapq
import json
import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import overlay_message, returns, rtc
from streamer.bench.clip import MovingPhotograph, frame_number
from streamer.capture_clock import UNIX_EPOCH_S
from streamer.overlay_message import Stamps, read_stamps
from streamer.returns import MAX_MESSAGE, OverlayReturn
from streamer.stream import Result, SentAs, Stream
from tests import relay
from tests.node import run_module
from tests.peers import serving
from tests.relay import BLACKOUT, CLEAR, Relay
from tests.rtp_packets import DELTA, KEY, Collector

logger = logging.getLogger(__name__)  # `--log-cli-level=INFO` shows the figures

CLOCK = 90_000  # of RTP video
FPS = 30
STEP = CLOCK // FPS
JITTER_S = 0.05
LOSSY = {"3 %": relay.Path(0.03, JITTER_S), "10 %": relay.Path(0.10, JITTER_S)}
Phases = tuple[tuple[str, relay.Path, float], ...]  # name, path, seconds
BRIEFLY: Phases = (
    ("clear", CLEAR, 0.5),
    ("10 %", LOSSY["10 %"], 2.5),
    ("blackout", BLACKOUT, 2.0),
    ("after", CLEAR, 1.0),
)
AT_LENGTH: Phases = (
    ("clear", CLEAR, 2.0),
    *((name, path, 6.0) for name, path in LOSSY.items()),
    ("between", CLEAR, 1.0),
    ("blackout", BLACKOUT, 2.0),
    ("after", CLEAR, 2.0),
)


class Ticking(MediaStreamTrack):
    """A camera whose frame `n` shows the number n and was captured n / 30 s after the first, late as it may be sent."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._clip = MovingPhotograph(320, 240)
        self.handed_out: list[tuple[float, int]] = []  # Unix seconds, frame
        self.started: float | None = None  # Unix seconds

    async def recv(self) -> av.VideoFrame:
        """The next frame, when its time has come; a frame whose time has passed altogether is left out."""
        if self.readyState != "live":
            raise MediaStreamError
        if self.started is None:
            self.started = time.time()
        before = self.handed_out[-1][1] if self.handed_out else -1
        tick = max(before + 1, int((time.time() - self.started) * FPS))
        await asyncio.sleep(max(0.0, self.started + tick / FPS - time.time()))
        frame = self._clip.frame(tick)
        frame.pts, frame.time_base = tick * STEP, Fraction(1, CLOCK)
        self.handed_out.append((time.time(), tick))
        return frame

    def report_as_a_browser(self, sender: RTCRtpSender) -> None:
        """In sender reports, aiortc dates a frame by when it was sent; a browser, by when it was captured."""
        inner: Any = sender
        send = inner._send_rtcp

        async def send_dated(packets: list[AnyRtcpPacket]) -> None:
            for packet in packets:
                if isinstance(packet, RtcpSrPacket):
                    sent = packet.sender_info.ntp_timestamp / 2**32 - UNIX_EPOCH_S
                    # One frame is sent after the other, so it is the last one that was handed out before.
                    tick = next((tick for at, tick in reversed(self.handed_out) if at <= sent), None)
                    if tick is not None and self.started is not None:
                        captured = self.started + tick / FPS
                        packet.sender_info.ntp_timestamp = round((captured + UNIX_EPOCH_S) * 2**32)
            await send(packets)

        inner._send_rtcp = send_dated


@dataclass(frozen=True)
class Arrived:
    """A message, and when it was here."""

    at: float  # Unix seconds
    stamps: Stamps


@dataclass
class Server:
    """What reached the server and what it made of that; times are Unix seconds."""

    pictures: dict[int, int | None] = field(default_factory=dict)  # the number read in a picture, by RTP timestamp
    decoded: list[float] = field(default_factory=list)
    localized: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Note every frame that comes into a stream, and every result that goes to a viewer."""
        push, offer = Stream.push, OverlayReturn.offer

        def read_and_push(stream: Stream, frame: av.VideoFrame, received: float, sent_as: SentAs | None = None) -> None:
            if sent_as is not None:
                self.pictures[sent_as.rtp] = frame_number(frame)
                self.decoded.append(time.time())
            push(stream, frame, received, sent_as)

        def note_and_offer(back: OverlayReturn, result: Result) -> None:
            self.localized.append(time.time())
            offer(back, result)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Stream, "push", read_and_push)
            patch.setattr(OverlayReturn, "offer", note_and_offer)
            # The small model's maps fill no message; the largest that may be sent is the hardest to bring through.
            patch.setattr(returns, "pack", lambda *given: overlay_message.pack(*given).ljust(MAX_MESSAGE, b"\0"))
            yield


@dataclass(frozen=True)
class Recording:
    """What the client saw, and what the server did meanwhile."""

    started: float  # Unix seconds of the camera's frame 0
    ended: float
    phases: Mapping[str, tuple[float, float]]
    handed_out: list[float]  # Unix seconds, of the camera's frames
    server: "Server"
    messages: list[Arrived]

    def tick(self, captured: float) -> int:
        """Which frame of the camera's was captured then (Unix milliseconds)."""
        return round((captured / 1e3 - self.started) * FPS)

    def within(self, at: float, phase: str, part: int = 0, parts: int = 1) -> bool:
        """Whether that was in this phase, or in a part of it."""
        begin, end = self.phases[phase]
        length = (end - begin) / parts
        return 0 <= at - begin - part * length < length

    def during(self, phase: str, part: int = 0, parts: int = 1) -> list[Arrived]:
        """What arrived then."""
        return [message for message in self.messages if self.within(message.at, phase, part, parts)]

    def latencies(self, phase: str, part: int = 0, parts: int = 1) -> list[float]:
        """Seconds from a frame's capture to its message."""
        told = [(m.at, m.stamps.captured) for m in self.during(phase, part, parts)]
        return [at - captured / 1e3 for at, captured in told if captured is not None]


async def record(model: Path, folder: Path, planned: Phases) -> Recording:
    """One session in mode "overlay", through every phase."""
    camera, server, messages = Ticking(), Server(), list[Arrived]()
    phases = dict[str, tuple[float, float]]()
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    control = peer.createDataChannel("seekcam")
    results = peer.createDataChannel("seekcam-results", ordered=False, maxRetransmits=0)
    results.on("message", lambda data: messages.append(Arrived(time.time(), read_stamps(data))))
    sender = peer.addTransceiver(camera, direction="sendrecv").sender
    camera.report_as_a_browser(sender)
    with server.watched():
        async with serving(model, folder) as client, Relay(seed=1) as between:
            try:
                await peer.setLocalDescription(await peer.createOffer())
                sdp = await between.offer(peer.localDescription.sdp)
                body = {"sdp": sdp, "type": "offer", "mode": "overlay"}
                async with client.post("/api/sessions", json=body) as response:
                    answer = await response.json()
                    assert response.status == 201, answer
                described = await between.answer(answer["sdp"])
                await peer.setRemoteDescription(RTCSessionDescription(described, "answer"))
                async with asyncio.timeout(20):
                    while not any(m.stamps.captured is not None for m in messages):
                        await asyncio.sleep(0.02)
                for name, path, seconds in planned:
                    begun = time.time()
                    between.path = path
                    control.send(json.dumps({"v": 1, "type": "ping", "t": 0}))
                    await asyncio.sleep(seconds)
                    phases[name] = begun, time.time()
                assert between.lost > 0
            finally:
                await rtc.close_within(peer)
    assert camera.started is not None
    handed_out = [at for at, _ in camera.handed_out]
    return Recording(camera.started, time.time(), phases, handed_out, server, messages)


@pytest.fixture(scope="module")
def long_recording(small_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return asyncio.run(record(small_model_path, tmp_path_factory.mktemp("lossy"), AT_LENGTH))


@pytest.fixture(scope="module")
def brief_recording(small_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return asyncio.run(record(small_model_path, tmp_path_factory.mktemp("lossy"), BRIEFLY))


@pytest.fixture(params=["brief_recording", pytest.param("long_recording", marks=pytest.mark.slow)])
def recording(request: pytest.FixtureRequest) -> Recording:
    found: Recording = request.getfixturevalue(request.param)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("phase", LOSSY)
def test_messages_keep_coming_and_get_no_older(long_recording: Recording, phase: str) -> None:
    recording = long_recording

    def count(times: Iterable[float]) -> int:
        return sum(recording.within(at, phase) for at in times)

    sent, decoded = count(recording.handed_out), count(recording.server.decoded)
    localized, arrived = count(recording.server.localized), count(m.at for m in recording.messages)
    told = f"{sent} sent, {decoded} decoded, {localized} localized, {arrived} arrived"
    # The two ways through the network; how much a busy machine localizes of what it has decoded is another matter.
    assert decoded > 0.6 * sent, told
    assert arrived > 0.6 * localized > 0, told
    first, last = (median(recording.latencies(phase, part, 3)) for part in (0, 2))
    slowest = max(recording.latencies(phase))
    logger.info(
        "%s loss: %s; %.0f ms, then %.0f ms, at most %.0f ms", phase, told, first * 1e3, last * 1e3, slowest * 1e3
    )
    # A queue that grew would have grown by seconds.
    assert last < first + 0.5
    assert slowest < 2.0


def test_every_message_names_the_very_frame(recording: Recording) -> None:
    placed = [m.stamps for m in recording.messages if m.stamps.captured is not None]
    assert len(placed) > 20
    for stamps in placed:
        assert stamps.captured is not None
        tick = recording.tick(stamps.captured)
        assert abs(stamps.captured - (recording.started + tick / FPS) * 1e3) < 2
        assert recording.server.pictures[stamps.rtp] == tick  # what the model saw under this name


def test_no_picture_is_torn_or_passed_off_as_another(recording: Recording) -> None:
    (first, number), *rest = recording.server.pictures.items()
    assert number is not None
    for rtp, read in rest:
        assert read == number + round((rtp - first) % 2**32 / STEP)  # aiortc's encoder rounds down
    assert len(rest) > 20


def test_nothing_arrives_in_a_blackout(recording: Recording) -> None:
    begin, _ = recording.phases["blackout"]
    assert all(m.at < begin + 0.5 for m in recording.during("blackout"))


@pytest.mark.slow
def test_results_come_again_after_a_blackout_within_a_second(long_recording: Recording) -> None:
    localized = sum(long_recording.within(at, "after") for at in long_recording.server.localized)
    assert len(long_recording.during("after")) > 0.6 * localized > 0
    back, _ = long_recording.phases["after"]
    first = long_recording.during("after")[0]
    logger.info("after the blackout: first result in %.0f ms", (first.at - back) * 1e3)
    assert first.at - back < 1.0
    assert first.stamps.captured is not None
    assert first.stamps.captured / 1e3 > back - 0.25, "of a picture from the time before the blackout"


# Plays the camera's frames and what arrived, in the order of their times, and tells what was shown after each.
PAGE = """
const { Timeline } = await import(`${web}/overlay/timeline.js`);
const timeline = new Timeline(12);
const brief = (showing) => showing && [
  showing.frame.captured, showing.result?.captured ?? null, showing.result?.frame ?? null, showing.strength,
  showing.exact,
];
const shown = input.map(({ now, captured, frame }) => {
  if (frame === null) timeline.frame(captured);
  else timeline.result({ captured, frame }, now);
  return { now, live: brief(timeline.live()), exact: brief(timeline.exact(now)) };
});
tell({ shown, unmatched: timeline.unmatched, matched: timeline.matched });
"""
FULL_MS, GONE_MS = 250, 1000  # as old as that a map may be in full, and at all


def test_the_page_never_shows_an_old_map_as_fresh(recording: Recording) -> None:
    ticks = int((recording.ended - recording.started) * FPS)
    captures = [(recording.started + tick / FPS) * 1e3 for tick in range(ticks)]
    events: list[dict[str, Any]] = [{"now": captured + 5, "captured": captured, "frame": None} for captured in captures]
    events += [
        {"now": m.at * 1e3, "captured": m.stamps.captured, "frame": recording.server.pictures[m.stamps.rtp]}
        for m in recording.messages
        if m.stamps.captured is not None  # what cannot be dated has its own test
    ]
    told = run_module(PAGE, sorted(events, key=lambda event: float(event["now"])))
    assert told["unmatched"] == 0
    assert told["matched"] > 20
    dark_from, dark_until = (1e3 * at for at in recording.phases["blackout"])
    for display in ("live", "exact"):
        shown = [(each["now"], *each[display]) for each in told["shown"] if each[display] is not None]
        for _, captured, about, number, strength, exact in shown:
            apart = float("inf") if about is None else abs(captured - about)
            assert strength == pytest.approx(min(1, max(0, (GONE_MS - apart) / (GONE_MS - FULL_MS))), abs=0.01)
            assert exact == (about is not None and number == recording.tick(captured))
        dark = [(now, strength) for now, _, _, _, strength, _ in shown if dark_from < now < dark_until]
        assert len(dark) > FPS, "the picture goes on without maps"
        assert all(strength == 0 for now, strength in dark if now > dark_from + GONE_MS + 500)
        assert dark[-1][1] == 0
    moments = [each["exact"][0] for each in told["shown"] if each["exact"] is not None]
    assert moments == sorted(moments)
    assert sum(each["exact"] is not None and each["exact"][4] for each in told["shown"]) > 20


# The same in miniature, with time as the test tells it: the receiver's buffer and aiortc's own requests for what is
# missing, against a sender of which all feedback goes over the same path.

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

    def _receive(self, now: float, packet: RtpPacket, ask: Any) -> None:
        collector = self.collector
        collector.clock.now, asked, had = now, collector.plis, len(collector.frames)
        collector.add(packet)
        self.released += [(now, frame.timestamp / CLOCK) for frame in collector.frames[had:]]
        if collector.plis > asked:
            ask(now)


@given(seed=st.integers(0, 10_000), loss=st.sampled_from([0.03, 0.10]))
@settings(deadline=None, max_examples=15)
def test_frames_do_not_age_before_the_decoder_and_come_again_after_a_blackout(seed: int, loss: float) -> None:
    dark = (3.0, 5.0)
    released = Wire(seed, relay.Path(loss, JITTER_S), dark).run(8.0)
    ages = [when - captured for when, captured in released]
    assert max(ages) < DELAY_S + JITTER_S + rtc.HOLE_DEADLINE_S + 0.1, "it waited longer than a hole may stay open"
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
