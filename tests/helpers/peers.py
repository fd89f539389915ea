"""The other end of a peer connection, for tests: a camera that shows a photograph, and a page without a page."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiohttp.test_utils import TestClient, TestServer
from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from seekcam.streamer.config import ServerConfig
from seekcam.streamer.server import create_app
from seekcam.streamer.webrtc.closing import close_within

CLOCK = 90_000  # of RTP video


class Camera(MediaStreamTrack):
    """A video track of one picture that pans to and fro, in real time."""

    kind = "video"

    def __init__(self, picture: NDArray[np.uint8], fps: int = 15) -> None:
        super().__init__()
        self._picture = picture
        self._fps = fps
        self._number = 0
        self._started = time.monotonic()

    async def recv(self) -> av.VideoFrame:
        """The next frame, when its time has come."""
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._started + self._number / self._fps - time.monotonic()))
        shifted = np.roll(self._picture, self._number % 16, axis=1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shifted), format="rgb24")
        frame.pts, frame.time_base = self._number * CLOCK // self._fps, Fraction(1, CLOCK)
        self._number += 1
        return frame


@contextlib.asynccontextmanager
async def serving(model: Path, folder: Path, **settings: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """A server of this machine's with four places and its recordings in `folder`; `settings` go to `ServerConfig`."""
    config = ServerConfig(
        port=0,
        model=str(model),
        recordings=folder / "recordings",
        min_free_space=0,
        ice_address=("127.0.0.1",),
        **{"max_sessions": 4, **settings},
    )
    async with TestClient(TestServer(create_app(config))) as client:
        yield client


class Session:
    """What a page would hold of its session."""

    def __init__(self, peer: RTCPeerConnection, control: RTCDataChannel, results: RTCDataChannel) -> None:
        self.peer = peer
        self.control = control
        self.messages: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.overlays: list[bytes] = []
        self.frames: list[av.VideoFrame] = []
        self.id = self.stream = ""
        control.on("message", lambda text: self.messages.append(json.loads(text)))
        results.on("message", self._take)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.overlays.append(message)
        else:
            self.results.append(json.loads(message))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The control messages of one type, oldest first."""
        return [message for message in self.messages if message["type"] == kind]

    def send(self, **body: object) -> None:
        """Say something on the control channel."""
        self.control.send(json.dumps({"v": 1, **body}))

    async def until(self, condition: Callable[[], object], timeout: float = 20.0) -> None:
        """Wait for something that the server will do.

        Raises:
            TimeoutError: it did not.
        """
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def session(
    client: TestClient[Any, Any],
    camera: Camera | None = None,
    stream: str | None = None,
    settings: dict[str, object] | None = None,
    mode: str = "video",
    second: Camera | None = None,
) -> AsyncIterator[Session]:
    """A session on a test server: with `camera` its own stream, with `stream` a watcher's; `second` is sent beside."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    opened = Session(
        peer,
        peer.createDataChannel("seekcam"),
        peer.createDataChannel("seekcam-results", ordered=False, maxRetransmits=0),
    )
    if camera is not None:
        peer.addTransceiver(camera, direction="sendrecv")
    else:
        peer.addTransceiver("video", direction="recvonly")
    if second is not None:
        peer.addTransceiver(second, direction="sendonly")
    tasks: list[asyncio.Task[None]] = []

    @peer.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        tasks.append(asyncio.create_task(_collect(track, opened.frames)))

    await peer.setLocalDescription(await peer.createOffer())
    body = {"sdp": peer.localDescription.sdp, "type": "offer", "mode": mode, "stream": stream, "settings": settings}
    try:
        async with client.post("/api/sessions", json={k: v for k, v in body.items() if v is not None}) as response:
            answer = await response.json()
            assert response.status == 201, answer
            assert response.headers["Location"] == f"/api/sessions/{answer['id']}"
        opened.id, opened.stream = answer["id"], answer["stream"]
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        yield opened
    finally:
        await close_within(peer)
        for task in tasks:
            task.cancel()  # a track that never began does not end either
        await asyncio.gather(*tasks, return_exceptions=True)


async def _collect(track: MediaStreamTrack, frames: list[av.VideoFrame]) -> None:
    try:
        while True:
            frame = await track.recv()
            assert isinstance(frame, av.VideoFrame)
            frames.append(frame)
    except MediaStreamError:
        return
