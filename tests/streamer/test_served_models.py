"""The list of models of a running server, while files come, go and are replaced."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from aiohttp.test_utils import TestClient
from skimage import data

from seekcam.localization.card import METADATA_KEY
from seekcam.localization.errors import UnknownModelError
from seekcam.localization.settings import Settings
from seekcam.streamer.hub import HUB, Hub
from tests.helpers.peers import Camera, serving, session

Client = TestClient[Any, Any]
DEFAULT = "efficientnet-lite0"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("SEEKCAM_MODELS", str(folder))
    return folder


@pytest.fixture
async def client(library: Path, tmp_path: Path, default_model_path: Path) -> AsyncIterator[Client]:
    async with serving(default_model_path, tmp_path, provider="cpu") as opened:
        yield opened


def hub_of(client: Client) -> Hub:
    assert client.app is not None
    hub: Hub = client.app[HUB]
    return hub


async def names(client: Client) -> list[str]:
    return [model["name"] for model in await (await client.get("/api/models")).json()]


def put(model: Path, file: Path) -> None:
    """As an export does it: whole or not at all."""
    shutil.copyfile(model, partial := file.with_suffix(".part"))
    partial.replace(file)


def with_classes(model: Path, *classes: str) -> bytes:
    """The model's file with other class names in its card."""
    loaded = onnx.load(model)
    for entry in loaded.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = entry.value.replace('"albatross"', f'"{classes[0]}"')
    return bytes(loaded.SerializeToString())


def with_odd_card(model: Path) -> bytes:
    """The model's file with a text in its card where a number belongs."""
    return model.read_bytes().replace(b'"input_size": 64', b'"input_size": ""')


async def test_what_is_exported_while_the_server_runs_can_be_chosen(
    client: Client, library: Path, small_model_path: Path
) -> None:
    assert await names(client) == [DEFAULT]
    put(small_model_path, library / "fresh.onnx")
    assert await names(client) == [DEFAULT, "fresh"]
    (library / "fresh.onnx").unlink()
    assert await names(client) == [DEFAULT]
    with pytest.raises(UnknownModelError):
        await hub_of(client).models.card("fresh")


async def test_the_default_model_may_go_and_come_back(
    library: Path, tmp_path: Path, default_model_path: Path, small_model_path: Path
) -> None:
    file = tmp_path / "elsewhere" / "default.onnx"
    file.parent.mkdir()
    put(default_model_path, file)
    put(small_model_path, library / "small.onnx")
    async with serving(file, tmp_path, provider="cpu") as client:
        assert await names(client) == [DEFAULT, "small"]
        file.unlink()
        for _ in range(2):
            assert await names(client) == ["small"]
        with pytest.raises(UnknownModelError):
            await hub_of(client).localize(np.asarray(data.chelsea()), Settings().analysis)
        put(default_model_path, file)
        assert await names(client) == [DEFAULT, "small"]


async def test_a_model_need_not_be_listed_before_it_is_used(
    client: Client, library: Path, small_model_path: Path
) -> None:
    put(small_model_path, library / "fresh.onnx")
    settings = Settings().changed({"model": "fresh", "compare": DEFAULT}).analysis
    prediction = await hub_of(client).localize(np.asarray(data.chelsea()), settings)
    assert prediction.model == "fresh"  # though its card says "small"
    assert prediction.compare is not None
    assert prediction.compare.model == DEFAULT


async def test_a_card_says_what_it_was_trained_on(client: Client, library: Path, small_model_path: Path) -> None:
    put(small_model_path, library / "small.onnx")
    card = await (await client.get("/api/models/small")).json()
    assert (card["dataset"], card["network"], card["recipe"]["name"]) == ("five things", "tiny", "has-32")
    assert card["metrics"] == {"top1_clas": 73.25}


async def test_broken_files_hide_nothing_and_are_told_once(
    client: Client, library: Path, small_model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(small_model_path, library / "small.onnx")
    (library / "broken.onnx").write_bytes(b"no graph")
    (library / "empty.onnx").write_bytes(b"")
    (library / "folder.onnx").mkdir()
    (library / "no-card.onnx").write_bytes(
        onnx.helper.make_model(onnx.helper.make_graph([], "nothing", [], [])).SerializeToString()
    )
    (library / "odd.onnx").write_bytes(with_odd_card(small_model_path))
    (library / "gone.onnx").symlink_to(library / "nowhere.onnx")
    for _ in range(2):
        assert await names(client) == [DEFAULT, "small"]
    assert caplog.text.count("broken is not offered") == 1
    assert {line.split()[0] for line in caplog.messages if "not offered" in line} == {
        "broken", "empty", "no-card", "odd"
    }  # fmt: skip
    put(small_model_path, library / "broken.onnx")  # and what was mended is offered
    assert "broken" in await names(client)


async def test_a_replaced_file_is_read_anew_unless_a_stream_uses_it(
    client: Client, library: Path, small_model_path: Path
) -> None:
    models = hub_of(client).models
    put(small_model_path, library / "small.onnx")
    async with session(client, Camera(data.chelsea(), 5), settings={"compare": "small"}) as owner:
        await owner.until(lambda: owner.results)
        (library / "small.onnx").write_bytes(with_classes(small_model_path, "penguin"))
        os.utime(library / "small.onnx", (0, 0))
        assert "small" in await names(client)
        assert (await models.card("small")).classes[0] == "albatross"
        seen = len(owner.results)
        await owner.until(lambda: len(owner.results) > seen + 1)
        owner.send(type="set", settings={"compare": None}, id=1)
        await owner.until(lambda: owner.of_type("state")[-1]["reply"] == 1)
        assert "small" in models.engine.loaded()
        assert "small" in await names(client)
        assert "small" not in models.engine.loaded()
        assert (await models.card("small")).classes[0] == "penguin"
