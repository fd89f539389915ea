"""The application around the routes: errors as JSON, the page's files, no torch, and a start and stop that behave."""

import asyncio
import json
import logging
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from skimage import data

from seekcam.localization.errors import ModelFileError, UnknownModelError, UserError
from seekcam.streamer.config import ConfigError, ServerConfig
from seekcam.streamer.hub import HUB, SessionCapError
from seekcam.streamer.server import WEB, answer_errors, create_app, serve, tls_context
from tests.helpers.certificates import self_signed
from tests.streamer.pool_engine import ENGINES

Client = TestClient[Any, Any]


def config_for(model: Path, folder: Path, **more: object) -> ServerConfig:
    values = {
        "model": str(model),
        "recordings": folder / "recordings",
        "min_free_space": 0,
        "ice_address": ("127.0.0.1",),
    }
    return ServerConfig.model_validate({**values, **more})


@pytest.fixture(params=ENGINES)
async def client(default_model_path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    app = create_app(config_for(default_model_path, tmp_path), ENGINES[request.param])
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def raising(request: web.Request) -> web.Response:
    errors: dict[str, Exception] = {
        "user": ModelFileError("Bad file: export it again."),
        "cap": SessionCapError("Full: come back later."),
        "ours": ZeroDivisionError("the secret reason"),
        "gone": web.HTTPGone(text="It left."),
    }
    raise errors[request.match_info["kind"]]


@pytest.mark.parametrize(
    ("kind", "status", "code", "detail"),
    [
        ("user", 422, "bad-model", "Bad file: export it again."),
        ("cap", 503, "session-cap", "Full: come back later."),
        ("ours", 500, "internal", "The server failed at this request; its log says why."),
        ("gone", 410, "gone", "It left."),
    ],
)
async def test_errors_are_json(
    kind: str, status: int, code: str, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = web.Application(middlewares=[answer_errors])
    app.router.add_get("/{kind}", raising)
    async with TestClient(TestServer(app)) as opened:
        response = await opened.get(f"/{kind}")
        assert (response.status, await response.json()) == (status, {"error": code, "detail": detail})
        assert ("Retry-After" in response.headers) == (status == 503)
    # Our own defects keep their traceback, in the log only.
    assert ("the secret reason" in caplog.text) == (kind == "ours")


async def test_the_application_s_own_routes(client: Client) -> None:
    page = await client.get("/")
    assert await page.text() == (WEB / "index.html").read_text(encoding="utf-8")
    script = await client.get("/static/api.js")
    assert script.content_type in ("text/javascript", "application/javascript")
    assert script.headers["Cache-Control"] == "no-cache"
    again = await client.get("/static/api.js", headers={"If-None-Match": script.headers["ETag"]})
    assert again.status == 304

    missing = await client.get("/api/nowhere")
    assert (missing.status, (await missing.json())["error"]) == (404, "not-found")
    wrong = await client.put("/api/models")
    assert (wrong.status, (await wrong.json())["error"]) == (405, "method-not-allowed")
    assert "GET" in wrong.headers["Allow"]
    for path in ("/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml", "/static/nothing.js", "/static/"):
        assert (await client.get(path)).status in (403, 404), path

    assert await (await client.get("/healthz")).json() == {"status": "alive"}
    assert await (await client.get("/readyz")).json() == {"status": "ready"}
    assert "seekcam_sessions 0.0" in await (await client.get("/metrics")).text()


async def test_readiness_ends_with_the_hub(default_model_path: Path, tmp_path: Path) -> None:
    app = create_app(config_for(default_model_path, tmp_path))
    async with TestClient(TestServer(app)) as opened:
        app[HUB].ready = False
        response = await opened.get("/readyz")
        assert (response.status, await response.json()) == (503, {"status": "not ready"})
        assert (await opened.get("/healthz")).status == 200


async def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("not PEM")
    config = ServerConfig(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    with pytest.raises(ConfigError, match="do not work together"):
        tls_context(config)


async def test_a_port_in_use_is_one_sentence(default_model_path: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} is taken"):
            await serve(config_for(default_model_path, tmp_path, port=port), lambda hub, port: None)


async def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"nowhere\.onnx"):
        await serve(config_for(tmp_path / "nowhere.onnx", tmp_path, port=0), lambda hub, port: None)


async def test_a_file_without_a_card_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"other\.onnx"):
        await serve(config_for(tmp_path / "other.onnx", tmp_path, port=0), lambda hub, port: None)


async def test_it_serves_over_tls(default_model_path: Path, tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(cert))
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    config = config_for(default_model_path, tmp_path, port=0, tls_cert=cert, tls_key=key, token="open-sesame")
    running = asyncio.create_task(serve(config, lambda hub, port: seen.set_result(port)))
    port = await asyncio.wait_for(seen, 60)
    async with ClientSession() as session:
        address = f"https://127.0.0.1:{port}/api/models"
        async with session.get(address, ssl=trusting) as response:
            assert response.status == 401
        async with session.get(address, ssl=trusting, params={"token": "open-sesame"}) as response:
            assert response.status == 200
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


NO_TORCH = """
import asyncio, json, sys
from pathlib import Path
from aiohttp.test_utils import TestClient, TestServer
from seekcam.streamer.config import ServerConfig
from seekcam.streamer.server import create_app

async def main():
    config = ServerConfig(model=sys.argv[1], recordings=Path(sys.argv[2]), ice_address=("127.0.0.1",))
    async with TestClient(TestServer(create_app(config))) as client:
        answer = await client.post("/api/localize", data=Path(sys.argv[3]).read_bytes())
        rooms = {name.removeprefix("seekcam.").partition(".")[0] for name in sys.modules}
        floors = rooms & {"torch", "torchvision", "onnx", "training", "export", "studies"}
        print(json.dumps([answer.status, sorted(floors)]))

asyncio.run(main())
"""


def test_serving_imports_no_torch(default_model_path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    Image.fromarray(data.chelsea()).save(picture)
    command = [sys.executable, "-c", NO_TORCH, str(default_model_path), str(tmp_path / "recordings"), str(picture)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [200, []]


async def test_stopping_is_logged_and_leaves_no_task(
    default_model_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    with caplog.at_level(logging.WARNING):
        async with TestClient(TestServer(create_app(config_for(default_model_path, tmp_path)))) as opened:
            assert (await opened.get("/healthz")).status == 200
    assert asyncio.all_tasks() == before
    assert not caplog.records
