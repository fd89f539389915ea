"""A session in mode "overlay" between real peers, with a relay between them: what was sent, seen and told."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket

from seekcam.streamer.bench.moving_photograph import MovingPhotograph, frame_number
from seekcam.streamer.stream import Result, SentAs, Stream
from seekcam.streamer.viewers import outputs as returns
from seekcam.streamer.viewers import overlay_message
from seekcam.streamer.viewers.outputs import MAX_MESSAGE, OverlayReturn
from seekcam.streamer.viewers.overlay_message import Stamps, read_stamps
from seekcam.streamer.webrtc.capture_clock import UNIX_EPOCH_S
from seekcam.streamer.webrtc.closing import close_within
from tests.helpers import relay
from tests.helpers.peers import serving
from tests.helpers.relay import Relay

CLOCK = 90_000  # of RTP video
FPS = 30
STEP = CLOCK // FPS
ENOUGH = 30  # messages before the path gets worse, however long a busy machine takes for them
Phases = tuple[tuple[str, relay.Path, float], ...]  # name, path, seconds


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
    server: Server
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


async def record(model: Path, folder: Path, planned: Phases, codec: str) -> Recording:
    """One session in mode "overlay", through every phase; the camera's stream in "VP8" or "H264"."""
    camera, server, messages = Ticking(), Server(), list[Arrived]()
    phases = dict[str, tuple[float, float]]()
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    control = peer.createDataChannel("seekcam")
    results = peer.createDataChannel("seekcam-results", ordered=False, maxRetransmits=0)
    results.on("message", lambda data: messages.append(Arrived(time.time(), read_stamps(data))))
    transceiver = peer.addTransceiver(camera, direction="sendrecv")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([known for known in codecs if known.mimeType in (f"video/{codec}", "video/rtx")])
    sender = transceiver.sender
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
                async with asyncio.timeout(40):
                    while sum(m.stamps.captured is not None for m in messages) < ENOUGH:
                        await asyncio.sleep(0.02)
                for name, path, seconds in planned:
                    begun = time.time()
                    between.path = path
                    control.send(json.dumps({"v": 1, "type": "ping", "t": 0}))
                    await asyncio.sleep(seconds)
                    phases[name] = begun, time.time()
                assert between.lost > 0
            finally:
                await close_within(peer)
    assert camera.started is not None
    handed_out = [at for at, _ in camera.handed_out]
    return Recording(camera.started, time.time(), phases, handed_out, server, messages)
