"""The hub as a whole: one source and many viewers, recordings, the end of streams, and a clean stop."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from numpy.typing import NDArray
from skimage import data

from seekcam.localization.errors import UnknownModelError
from seekcam.localization.settings import AnalysisSettings
from seekcam.streamer.config import ServerConfig
from seekcam.streamer.hub import HUB, Hub, UnknownStreamError
from seekcam.streamer.recordings.recording_tasks import RecordingStateError
from seekcam.streamer.server import create_app
from tests.helpers.peers import Camera, session
from tests.streamer.pool_engine import ENGINES

FPS = 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a cat, panning."""
    path = tmp_path_factory.mktemp("clip") / "cat.mp4"
    picture: NDArray[np.uint8] = np.asarray(data.chelsea())[:, :450]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 450, 300, "yuv420p"
        for number in range(2 * FPS):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(picture, number, axis=1)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def config(tmp_path: Path, default_model_path: Path) -> ServerConfig:
    return ServerConfig(
        port=0,
        model=str(default_model_path),
        recordings=tmp_path / "recordings",
        min_free_space=0,
        ice_address=("127.0.0.1",),
    )


@pytest.fixture(params=ENGINES)
async def client(
    config: ServerConfig, clip: Path, request: pytest.FixtureRequest
) -> AsyncIterator[TestClient[Any, Any]]:
    with_source = ServerConfig(**{**config.model_dump(), "source": [f"cat={clip}"]})
    async with TestClient(TestServer(create_app(with_source, ENGINES[request.param]))) as opened:
        yield opened


@pytest.fixture
def broken(tmp_path: Path, default_model_path: Path) -> Path:
    """A model file whose end is missing."""
    path = tmp_path / "broken.onnx"
    path.write_bytes(default_model_path.read_bytes()[:-1000])
    return path


def hub_of(client: TestClient[Any, Any]) -> Hub:
    assert client.app is not None
    hub: Hub = client.app[HUB]
    return hub


async def test_three_viewers_share_one_decode_and_one_inference(client: TestClient[Any, Any]) -> None:
    hub = hub_of(client)
    async with AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(session(client, stream="cat")) for _ in range(3)]
        for viewer in viewers:
            await viewer.until(lambda v=viewer: len(v.results) >= 5 and v.frames)  # type: ignore[misc]
        async with client.get("/api/streams") as response:
            (stream,) = await response.json()
        assert stream["viewers"] == 3
        assert (stream["source"], stream["name"]) == ("file", "cat.mp4")
        assert stream["frames"]["processed"] <= stream["frames"]["received"]
        # Every viewer saw results of the same run: a frame's number tells its one inference.
        by_frame = [{r["frame"]: r["ms"]["infer"] for r in viewer.results} for viewer in viewers]
        shared = set(by_frame[0]) & set(by_frame[1]) & set(by_frame[2])
        assert shared
        assert all(by_frame[0][n] == by_frame[1][n] == by_frame[2][n] for n in shared)
    metrics = hub.telemetry.exposition().decode()
    assert "seekcam_decoded_sources 1.0" in metrics
    processed = float(metrics.split("\nseekcam_frames_processed_total ")[1].split()[0])
    assert processed == hub.stream("cat").counters.processed


async def test_a_looped_file_goes_on_past_its_end(client: TestClient[Any, Any]) -> None:
    stream = hub_of(client).stream("cat")
    async with asyncio.timeout(15):
        while stream.counters.received <= 2 * FPS + 2:
            await asyncio.sleep(0.1)
    assert stream.state == "playing"


async def test_a_recording_has_a_line_for_every_frame(client: TestClient[Any, Any]) -> None:
    hub = hub_of(client)
    recording_id = await hub.start_recording("cat")
    with pytest.raises(RecordingStateError):
        await hub.start_recording("cat")
    await asyncio.sleep(2)
    recording = await hub.stop_recording("cat")
    with pytest.raises(RecordingStateError):
        await hub.stop_recording("cat")
    assert recording.id == recording_id
    assert recording.complete
    with av.open(str(recording.video)) as video:
        frames = list(video.decode(video=0))
    lines = [json.loads(line) for line in recording.sidecar.read_text().splitlines()]
    assert len(lines) == len(frames) == recording.frames > 5
    assert [line["pts"] for line in lines] == pytest.approx([f.time + lines[0]["pts"] for f in frames], abs=0.002)
    assert recording.duration == pytest.approx(2, abs=0.5)


async def test_stopping_the_server_finishes_the_recording(config: ServerConfig, clip: Path) -> None:
    hub = Hub(ServerConfig(**{**config.model_dump(), "source": [f"cat={clip}"]}))
    await hub.start()
    await hub.start_recording("cat")
    await asyncio.sleep(1.5)
    await hub.close()
    (recording,) = hub.recordings.list()
    assert recording.complete
    assert recording.frames > 0
    left = [
        t.name
        for t in threading.enumerate()
        if t.name.startswith(("inference", "loading", "source", "record", "paint"))
    ]
    assert left == []


async def test_pictures_take_turns_with_streams(client: TestClient[Any, Any]) -> None:
    hub = hub_of(client)
    hub.stream("cat").subscribe(lambda _result: None, lambda _error: None)
    coffee = np.asarray(data.coffee())
    predictions = await asyncio.gather(*(hub.localize(coffee, AnalysisSettings()) for _ in range(5)))
    assert {p.top[0].name for p in predictions} == {"espresso"}
    before = hub.stream("cat").counters.processed
    await asyncio.sleep(0.5)
    assert hub.stream("cat").counters.processed > before


async def test_what_does_not_exist_is_named(client: TestClient[Any, Any]) -> None:
    hub = hub_of(client)
    with pytest.raises(UnknownModelError, match="efficientnet-lite0"):
        await hub.localize(np.zeros((8, 8, 3), np.uint8), AnalysisSettings(model="resnet-1001"))
    with pytest.raises(UnknownStreamError):
        await hub.start_recording("dog")


async def test_a_camera_that_leaves_mid_recording_leaves_a_whole_file(client: TestClient[Any, Any]) -> None:
    hub = hub_of(client)
    async with session(client, Camera(np.asarray(data.chelsea()))) as owner:
        await owner.until(lambda: len(owner.results) >= 3)
        await hub.start_recording(owner.stream)
        await owner.until(lambda: owner.of_type("state")[-1]["recording"])
        seen = len(owner.results)
        await owner.until(lambda: len(owner.results) >= seen + 10)
        async with client.delete(f"/api/sessions/{owner.id}"):
            pass
    async with asyncio.timeout(10):
        while not all(recording.complete for recording in hub.recordings.list()):
            await asyncio.sleep(0.05)
    (recording,) = hub.recordings.list()
    assert recording.frames >= 5
    assert owner.stream not in hub.streams


async def test_a_full_disk_ends_the_recording_and_the_viewers_are_told(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_of(client)
    async with session(client, stream="cat") as viewer:
        await viewer.until(lambda: viewer.results)
        recording_id = await hub.start_recording("cat")
        await asyncio.sleep(1.5)
        usage = shutil.disk_usage("/")._replace(free=-1)
        monkeypatch.setattr("seekcam.streamer.recordings.file_writer.shutil.disk_usage", lambda _path: usage)
        await viewer.until(lambda: viewer.of_type("error"))
        assert viewer.of_type("error")[-1]["error"] == "recording-failed"
        await viewer.until(lambda: viewer.of_type("state")[-1]["recording"] is None)
        seen = len(viewer.results)
        await viewer.until(lambda: len(viewer.results) > seen)  # the stream goes on
    with av.open(str(hub.recordings.get(recording_id).video)) as video:
        assert len(list(video.decode(video=0))) > 0


async def test_a_source_that_is_played_once_takes_its_viewers_along(config: ServerConfig, clip: Path) -> None:
    once = ServerConfig(**{**config.model_dump(), "source": [f"cat={clip}?once"]})
    async with TestClient(TestServer(create_app(once))) as client:
        hub = hub_of(client)
        await hub.start_recording("cat")
        async with session(client, stream="cat") as viewer:
            await viewer.until(lambda: viewer.of_type("bye"))
            await viewer.until(lambda: not (hub.streams or hub.viewers))
        assert all(recording.complete for recording in hub.recordings.list())
        assert b"seekcam_decoded_sources 0.0" in hub.telemetry.exposition()


async def test_a_model_that_does_not_load_is_refused_once_and_the_stream_goes_on(
    client: TestClient[Any, Any], broken: Path
) -> None:
    hub = hub_of(client)
    hub.models.files["broken"] = broken
    async with session(client, stream="cat") as viewer:
        await viewer.until(lambda: viewer.results)
        viewer.send(type="set", settings={"model": "broken"}, id=5)
        await viewer.until(lambda: viewer.of_type("error"))
        assert viewer.of_type("error")[-1]["reply"] == 5
        seen = len(viewer.results)
        await viewer.until(lambda: len(viewer.results) > seen + 3)
        assert viewer.results[-1]["model"] == "efficientnet-lite0"
        assert len(viewer.of_type("error")) == 1
