"""Which requests the pages of other sites may make (CORS): WHIP and WHEP on a server with a token, and nothing else.

RFC 9725 wants browser publishers on other origins served. Behind a token that is safe: the foreign page has to know
it, and no cookie speaks for the visitor. Without one, any page that a visitor opens could watch the camera.
Source: WHATWG, "Fetch", section "CORS protocol".
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_request import BaseRequest

from seekcam.streamer.config import ServerConfig

PREFIXES = ("/whip/", "/whep/")
MAX_AGE_S = 7200  # how long a browser may remember the answer to a preflight; Chromium's own limit

HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "OPTIONS, GET, HEAD, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Expose-Headers": "Location, Link, ETag, Accept-Post, Accept-Patch, Retry-After",
    "Access-Control-Max-Age": str(MAX_AGE_S),
}


def is_shared(config: ServerConfig, path: str) -> bool:
    """Whether pages of other sites may call a path."""
    return config.token is not None and path.startswith(PREFIXES)


def is_preflight(request: BaseRequest) -> bool:
    """Whether a browser asks, without any credential, what another site's page may send."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def allow_pages(config: ServerConfig) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal handler for `on_response_prepare`: errors carry the headers too, or the page could not read them."""

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        if is_shared(config, request.path):
            response.headers.update(HEADERS)

    return add
