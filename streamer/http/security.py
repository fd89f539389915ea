"""Who may ask: the token, the Host and Origin checks, the headers that bind the browser, and a log without secrets.

A page on another site can make a visitor's browser send requests to a server on the visitor's own machine, either
plainly (cross-site POST) or by pointing its own name at 127.0.0.1 (DNS rebinding). The first shows in `Origin`, the
second in `Host`. A token stops both, since the other page does not know it.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Middleware
from aiohttp.web_request import BaseRequest

from seekcam.localization.errors import UserError
from seekcam.streamer.config import ServerConfig, is_loopback
from seekcam.streamer.http.cors import PREFIXES, is_preflight, is_shared

OPEN_PATHS = ("/", "/healthz")  # the page itself holds no secret; probes carry none
OPEN_PREFIX = "/static/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "style-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class UnauthorizedError(UserError):
    """The token is missing or wrong."""

    code = "unauthorized"


class ForbiddenError(UserError):
    """The request comes by way of another site."""

    code = "forbidden"


def check_token(expected: str | None) -> Middleware:
    """A middleware that asks for `Authorization: Bearer TOKEN` or `?token=TOKEN`; None lets everyone pass."""
    secret = expected.encode() if expected is not None else None

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked_without = is_preflight(request) and request.path.startswith(PREFIXES)  # browsers add no token there
        if secret is not None and not (is_open(request.path) or asked_without or _holds(request, secret)):
            raise UnauthorizedError(
                "This server wants its token: open the page with ?token=TOKEN at the end of its address, "
                "or send the header `Authorization: Bearer TOKEN`."
            )
        return await handler(request)

    return middleware


def is_open(path: str) -> bool:
    """Whether a path is served without a token."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)


def _holds(request: web.Request, secret: bytes) -> bool:
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    candidates = [sent.strip()] if scheme.lower() == "bearer" else []
    candidates += request.query.getall("token", [])
    # Compared as bytes in constant time: `compare_digest` refuses text that is not ASCII.
    return any(hmac.compare_digest(c.encode("utf-8", "surrogateescape"), secret) for c in candidates)


def check_site(config: ServerConfig) -> Middleware:
    """A middleware that refuses what another site's page makes a browser send.

    Without a token a server on loopback takes only the machine's own names as `Host`, also with `--insecure`. One that
    others reach takes any name, and so does one behind a token: proxies and tunnels bring their own.
    """
    own_names_only = config.token is None and (not config.insecure or is_loopback(config.host))

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if own_names_only and not is_loopback(_host_name(request.host)):
            raise ForbiddenError(
                f"This server answers to localhost and 127.0.0.1 only, not to {_host_name(request.host)!r}: "
                "start it with --token to reach it by another name."
            )
        origin = request.headers.get("Origin")
        own = request.method in SAFE_METHODS or origin is None or same_origin(origin, request.host)
        if not own and not is_shared(config, request.path):
            raise ForbiddenError("This request was made by the page of another site, and those are not taken.")
        return await handler(request)

    return middleware


def same_origin(origin: str, host: str) -> bool:
    """Whether `Origin` names the host and port that the request was sent to.

    The scheme is left out: a proxy may have taken off the TLS. A default port counts as none.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:  # no address at all, so certainly not ours
        return False
    default = {"http": ":80", "https": ":443"}.get(parts.scheme)
    return default is not None and parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def _host_name(host: str) -> str:
    """The name in a `Host` header, without its port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler for `on_response_prepare`: every answer carries the headers, streamed ones too."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # The page's files are asked for anew each time (and answered 304 by their ETag), so that an update shows at once.
    page = request.path == "/" or request.path.startswith(OPEN_PREFIX)
    response.headers.setdefault("Cache-Control", "no-cache" if page else "no-store")


class AccessLog(AbstractAccessLogger):
    """One line a request, without the query: it may hold the token."""

    @property
    def enabled(self) -> bool:
        """Requests are worth a line only to somebody who looks for a fault."""
        return self.logger.isEnabledFor(logging.DEBUG)

    def log(self, request: BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line; `time` is in seconds."""
        self.logger.debug(
            "%s %s %s -> %d, %d bytes, %.0f ms",
            request.remote,
            request.method,
            request.rel_url.raw_path,
            response.status,
            response.body_length,
            time * 1000,
        )
