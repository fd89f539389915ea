"""The whole way: real peer connections send numbered frames to a server of their own, and time each one's return.

In mode "video", latency is from the moment a frame is handed to this process's encoder to the moment the annotated
frame is decoded again, so it holds both encodings, both decodings, the transport and the server. In mode "overlay" it
ends when the frame's message is here, which names the frame by the time of its capture. The clients run in one process
and share the machine with the server.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from seekcam.streamer.bench.moving_photograph import NUMBERS, MovingPhotograph, frame_number
from seekcam.streamer.bench.server_process import BenchError, ServerProcess
from seekcam.streamer.bench.stages import Spread, spread
from seekcam.streamer.viewers.outputs import Mode
from seekcam.streamer.viewers.overlay_message import read_stamps
from seekcam.streamer.webrtc import gathering, jitter_buffer
from seekcam.streamer.webrtc.closing import close_within

CLOCK = 90_000  # of RTP video
FIRST_FRAME_LIMIT_S = 20.0
TAIL_S = 1.0  # how long frames under way are waited for at the end
WINDOW_S = 15.0  # the first and the last so many seconds are compared; a third of a short run


@dataclass(frozen=True)
class ReturnedFrame:
    """One frame that came back: seconds after the first frame came back, and its latency in milliseconds."""

    at: float
    latency_ms: float


@dataclass(frozen=True)
class EndToEndResult:
    """One session, as its client saw it."""

    sent: int
    returned: int
    unreadable: int  # came back with the number hidden, or named no frame that was sent
    repeated: int  # came back twice
    fps_sent: float
    fps_back: float
    latency_ms: Spread
    latency_first_ms: float  # median of the first window
    latency_last_ms: float  # median of the last window
    window_s: float
    early_release: bool  # the client used our jitter buffer, which releases a frame on its last packet
    results: int  # messages on the data channel
    server: Mapping[str, Any] = field(default_factory=dict)  # the server's last statistics of this session
    frames: tuple[ReturnedFrame, ...] = ()


class NumberedCamera(MediaStreamTrack):
    """A camera that shows the clip in real time and notes when each frame was handed over."""

    kind = "video"

    def __init__(self, clip: MovingPhotograph, fps: float) -> None:
        super().__init__()
        self._clip = clip
        self._fps = fps
        self._started: float | None = None
        self._last_tick = -1
        self.sent_at: dict[int, float] = {}  # time.monotonic() by frame number

    async def recv(self) -> av.VideoFrame:
        """The next frame, when its time has come; a frame whose time has passed altogether is left out."""
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._started is None:
            self._started = now
        tick = self._last_tick = max(self._last_tick + 1, int((now - self._started) * self._fps))
        await asyncio.sleep(max(0.0, self._started + tick / self._fps - now))
        number = len(self.sent_at)
        frame = self._clip.frame(number)
        frame.pts, frame.time_base = round(tick * CLOCK / self._fps), Fraction(1, CLOCK)
        self.sent_at[number] = time.monotonic()
        return frame


class BenchSession:
    """One peer connection to the server, from the offer to the result."""

    def __init__(self, clip: MovingPhotograph, fps: float, mode: Mode = "video") -> None:
        self._mode = mode
        self._fps = fps
        self._camera = NumberedCamera(clip, fps)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._back: list[tuple[int, float]] = []  # frame number, time.monotonic()
        self._unreadable = self._results = 0
        self._early = False
        self._stats: Mapping[str, Any] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.first_back = asyncio.Event()
        self.error: str | None = None

    async def open(self, client: aiohttp.ClientSession, url: str) -> None:
        """Offer the camera, take the answer.

        Raises:
            BenchError: the server refused the session.
        """
        peer = self._peer
        control = peer.createDataChannel("seekcam")
        results = peer.createDataChannel("seekcam-results", ordered=False, maxRetransmits=0)
        control.on("message", self._on_control)
        results.on("message", self._on_result)
        peer.addTransceiver(self._camera, direction="sendrecv")
        peer.on("track", self._on_track)
        await peer.setLocalDescription(await peer.createOffer())
        offer = {"sdp": peer.localDescription.sdp, "type": "offer", "mode": self._mode}
        async with client.post(f"{url}/api/sessions", json=offer) as response:
            answer = await response.json()
            if response.status != 201:
                raise BenchError(f"The server refused the session: {answer.get('detail', response.status)}")
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        self._tasks.append(asyncio.create_task(self._ping(control)))

    async def close(self) -> None:
        """Stop sending, wait for what is under way, close."""
        self._camera.stop()
        await asyncio.sleep(TAIL_S)
        await close_within(self._peer)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def result(self) -> EndToEndResult:
        """What was measured.

        Raises:
            BenchError: too few frames came back to say anything.
        """
        first_times = dict(reversed(self._back))  # the first time that each number came back
        sent = self._camera.sent_at
        if len(first_times) < 2:
            raise BenchError(self.error or "Nothing came back: look at `seekcam doctor`.")
        start, end = min(first_times.values()), max(first_times.values())
        frames = tuple(
            ReturnedFrame(round(at - start, 4), round((at - sent[number]) * 1e3, 2))
            for number, at in sorted(first_times.items(), key=lambda item: item[1])
        )
        window = min(WINDOW_S, (end - start) / 3)
        sending = max(sent.values()) - min(sent.values())
        return EndToEndResult(
            sent=len(sent),
            returned=len(frames),
            unreadable=self._unreadable,
            repeated=len(self._back) - len(frames),
            fps_sent=round((len(sent) - 1) / sending, 2),
            fps_back=round((len(frames) + self._unreadable - 1) / (end - start), 2),
            latency_ms=spread([f.latency_ms for f in frames]),
            latency_first_ms=_median([f.latency_ms for f in frames if f.at <= window]),
            latency_last_ms=_median([f.latency_ms for f in frames if f.at >= end - start - window]),
            window_s=round(window, 2),
            early_release=self._early,
            results=self._results,
            server={k: v for k, v in self._stats.items() if k not in ("v", "type")},
            frames=frames,
        )

    def _on_track(self, track: MediaStreamTrack) -> None:
        for transceiver in self._peer.getTransceivers():
            receiver: RTCRtpReceiver = transceiver.receiver
            if receiver.track is track:
                self._early = jitter_buffer.release_early(receiver)
        self._tasks.append(asyncio.create_task(self._collect(track)))

    async def _collect(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):  # how a track ends
            while True:
                frame = await track.recv()
                now = time.monotonic()
                assert isinstance(frame, av.VideoFrame)
                self._note(frame_number(frame), now)

    def _note(self, number: int | None, now: float) -> None:
        newest = len(self._camera.sent_at) - 1
        if number is not None and newest >= 0:
            number += (newest - number) // NUMBERS * NUMBERS
        if number is None or number not in self._camera.sent_at:
            self._unreadable += 1
        else:
            self._back.append((number, now))
            self.first_back.set()

    def _on_control(self, text: str) -> None:
        message = json.loads(text)
        if message["type"] == "stats":
            self._stats = message
        elif message["type"] in ("error", "bye"):
            self.error = f"The server said: {message['detail']}"
            self.first_back.set()

    def _on_result(self, message: str | bytes) -> None:
        self._results += 1
        if isinstance(message, bytes):
            self._note_captured(read_stamps(message).captured, time.monotonic())

    def _note_captured(self, captured: float | None, now: float) -> None:
        """A map came back whose frame was captured then, in Unix milliseconds, by this machine's own clock."""
        if captured is None:
            return  # our first sender report is still on its way
        at = captured / 1e3 - (time.time() - time.monotonic())
        sent_at = self._camera.sent_at
        nearest = min(reversed(sent_at), key=lambda number: abs(sent_at[number] - at))
        if abs(sent_at[nearest] - at) > 0.5 / self._fps:
            self._unreadable += 1
            return
        self._back.append((nearest, now))
        self.first_back.set()

    async def _ping(self, control: RTCDataChannel) -> None:
        while True:
            if control.readyState == "open":
                control.send(json.dumps({"v": 1, "type": "ping", "t": time.monotonic() * 1e3}))
            await asyncio.sleep(1)


async def measure_end_to_end(
    server: ServerProcess,
    clip: MovingPhotograph,
    fps: float,
    seconds: float,
    sessions: int,
    mode: Mode = "video",
) -> tuple[list[EndToEndResult], float | None]:
    """Send `fps` frames a second for `seconds` on each of `sessions`; also the server's processor use in % of one core.

    Raises:
        BenchError: a session was refused, or no frame came back.
    """
    gathering.gather_on(["127.0.0.1"])
    clients = [BenchSession(clip, fps, mode) for _ in range(sessions)]
    try:
        async with aiohttp.ClientSession() as http:
            for client in clients:
                await client.open(http, server.url)
            try:
                async with asyncio.timeout(FIRST_FRAME_LIMIT_S):
                    for client in clients:
                        await client.first_back.wait()
            except TimeoutError:
                raise BenchError(f"Nothing came back within {FIRST_FRAME_LIMIT_S:g} s.") from None
            began, used = time.monotonic(), server.cpu_seconds()
            await asyncio.sleep(seconds)
            ended, used_then = time.monotonic(), server.cpu_seconds()
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    cpu = None if used is None or used_then is None else round(100 * (used_then - used) / (ended - began), 1)
    return [client.result() for client in clients], cpu


def _median(values: list[float]) -> float:
    return round(float(np.median(values)), 2)
