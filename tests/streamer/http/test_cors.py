"""Which requests a page of another site gets answered, through the middlewares in their order."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from seekcam.streamer.config import ServerConfig
from seekcam.streamer.http.cors import HEADERS, allow_pages, is_shared
from seekcam.streamer.http.security import check_site, check_token
from seekcam.streamer.server import answer_errors

Client = TestClient[Any, Any]
TOKEN = "open sesame"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FOREIGN = {"Origin": "https://dashboard.example"}
PREFLIGHT = {**FOREIGN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def app(config: ServerConfig) -> web.Application:
    made = web.Application(middlewares=[answer_errors, check_site(config), check_token(config.secret)])
    made.on_response_prepare.append(allow_pages(config))

    async def fine(request: web.Request) -> web.Response:
        return web.Response(text="fine")

    for path in ("/whip/cat", "/whep/cat", "/whip/cat/session", "/api/sessions"):
        made.router.add_route("*", path, fine)
    return made


@pytest.fixture
async def guarded() -> AsyncIterator[Client]:
    async with TestClient(TestServer(app(ServerConfig(token=SecretStr(TOKEN))))) as client:
        yield client


@pytest.fixture
async def open_one() -> AsyncIterator[Client]:
    async with TestClient(TestServer(app(ServerConfig()))) as client:
        yield client


async def answer(client: Client, method: str, path: str, headers: dict[str, str]) -> tuple[int, str | None]:
    async with client.request(method, path, headers=headers) as response:
        return response.status, response.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("path", ["/whip/cat", "/whep/cat", "/whip/cat/session"])
async def test_with_a_token_whip_and_whep_are_open_to_pages_that_know_it(guarded: Client, path: str) -> None:
    assert await answer(guarded, "OPTIONS", path, PREFLIGHT) == (200, "*")
    for method in ("POST", "PATCH", "DELETE"):
        assert await answer(guarded, method, path, FOREIGN | BEARER) == (200, "*")
        assert await answer(guarded, method, path, FOREIGN) == (401, "*")


async def test_everything_else_stays_closed(guarded: Client) -> None:
    assert await answer(guarded, "OPTIONS", "/api/sessions", PREFLIGHT) == (401, None)
    assert await answer(guarded, "POST", "/api/sessions", FOREIGN | BEARER) == (403, None)
    assert await answer(guarded, "OPTIONS", "/whip/cat", FOREIGN) == (401, "*")  # no preflight


async def test_without_a_token_no_page_of_another_site_gets_in(open_one: Client) -> None:
    assert await answer(open_one, "OPTIONS", "/whip/cat", PREFLIGHT) == (200, None)
    assert await answer(open_one, "POST", "/whip/cat", FOREIGN) == (403, None)
    assert await answer(open_one, "POST", "/whip/cat", {}) == (200, None)


def test_a_server_for_everyone_still_names_no_other_site() -> None:
    assert not is_shared(ServerConfig(insecure=True), "/whip/cat")


def test_what_clients_of_whip_send_and_read_is_named() -> None:
    assert {"Authorization", "Content-Type", "If-Match"} <= set(HEADERS["Access-Control-Allow-Headers"].split(", "))
    assert {"Location", "Link", "ETag"} <= set(HEADERS["Access-Control-Expose-Headers"].split(", "))
    assert {"POST", "PATCH", "DELETE"} <= set(HEADERS["Access-Control-Allow-Methods"].split(", "))
