"""The OpenAPI document: valid, complete both ways, and true of real answers."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from PIL import Image
from skimage import data

from seekcam.localization.card import ModelCard
from seekcam.localization.settings import AnalysisSettings, PaintSettings, Settings
from seekcam.streamer.config import ServerConfig
from seekcam.streamer.http.openapi import document
from seekcam.streamer.http.openapi_schemas import ANALYSIS, PAINT, SCHEMAS, SETTINGS
from seekcam.streamer.server import create_app
from tests.helpers.peers import Camera, session

Client = TestClient[Any, Any]


@pytest.fixture
async def client(default_model_path: Path, tmp_path: Path) -> AsyncIterator[Client]:
    config = ServerConfig.model_validate(
        {
            "model": str(default_model_path),
            "recordings": tmp_path,
            "min_free_space": 0,
            "ice_address": ("127.0.0.1",),
            "ice_server": ("stun:127.0.0.1:9", "turn:127.0.0.1:9"),
            "ice_secret": "north",
        }
    )
    async with TestClient(TestServer(create_app(config))) as opened:
        yield opened


def routes_of(app: web.Application) -> set[tuple[str, str]]:
    """(path, method) of all that is routed; HEAD only where it is no GET's shadow."""
    routed: set[tuple[str, str]] = set()
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        routed.add(("/static/{filename}" if path == "/static" else path, route.method.lower()))
    return {(path, method) for path, method in routed if method != "head" or (path, "get") not in routed}


def check(answer: Any, schema: dict[str, Any]) -> None:
    """Hold an answer to a schema of the document, references included."""
    rooted = {**schema, "components": document()["components"]}
    Draft202012Validator(rooted, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer)


async def checked(client: Client, method: str, path: str, template: str, status: int, **options: Any) -> Any:
    """Make a request and hold its answer to what the document says of that status."""
    response = await client.request(method, path, **options)
    assert response.status == status, await response.text()
    described = document()["paths"][template][method.lower()]["responses"][str(status)]
    if "content" not in described:
        assert await response.read() == b""
        return None
    assert response.content_type in described["content"]
    if response.content_type != "application/json":
        return None
    answer = await response.json()
    check(answer, described["content"]["application/json"]["schema"])
    return answer


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_every_schema_is_valid_and_used() -> None:
    text = json.dumps(document())
    for name, schema in SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text, name


def test_every_route_is_described_and_the_reverse(tmp_path: Path) -> None:
    described = {(path, method) for path, operations in document()["paths"].items() for method in operations}
    assert routes_of(create_app(ServerConfig(recordings=tmp_path))) == described


def test_the_settings_are_those_of_the_library() -> None:
    assert set(SETTINGS) == set(Settings().to_json())
    assert set(ANALYSIS) == set(AnalysisSettings.__dataclass_fields__)
    assert set(PAINT) == set(PaintSettings.__dataclass_fields__)
    check(Settings().to_json(), SCHEMAS["Settings"])
    card = set(ModelCard.__dataclass_fields__) | {"maps", "cut", "provider", "provider_reason"}
    assert set(SCHEMAS["ModelCard"]["properties"]) == card


async def test_what_the_server_says_of_itself(client: Client) -> None:
    for path in ("/", "/healthz", "/readyz", "/metrics", "/api/openapi.json", "/api/config", "/api/streams"):
        await checked(client, "GET", path, path, 200)
    served = await (await client.get("/api/openapi.json")).json()
    assert served == json.loads(json.dumps(document()))
    config = await (await client.get("/api/config")).json()
    assert [server["urls"] for server in config["ice_servers"]] == [["stun:127.0.0.1:9"], ["turn:127.0.0.1:9"]]
    assert "north" not in json.dumps(config)


async def test_models_and_pictures(client: Client) -> None:
    models = await checked(client, "GET", "/api/models", "/api/models", 200)
    one = "/api/models/{name}"
    await checked(client, "GET", f"/api/models/{models[0]['name']}", one, 200)
    await checked(client, "GET", "/api/models/none", one, 404)
    buffer = io.BytesIO()
    Image.fromarray(data.chelsea()).save(buffer, "PNG")
    picture, path = buffer.getvalue(), "/api/localize"
    answer = await checked(client, "POST", path, path, 200, data=picture)
    assert answer["boxes"]
    await checked(client, "POST", f"{path}?format=png", path, 200, data=picture)
    await checked(client, "POST", f"{path}?classes=unicorn", path, 400, data=picture)
    await checked(client, "POST", f"{path}?model=none", path, 404, data=picture)
    await checked(client, "POST", path, path, 415, data=b"words")


async def test_sessions_streams_and_recordings(client: Client) -> None:
    for body, status in (({"sdp": "x"}, 400), ({"sdp": "v=0", "type": "offer", "stream": "none"}, 404)):
        await checked(client, "POST", "/api/sessions", "/api/sessions", status, json=body)
    async with session(client, Camera(data.chelsea())) as cat:
        await cat.until(lambda: cat.results)
        opened = {"id": cat.id, "stream": cat.stream, "sdp": "v=0", "type": "answer"}
        check(opened, SCHEMAS["SessionAnswer"])
        streams = await checked(client, "GET", "/api/streams", "/api/streams", 200)
        assert streams[0]["id"] == cat.stream
        template = "/api/streams/{id}/recordings"
        path = f"/api/streams/{cat.stream}/recordings"
        await checked(client, "POST", path, template, 201)
        await checked(client, "POST", path, template, 409)
        before = len(cat.results)
        await cat.until(lambda: len(cat.results) > before + 5)
        recording = await checked(client, "DELETE", f"{path}/current", f"{template}/current", 200)
        await checked(client, "DELETE", f"{path}/current", f"{template}/current", 409)
    await checked(client, "GET", "/api/recordings", "/api/recordings", 200)
    one = "/api/recordings/{id}"
    await checked(client, "GET", recording["video"], one, 200)
    await checked(client, "GET", recording["sidecar"], one, 200)
    await checked(client, "GET", recording["video"], one, 206, headers={"Range": "bytes=0-9"})
    await checked(client, "DELETE", recording["video"], one, 204)
    await checked(client, "DELETE", recording["video"], one, 404)
    await checked(client, "DELETE", "/api/sessions/none", "/api/sessions/{id}", 404)


async def test_whip_and_whep(client: Client) -> None:
    sdp = {"Content-Type": "application/sdp"}
    for kind in ("whip", "whep"):
        path, template = f"/{kind}/cat", f"/{kind}/{{stream}}"
        await checked(client, "OPTIONS", path, template, 200)
        await checked(client, "GET", path, template, 204 if kind == "whip" else 404)
        await checked(client, "OPTIONS", f"{path}/none", f"{template}/{{id}}", 200)
        await checked(client, "GET", f"{path}/none", f"{template}/{{id}}", 404)
        await checked(client, "POST", path, template, 415, data="x", headers={"Content-Type": "text/plain"})
        await checked(client, "POST", path, template, 413, data=b"x" * 200_000, headers=sdp)
        await checked(client, "POST", path, template, 400 if kind == "whip" else 404, data="x", headers=sdp)
        await checked(client, "DELETE", f"{path}/none", f"{template}/{{id}}", 404)
        trickle = {"Content-Type": "application/trickle-ice-sdpfrag"}
        await checked(client, "PATCH", f"{path}/none", f"{template}/{{id}}", 404, data="x", headers=trickle)
