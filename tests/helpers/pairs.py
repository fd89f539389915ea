"""Two aiortc peers of one process, over the loopback: one sends a track, what comes out at the other is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import aioice.ice
import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import AnyRtcpPacket, RtcpPacket, RtpPacket, is_rtcp

from seekcam.streamer.signaling import sessions as signaling
from seekcam.streamer.webrtc import jitter_buffer
from seekcam.streamer.webrtc.closing import close_within

GREYS = 16  # levels that the lossy codecs keep apart


class Greys(MediaStreamTrack):
    """A video track whose frame `i` is evenly grey at level i % 16, at 30 frames a second."""

    kind = "video"

    def __init__(self, width: int = 320, height: int = 240) -> None:
        super().__init__()
        self._size = height, width
        self._number = 0

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(1 / 30)
        picture = np.full((*self._size, 3), 8 + 15 * (self._number % GREYS), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = 3000 * self._number, Fraction(1, 90_000)
        self._number += 1
        return frame


def grey_level(frame: av.VideoFrame) -> int:
    """Which of `Greys`' levels a decoded frame shows."""
    return round((float(frame.to_ndarray(format="rgb24").mean()) - 8) / 15)


class Pair:
    """A sending and a receiving peer, what went over the wire, and the frames that came out."""

    def __init__(self) -> None:
        self.sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.receiver = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.frames: list[av.VideoFrame] = []
        self.packets: list[RtpPacket] = []
        self.reports: list[AnyRtcpPacket] = []

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what the peers will do.

        Raises:
            TimeoutError: they did not.
        """
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def pair(
    track: MediaStreamTrack,
    monkeypatch: pytest.MonkeyPatch,
    codec: str = "auto",
    receive: Callable[[RTCRtpReceiver], object] = jitter_buffer.release_early,
) -> AsyncIterator[Pair]:
    """Send `track` from a peer that the server's own `negotiate` has answered with; give its packets and frames.

    Args:
        receive: sets the receiver up; where it puts a decoder in, that one has the frames.
    """
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    made = Pair()
    tasks: list[asyncio.Task[None]] = []

    async def collect(receiver: RTCRtpReceiver) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await receiver.track.recv()
                assert isinstance(frame, av.VideoFrame)
                made.frames.append(frame)

    made.receiver.addTransceiver("video", direction="recvonly")

    @made.receiver.on("track")
    def on_track(_: MediaStreamTrack) -> None:
        receiver = made.receiver.getReceivers()[0]
        receive(receiver)
        tasks.append(asyncio.create_task(collect(receiver)))

    hub: Any = SimpleNamespace(config=SimpleNamespace(codec=codec, advertise=None))
    viewer: Any = SimpleNamespace(track=track)
    try:
        await made.receiver.setLocalDescription(await made.receiver.createOffer())
        answer = await signaling.negotiate(hub, made.sender, made.receiver.localDescription, viewer)
        _tap(made)
        await made.receiver.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        yield made
    finally:
        await close_within(made.sender)
        await close_within(made.receiver)
        for task in tasks:
            task.cancel()  # a track whose connection never came about does not end by itself
        await asyncio.gather(*tasks, return_exceptions=True)


def _tap(made: Pair) -> None:
    transport: Any = made.sender.getSenders()[0].transport
    send = transport._send_rtp

    async def send_and_keep(data: bytes) -> None:
        if is_rtcp(data):
            made.reports += RtcpPacket.parse(data)
        else:
            made.packets.append(RtpPacket.parse(data))
        await send(data)

    transport._send_rtp = send_and_keep
