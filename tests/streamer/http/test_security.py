"""Token, Host, Origin, headers and log, on an application small enough to see through."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.config import ServerConfig
from seekcam.streamer.http.security import AccessLog, add_headers, check_site, check_token, is_open, same_origin
from seekcam.streamer.server import answer_errors

Client = TestClient[Any, Any]
TOKEN = "schlüssel-42"


async def answer(request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


def small_app(config: ServerConfig) -> web.Application:
    app = web.Application(middlewares=[answer_errors, check_site(config), check_token(config.secret)])
    app.on_response_prepare.append(add_headers)
    for path in ("/", "/static/x.js", "/healthz", "/api/thing", "/metrics"):
        app.router.add_route("*", path, answer)
    return app


@pytest.fixture
async def guarded() -> AsyncIterator[Client]:
    config = ServerConfig.model_validate({"token": TOKEN})
    server = TestServer(small_app(config))
    await server.start_server(access_log_class=AccessLog)
    async with TestClient(server) as client:
        yield client


@pytest.fixture
async def local() -> AsyncIterator[Client]:
    async with TestClient(TestServer(small_app(ServerConfig()))) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/static/x.js", "/healthz"])
async def test_the_page_and_the_probe_need_no_token(guarded: Client, path: str) -> None:
    assert (await guarded.get(path)).status == 200


@pytest.mark.parametrize("path", ["/api/thing", "/metrics", "/nowhere", "/static", "/healthz/"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
async def test_everything_else_does(guarded: Client, path: str, method: str) -> None:
    response = await guarded.request(method, path)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await response.json())["error"] == "unauthorized"


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, {}, 200),
        ({"Authorization": f"bearer  {TOKEN}"}, {}, 200),
        ({}, {"token": TOKEN}, 200),
        ({"Authorization": "Bearer wrong"}, {}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, {}, 401),
        ({"Authorization": "Bearer"}, {}, 401),
        ({}, {"token": TOKEN[:-1]}, 401),
        ({}, {"token": ""}, 401),
    ],
)
async def test_the_token_by_header_or_query(
    guarded: Client, headers: dict[str, str], query: dict[str, str], status: int
) -> None:
    assert (await guarded.get("/api/thing", headers=headers, params=query)).status == status


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000"])
async def test_this_machine_s_names_are_taken(local: Client, host: str) -> None:
    assert (await local.get("/api/thing", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8000", "192.168.1.2", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/api/thing"])
async def test_a_rebound_name_is_not(local: Client, host: str, path: str) -> None:
    response = await local.get(path, headers={"Host": host})
    assert response.status == 403
    assert (await response.json())["error"] == "forbidden"


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 403), ("localhost", 403), ("0.0.0.0", 200)])
async def test_insecure_opens_other_names_only_where_others_reach_it(host: str, status: int) -> None:
    config = ServerConfig(host=host, insecure=True)
    async with TestClient(TestServer(small_app(config))) as client:
        assert (await client.get("/api/thing", headers={"Host": "evil.example"})).status == status
        assert (await client.get("/api/thing", headers={"Host": "localhost:8000"})).status == 200


async def test_behind_a_token_any_name_is_taken(guarded: Client) -> None:
    headers = {"Host": "cam.example", "Authorization": f"Bearer {TOKEN}"}
    assert (await guarded.get("/api/thing", headers=headers)).status == 200


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost:9", 403),
        ("http://[", 403),
        ("http://[localhost]:8000", 403),
        (None, 200),
    ],
)
async def test_another_site_s_page_changes_nothing(local: Client, method: str, origin: str | None, status: int) -> None:
    headers = {"Host": "localhost:8000"} | ({"Origin": origin} if origin is not None else {})
    assert (await local.request(method, "/api/thing", headers=headers)).status == status


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("https://cam.example", "cam.example", True),
        ("https://cam.example", "cam.example:443", True),
        ("http://CAM.example:80", "cam.example", True),
        ("https://cam.example:8443", "cam.example", False),
        ("https://user@cam.example", "cam.example", False),
        ("file://", "", False),
        ("http://[", "[", False),
    ],
)
def test_same_origin(origin: str, host: str, *, expected: bool) -> None:
    assert same_origin(origin, host) is expected


@given(path=st.text(st.sampled_from("/.static%healthz"), max_size=20))
@settings(deadline=None, max_examples=200)
def test_only_the_named_paths_are_open(path: str) -> None:
    assert is_open(path) == (path in {"/", "/healthz"} or path.startswith("/static/"))


@pytest.mark.parametrize("path", ["/", "/api/thing", "/nowhere"])
async def test_every_answer_binds_the_browser(local: Client, path: str) -> None:
    headers = (await local.get(path)).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == ("no-cache" if path == "/" else "no-store")


async def test_the_log_holds_the_path_and_no_token(guarded: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await guarded.get("/api/thing", params={"token": TOKEN})
        await guarded.get("/api/thing", params={"token": "a-wrong-guess"})
    assert "/api/thing" in caplog.text
    for secret in (TOKEN, "schl%C3%BCssel-42", "a-wrong-guess"):
        assert secret not in caplog.text
