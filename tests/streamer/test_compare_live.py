"""Two models on the frames of one camera, over a real peer connection, and on uploaded pictures."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp.test_utils import TestClient
from PIL import Image
from skimage import data

from seekcam.localization.errors import UserError
from seekcam.localization.settings import Settings
from seekcam.streamer.engine import LocalEngine
from seekcam.streamer.http.openapi import document
from seekcam.streamer.hub import HUB, Hub
from tests.helpers.peers import Camera, Session, serving, session
from tests.streamer.http.test_openapi import check

Client = TestClient[Any, Any]
WIDE, NARROW = (900, 300), (450, 300)


@pytest.fixture
async def client(
    tmp_path: Path, default_model_path: Path, small_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    library = tmp_path / "models"
    library.mkdir()
    (library / "small.onnx").symlink_to(small_model_path)
    monkeypatch.setenv("SEEKCAM_MODELS", str(library))
    async with serving(default_model_path, tmp_path, provider="cpu") as opened:
        yield opened


def hub_of(client: Client) -> Hub:
    assert client.app is not None
    hub: Hub = client.app[HUB]
    return hub


def camera() -> Camera:
    return Camera(data.chelsea(), 10)


def size(of: Session) -> tuple[int, int]:
    return of.frames[-1].width, of.frames[-1].height


async def until_wide(watched: Session, wide: bool = True) -> None:
    seen = len(watched.results)
    await watched.until(
        lambda: (
            watched.frames
            and size(watched) == (WIDE if wide else NARROW)
            and len(watched.results) > seen
            and ("compare" in watched.results[-1]) == wide
        )
    )


async def test_both_sides_come_with_each_frame_from_the_first_on(client: Client) -> None:
    async with session(client, camera(), settings={"compare": "small:layercam"}) as owner:
        await until_wide(owner)
        await owner.until(lambda: len(owner.results) >= 5)
        assert all("compare" in result for result in owner.results)
        last = owner.results[-1]
        assert (last["model"], last["method"]) == ("efficientnet-lite0", "cam")
        second = last["compare"]
        assert (second["model"], second["method"]) == ("small", "layercam")
        assert (last["map"], second["map"]) == ("objectness", "spread")  # each model's own
        assert len(second["top"]) == 5
        assert second["shown"]
        assert {"queue", "prepare", "infer", "boxes"} <= set(second["ms"])
        numbers = [result["frame"] for result in owner.results]
        assert numbers == sorted(set(numbers))
        assert owner.of_type("state")[-1]["settings"]["compare"] == {
            "model": "small",
            "method": "layercam",
            "map": None,
        }
        # Each half has the whole frame: without any paint both are the same picture.
        owner.send(type="set", settings={"opacity": 0, "boxes": False, "labels": False}, id=1)
        await owner.until(lambda: owner.of_type("state")[-1]["reply"] == 1)
        bare = len(owner.frames)
        await owner.until(lambda: len(owner.frames) > bare + 10)
        picture = owner.frames[-1].to_ndarray(format="rgb24").astype(int)[:250]  # the names stand below
        assert np.abs(picture[:, 10:440] - picture[:, 460:890]).mean() < 6


async def test_switched_on_and_off_while_everybody_watches(client: Client) -> None:
    async with session(client, camera()) as owner, session(client, stream=owner.stream) as watcher:
        for each in (owner, watcher):
            await until_wide(each, wide=False)
        owner.send(type="set", settings={"compare": {"model": None, "method": "finercam"}}, id=1)
        for each in (owner, watcher):
            await until_wide(each)
            assert each.results[-1]["compare"]["method"] == "finercam"
            assert each.results[-1]["compare"]["model"] == "efficientnet-lite0"
        owner.send(type="set", settings={"compare": None}, id=2)
        for each in (owner, watcher):
            await until_wide(each, wide=False)
        assert not owner.of_type("error")


async def test_what_cannot_be_compared_is_said_and_the_stream_goes_on(client: Client) -> None:
    async with session(client, camera(), settings={"classes": ["lynx"]}) as owner:
        await owner.until(lambda: owner.results)
        wrong = {"small": "no class 'lynx'", "large": "no model 'large'", ":sam": "no map method 'sam'"}
        for number, (compare, words) in enumerate(wrong.items()):
            owner.send(type="set", settings={"compare": compare}, id=number)
            await owner.until(lambda: len(owner.of_type("error")) == number + 1)  # noqa: B023 - awaited here
            assert words in owner.of_type("error")[-1]["detail"]
        owner.send(type="set", settings={"compare": "small", "classes": ["tabby"]}, id=9)
        await until_wide(owner)
        assert owner.results[-1]["shown"] == [281]
        assert owner.results[-1]["compare"]["shown"] == [1]
        seen = len(owner.results)
        owner.send(type="set", settings={"classes": ["lynx"]}, id=10)
        await owner.until(lambda: len(owner.of_type("error")) == 4)
        await owner.until(lambda: len(owner.results) > seen + 2)
        assert owner.results[-1]["shown"] == [281]


async def test_a_recording_goes_on_while_a_comparison_comes_and_goes(client: Client) -> None:
    hub = hub_of(client)
    async with session(client, camera()) as owner:
        await until_wide(owner, wide=False)
        recording_id = await hub.start_recording(owner.stream)
        await until_wide(owner, wide=False)
        for compare in ("small", None):
            owner.send(type="set", settings={"compare": compare}, id=1)
            await until_wide(owner, wide=compare is not None)
            seen = len(owner.results)
            await owner.until(lambda: len(owner.results) > seen + 2)  # noqa: B023 - awaited here
        recording = await hub.stop_recording(owner.stream)
    assert recording.id == recording_id
    assert recording.complete
    assert recording.ended is None
    with av.open(str(recording.video)) as video:
        frames = list(video.decode(video=0))
    assert {(frame.width, frame.height) for frame in frames} == {NARROW}  # the pair in between has black bars
    lines = [json.loads(line) for line in recording.sidecar.read_text().splitlines()]
    assert len(lines) == len(frames)
    paired = ["compare" in line for line in lines]
    assert not paired[0]
    assert not paired[-1]
    number = paired.index(True)
    grey = [frame.to_ndarray(format="gray")[:40].mean() for frame in frames]
    assert grey[number] < 25 < grey[0], "what is recorded is what is shown"


async def test_a_second_model_that_fails_leaves_the_other_streams_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_of(client)
    async with session(client, camera(), settings={"compare": "small"}) as pair, session(client, camera()) as other:
        await until_wide(pair)
        assert isinstance(hub.models.engine, LocalEngine)
        small = hub.models.engine._models["small"]

        def fail(*_arguments: object) -> None:
            raise UserError("The second one is out of order.")

        monkeypatch.setattr(small, "run", fail)
        await pair.until(lambda: pair.of_type("error"))
        assert "out of order" in pair.of_type("error")[-1]["detail"]
        shown, seen = len(pair.results), len(other.results)
        await other.until(lambda: len(other.results) > seen + 5)
        assert len(pair.results) <= shown + 1, "a pair is whole or not shown"
        monkeypatch.undo()
        await until_wide(pair)


async def test_an_uploaded_picture_is_seen_by_both(client: Client) -> None:
    buffer = io.BytesIO()
    Image.fromarray(data.chelsea()).save(buffer, "PNG")
    query = "compare=small:recombined&classes=tabby&opacity=0&boxes=0"
    answer = await client.post(f"/api/localize?{query}", data=buffer.getvalue())
    seen = await answer.json()
    check(seen, document()["components"]["schemas"]["PicturePrediction"])
    assert (seen["model"], seen["shown"]) == ("efficientnet-lite0", [281])
    assert (seen["compare"]["model"], seen["compare"]["method"]) == ("small", "recombined")
    assert seen["compare"]["shown"] == [1]
    assert (seen["width"], seen["height"]) == (451, 300)

    answer = await client.post(f"/api/localize?{query}&format=png", data=buffer.getvalue())
    painted = np.asarray(Image.open(io.BytesIO(await answer.read())))
    assert painted.shape == (300, 902, 3)
    assert np.array_equal(painted[60:250, 4:440], data.chelsea()[60:250, 4:440])
    assert np.array_equal(painted[60:250, 455:890], data.chelsea()[60:250, 4:439])
    header = json.loads(answer.headers["X-Seekcam-Prediction"])
    assert header["compare"]["top"] == seen["compare"]["top"]

    for wrong, status, words in (
        ("small&classes=lynx", 400, "'lynx'"),
        ("large", 404, "'large'"),
        (":", 400, "compare"),
    ):
        refused = await client.post(f"/api/localize?compare={wrong}", data=buffer.getvalue())
        assert refused.status == status
        assert words in (await refused.json())["detail"]


def test_the_settings_of_a_pair_are_one_document() -> None:
    check(Settings().changed({"compare": "small:cam"}).to_json(), document()["components"]["schemas"]["Settings"])
