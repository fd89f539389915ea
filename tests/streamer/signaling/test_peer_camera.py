"""A peer's camera as a stream: which of its tracks is decoded, and what becomes of it when something fails."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp.test_utils import TestClient
from aiortc import MediaStreamTrack
from skimage import data

from seekcam.localization.settings import AnalysisSettings
from seekcam.streamer.hub import HUB
from seekcam.streamer.signaling.peer_camera import pump
from seekcam.streamer.stream import Stream
from seekcam.streamer.webrtc import jitter_buffer
from seekcam.streamer.webrtc.camera_decoder import CameraDecoder
from seekcam.streamer.webrtc.capture_clock import CaptureClock
from tests.helpers.peers import Camera, serving, session

Client = TestClient[Any, Any]


@pytest.fixture
async def client(small_model_path: Path, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(small_model_path, tmp_path) as served:
        yield served


def decoders() -> int:
    return sum(thread.name == "camera-decoder" for thread in threading.enumerate())


class Torn(MediaStreamTrack):
    """A track that is not read to its end."""

    kind = "video"

    async def recv(self) -> av.VideoFrame:
        raise RuntimeError("no frame")


async def test_a_track_that_cannot_be_read_is_told_of(client: Client) -> None:
    hub, errors = client.app[HUB], list[Exception]()
    stream = await hub.open_stream("camera", "camera", AnalysisSettings())
    decoder = CameraDecoder(lambda *_: None, errors.append)
    await pump(hub, Torn(), stream, decoder, errors.append)
    assert [str(error) for error in errors] == ["no frame"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [pytest.param(Stream, "push", id="on the event loop"), pytest.param(CaptureClock, "captured_ms", id="decoding")],
)
async def test_a_frame_that_cannot_be_taken_in_ends_the_session_in_words(
    client: Client, owner: type, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = decoders()
    async with session(client, Camera(data.chelsea(), fps=20)) as opened:
        await opened.until(lambda: opened.frames)
        monkeypatch.setattr(owner, name, lambda *_: 1 / 0)
        await opened.until(lambda: opened.of_type("bye"))
        assert "failed at this camera" in opened.of_type("bye")[0]["detail"]
        async with asyncio.timeout(10):
            while client.app[HUB].streams or decoders() > before:
                await asyncio.sleep(0.01)
    assert sum("could not be read on" in record.message for record in caplog.records) == 1
    assert "division by zero" in caplog.text


async def test_a_camera_that_leaves_takes_its_decoder_with_it(client: Client) -> None:
    before = decoders()
    async with session(client, Camera(data.chelsea(), fps=10)) as opened:
        await opened.until(lambda: opened.frames)
        assert decoders() == before + 1
    async with asyncio.timeout(10):
        while decoders() > before:
            await asyncio.sleep(0.01)


async def test_nothing_of_a_second_camera_is_decoded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[jitter_buffer.EarlyJitterBuffer] = []
    init = jitter_buffer.EarlyJitterBuffer.__init__

    def noted(self: jitter_buffer.EarlyJitterBuffer, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(jitter_buffer.EarlyJitterBuffer, "__init__", noted)
    before = decoders()
    async with session(client, Camera(data.chelsea(), fps=10), second=Camera(data.coffee(), fps=10)) as opened:
        await opened.until(lambda: len(opened.frames) > 10)
        assert len(made) == 2
        assert all(buffer._origin is not None for buffer in made), "both are received"
        assert decoders() == before + 1


async def test_a_sender_whose_time_jumps_back_is_still_watched(client: Client) -> None:
    camera = Camera(data.chelsea(), fps=15)
    async with session(client, camera) as opened:
        await opened.until(lambda: len(opened.frames) > 10)
        sender: Any = opened.peer.getSenders()[0]
        encode = sender._next_encoded_frame

        async def earlier(codec: Any) -> Any:
            encoded = await encode(codec)
            if encoded is not None:
                encoded.timestamp = (encoded.timestamp - 60 * 90_000) % (1 << 32)
            return encoded

        sender._next_encoded_frame = earlier
        seen = len(opened.frames)
        await opened.until(lambda: len(opened.frames) > seen + 15)
        pts = [result["pts"] for result in opened.results]
        assert sorted(pts) == pts
