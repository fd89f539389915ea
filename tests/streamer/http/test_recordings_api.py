"""Recordings over HTTP: made from a real file source, watched by ranges, downloaded, deleted."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
from skimage import data

from seekcam.localization.settings import AnalysisSettings
from seekcam.streamer.config import ServerConfig, SourceSpec
from seekcam.streamer.http.openapi_schemas import SCHEMAS
from seekcam.streamer.hub import HUB
from seekcam.streamer.server import create_app

Client = TestClient[Any, Any]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a cat at 10 frames a second."""
    path = tmp_path_factory.mktemp("clip") / "cat.mp4"
    picture = np.ascontiguousarray(data.chelsea()[:, :450])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 450, 300, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
async def client(default_model_path: Path, tmp_path: Path, clip: Path) -> AsyncIterator[Client]:
    config = ServerConfig(
        model=str(default_model_path),
        recordings=tmp_path / "recordings",
        min_free_space=0,
        source=(SourceSpec("cat", str(clip)),),
        ice_address=("127.0.0.1",),
    )
    async with TestClient(TestServer(create_app(config))) as opened:
        yield opened


async def answer(client: Client, method: str, path: str) -> tuple[int, Any]:
    response = await client.request(method, path)
    return response.status, await response.json() if response.content_type == "application/json" else None


async def recorded(client: Client, frames: int = 5) -> dict[str, Any]:
    """A finished recording of at least so many frames."""
    status, started = await answer(client, "POST", "/api/streams/cat/recordings")
    assert status == 201, started
    async with asyncio.timeout(30):
        while (await answer(client, "GET", "/api/recordings"))[1][0]["frames"] < frames:
            await asyncio.sleep(0.1)  # the progress is the server's, seen over HTTP only
    status, finished = await answer(client, "DELETE", "/api/streams/cat/recordings/current")
    assert (status, finished["id"]) == (200, started["id"])
    return dict(finished)


async def test_a_recording_from_start_to_deletion(client: Client) -> None:
    assert await answer(client, "GET", "/api/recordings") == (200, [])
    recording = await recorded(client)
    assert recording["complete"]
    assert recording["frames"] >= 5
    assert await answer(client, "GET", "/api/recordings") == (200, [recording])

    whole = await client.get(recording["video"])
    video = await whole.read()
    assert (whole.status, whole.content_type) == (200, "video/mp4")
    assert len(video) == recording["bytes"]
    with av.open(io.BytesIO(video), "r") as container:
        shapes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert shapes == [(450, 300)] * recording["frames"]

    sidecar = await client.get(recording["sidecar"])
    assert sidecar.content_type == "application/jsonl"
    lines = [json.loads(line) for line in (await sidecar.text()).splitlines()]
    assert len(lines) == recording["frames"]
    assert all("cat" in line["top"][0]["name"] or line["top"][0]["name"] == "tabby" for line in lines)

    middle = await client.get(recording["video"], headers={"Range": "bytes=100-199"})
    assert (middle.status, await middle.read()) == (206, video[100:200])
    assert middle.headers["Content-Range"] == f"bytes 100-199/{len(video)}"
    tail = await client.get(recording["video"], headers={"Range": "bytes=-50"})
    assert (tail.status, await tail.read()) == (206, video[-50:])
    beyond = await client.get(recording["video"], headers={"Range": f"bytes={len(video)}-"})
    assert beyond.status == 416

    assert (await client.delete(recording["video"])).status == 204
    status, gone = await answer(client, "GET", recording["video"])
    assert (status, gone["error"]) == (404, "unknown-recording")
    assert await answer(client, "GET", "/api/recordings") == (200, [])


async def test_a_recording_in_progress_is_listed_and_kept(client: Client) -> None:
    status, started = await answer(client, "POST", "/api/streams/cat/recordings?opacity=0.9&labels=false")
    assert (status, started["complete"]) == (201, False)
    _, listed = await answer(client, "GET", "/api/recordings")
    assert [entry["id"] for entry in listed] == [started["id"]]
    _, (stream,) = await answer(client, "GET", "/api/streams")
    assert stream["recording"] == started["id"]
    for method, path in (("DELETE", started["video"]), ("POST", "/api/streams/cat/recordings")):
        status, document = await answer(client, method, path)
        assert (status, document["error"]) == (409, "recording-state")
    assert (await answer(client, "DELETE", "/api/streams/cat/recordings/current"))[0] == 200
    status, document = await answer(client, "DELETE", "/api/streams/cat/recordings/current")
    assert (status, document["error"]) == (409, "recording-state")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/recordings/20260101-000000-abcd", 404, "unknown-recording"),
        ("DELETE", "/api/recordings/20260101-000000-abcd", 404, "unknown-recording"),
        ("GET", "/api/recordings/..%2F..%2Fetc%2Fpasswd", 404, "unknown-recording"),
        ("GET", "/api/recordings/20260101-000000-abcd?part=key", 400, "bad-setting"),
        ("POST", "/api/streams/nowhere/recordings", 404, "unknown-stream"),
        ("DELETE", "/api/streams/nowhere/recordings/current", 404, "unknown-stream"),
        ("POST", "/api/streams/cat/recordings?opacity=7", 400, "bad-setting"),
        ("POST", "/api/streams/cat/recordings?method=cam", 400, "bad-setting"),
    ],
)
async def test_what_cannot_be_is_said(client: Client, method: str, path: str, status: int, code: str) -> None:
    answered, document = await answer(client, method, path)
    assert (answered, document["error"]) == (status, code)
    assert document["detail"].endswith(".")


async def test_a_folder_that_cannot_be_made_is_said(client: Client, tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file in its place")
    status, document = await answer(client, "POST", "/api/streams/cat/recordings")
    assert 400 <= status < 600
    assert status != 500
    assert "recordings" in document["detail"]


def described(recording: dict[str, Any]) -> None:
    """Hold an answer to the OpenAPI document's schema."""
    Draft202012Validator(SCHEMAS["Recording"]).validate(recording)


async def test_a_recording_without_a_frame_is_answered_without_files(client: Client) -> None:
    assert client.server.app is not None  # type: ignore[attr-defined]
    hub = client.server.app[HUB]  # type: ignore[attr-defined]
    await hub.open_stream("camera", "silent", AnalysisSettings(), "silent")  # nothing feeds it
    status, started = await answer(client, "POST", "/api/streams/silent/recordings")
    assert status == 201
    described(started)
    status, stopped = await answer(client, "DELETE", "/api/streams/silent/recordings/current")
    assert (status, stopped["id"], stopped["frames"]) == (200, started["id"], 0)
    assert (stopped["video"], stopped["sidecar"], stopped["complete"]) == (None, None, False)
    assert "No frame" in stopped["ended"]
    described(stopped)
    assert await answer(client, "GET", "/api/recordings") == (200, [])


async def test_a_recording_that_ended_by_itself_says_why(client: Client) -> None:
    recording = await recorded(client)
    described(recording)
    assert recording["ended"] is None
    folder = client.server.app[HUB].config.recordings  # type: ignore[attr-defined]
    facts = folder / f"{recording['id']}.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "ended": "The disk is full."}))
    _, (listed,) = await answer(client, "GET", "/api/recordings")
    assert listed == {**recording, "ended": "The disk is full."}
    described(listed)
