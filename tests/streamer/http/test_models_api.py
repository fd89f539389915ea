"""What `/api/models` says against the cards in the files themselves."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import pytest
from aiohttp.test_utils import TestClient, TestServer

from seekcam.localization.card import METADATA_KEY, ModelCard
from seekcam.streamer.config import ServerConfig
from seekcam.streamer.server import create_app
from tests.streamer.pool_engine import ENGINES

Client = TestClient[Any, Any]


@pytest.fixture(params=ENGINES)
async def client(default_model_path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    config = ServerConfig(model=str(default_model_path), recordings=tmp_path, provider="cpu")
    async with TestClient(TestServer(create_app(config, ENGINES[request.param]))) as opened:
        yield opened


@pytest.fixture(scope="module")
def card(default_model_path: Path) -> ModelCard:
    """Read by way of `onnx`, not of our own reader."""
    properties = onnx.load(default_model_path).metadata_props
    return ModelCard.from_metadata({entry.key: entry.value for entry in properties}, "the model")


async def test_the_default_comes_first_and_is_loaded(client: Client, card: ModelCard) -> None:
    listed = await (await client.get("/api/models")).json()
    first = listed[0]
    assert first == {
        "name": card.name,
        "default": True,
        "loaded": True,
        "provider": "cpu",
        "classes": len(card.classes),
        "input_size": card.input_size,
        "methods": list(card.methods),
        "default_method": card.default_method,
        "maps": ["objectness", "spread", "plain", "foreground"],
        "precision": card.precision,
        "dataset": card.dataset,
        "licence": card.licence,
        "min_score": card.min_score,
    }
    assert not any(model["default"] for model in listed[1:])


async def test_a_card_comes_whole_with_what_runs_it(client: Client, card: ModelCard) -> None:
    document = await (await client.get(f"/api/models/{card.name}")).json()
    assert document.pop("provider") == "cpu"
    assert document.pop("provider_reason") == "asked for"
    assert document.pop("maps") == ["objectness", "spread", "plain", "foreground"]
    assert document.pop("cut") == card.objectness["cut"]
    document = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
    assert {**document, "metrics": None, "recipe": None} == {**asdict(card), "metrics": None, "recipe": None}
    assert METADATA_KEY not in document


@pytest.mark.parametrize("name", ["resnet-9000", "..%2Fsecret.onnx", "%2Fetc%2Fpasswd"])
async def test_an_unknown_model_is_404_and_no_file_is_taken_from_the_network(client: Client, name: str) -> None:
    response = await client.get(f"/api/models/{name}")
    assert response.status == 404
    assert (await response.json())["error"] in ("unknown-model", "not-found")


async def test_a_broken_file_does_not_hide_the_others(
    default_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SEEKCAM_MODELS", str(tmp_path))
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    config = ServerConfig(model=str(default_model_path), recordings=tmp_path)
    async with TestClient(TestServer(create_app(config))) as client:
        listed = await (await client.get("/api/models")).json()
        assert [model["name"] for model in listed] == ["efficientnet-lite0"]
        assert (await client.get("/api/models/broken")).status == 422
    assert "broken is not offered" in caplog.text
