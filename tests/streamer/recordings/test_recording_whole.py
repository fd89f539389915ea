"""A page shrinks what the server only looks at; a recording of it begins with the first whole picture."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp.test_utils import TestClient
from skimage import data

from seekcam.streamer.recordings import recording_tasks as recording
from tests.helpers.peers import Camera, Session, serving, session

WHOLE = data.chelsea()  # 451 x 300
SIZE = {"width": WHOLE.shape[1], "height": WHOLE.shape[0]}
SMALL = WHOLE[::2, ::2].copy()
Client = TestClient[Any, Any]


@pytest.fixture
async def client(tmp_path: Path, default_model_path: Path) -> AsyncIterator[Client]:
    async with serving(default_model_path, tmp_path) as opened:
        yield opened


async def three_more(opened: Session) -> None:
    """Wait for three results from now on, and for any that was on its way."""
    before = len(opened.overlays)
    await opened.until(lambda: len(opened.overlays) > before + 3)


@contextlib.asynccontextmanager
async def recording_small(client: Client, camera: Camera, **told: object) -> AsyncIterator[Session]:
    """A page in overlay mode that tells this size of its camera, and whose stream is being recorded."""
    async with session(client, camera, mode="overlay") as opened:
        await opened.until(lambda: opened.overlays)
        opened.send(type="camera", **told)
        await start_recording(client, opened)
        yield opened


async def recorded_shapes(client: Client, opened: Session, frames: int) -> set[tuple[int, int]]:
    """The sizes of the frames of a recording that is ended once it has so many."""

    async def enough() -> bool:
        async with client.get("/api/recordings") as answer:
            return bool((await answer.json())[0]["frames"] >= frames)

    async with asyncio.timeout(20):
        while not await enough():
            await asyncio.sleep(0.1)  # the progress is the server's, seen over HTTP only
    async with client.delete(f"/api/streams/{opened.stream}/recordings/current") as answer:
        assert answer.status == 200
        finished = await answer.json()
    async with client.get(finished["video"]) as answer:
        video = await answer.read()
    with av.open(io.BytesIO(video), "r") as container:
        return {(frame.width, frame.height) for frame in container.decode(video=0)}


async def start_recording(client: Client, opened: Session) -> None:
    async with client.post(f"/api/streams/{opened.stream}/recordings") as answer:
        assert answer.status == 201
    await opened.until(lambda: opened.of_type("state")[-1]["recording"])


async def test_a_recording_begins_with_the_first_whole_picture(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WHOLE_WITHIN_S", 60.0)
    camera = Camera(SMALL, fps=10)
    async with recording_small(client, camera, **SIZE) as opened:
        await three_more(opened)
        async with client.get("/api/recordings") as answer:
            assert [each["frames"] for each in await answer.json()] == [0], "small pictures are waited out"
        camera._picture = WHOLE  # what the page does when it hears of the recording
        assert await recorded_shapes(client, opened, frames=3) == {(450, 300)}


async def test_a_page_that_sends_nothing_larger_is_recorded_as_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "WHOLE_WITHIN_S", 0.2)
    async with recording_small(client, Camera(SMALL, fps=10), **SIZE) as opened:
        assert await recorded_shapes(client, opened, frames=3) == {(226, 150)}


@pytest.mark.parametrize("told", [{}, {"width": "large", "height": None}, {"width": -9, "height": 1e9}])
async def test_where_no_size_is_told_the_recording_begins_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch, told: dict[str, object]
) -> None:
    monkeypatch.setattr(recording, "WHOLE_WITHIN_S", 60.0)
    async with recording_small(client, Camera(SMALL, fps=10), **told) as opened:
        assert await recorded_shapes(client, opened, frames=3) == {(226, 150)}


async def test_who_stops_before_a_whole_picture_came_keeps_the_last_small_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "WHOLE_WITHIN_S", 60.0)
    async with recording_small(client, Camera(SMALL, fps=10), **SIZE) as opened:
        await three_more(opened)
        async with client.delete(f"/api/streams/{opened.stream}/recordings/current") as answer:
            finished = await answer.json()
        assert (finished["frames"], finished["ended"]) == (1, None)


async def test_who_only_watches_cannot_say_how_large_the_camera_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "WHOLE_WITHIN_S", 60.0)
    async with (
        session(client, Camera(SMALL, fps=5)) as owner,
        session(client, stream=owner.stream) as watcher,
    ):
        await watcher.until(lambda: watcher.of_type("state"))
        watcher.send(type="camera", width=9000, height=9000)
        watcher.send(type="ping", t=1)
        await watcher.until(lambda: watcher.of_type("pong"))
        await start_recording(client, owner)
        before = len(owner.results)
        await owner.until(lambda: len(owner.results) > before + 3)
        async with client.delete(f"/api/streams/{owner.stream}/recordings/current") as answer:
            assert (await answer.json())["frames"] > 0
