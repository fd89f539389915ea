"""The aiohttp application: routes, middlewares, the page's files; and running it from start to a timely stop."""

import asyncio
import errno
import logging
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from seekcam.localization.errors import UserError
from seekcam.streamer.config import ConfigError, ServerConfig
from seekcam.streamer.engine import MakeEngine
from seekcam.streamer.http import localize_api, models_api, openapi, recordings_api
from seekcam.streamer.http import status as health
from seekcam.streamer.http.cors import allow_pages
from seekcam.streamer.http.error_statuses import status_of
from seekcam.streamer.http.security import AccessLog, Handler, add_headers, check_site, check_token
from seekcam.streamer.hub import HUB, Hub
from seekcam.streamer.signaling import sessions as signaling
from seekcam.streamer.signaling import whip
from seekcam.streamer.telemetry import watch_loop

logger = logging.getLogger(__name__)

WEB = Path(__file__).resolve().parent.parent / "web"
STOP_LIMIT = 10.0  # seconds from Ctrl-C to the end, whatever peers and codecs do
REQUEST_GRACE = 2.0  # seconds of these for requests that are being answered
# Windows' event loop takes no handlers; there Ctrl-C cancels the main task, which ends in the same clean-up.
STOP_SIGNALS = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)
RETRY_AFTER = "10"  # seconds a client waits after a 503
# A body that was refused is read on (and thrown away) for so long, so that the client gets to see why.
LINGER = 2.0

routes = web.RouteTableDef()


@routes.get("/")
async def page(request: web.Request) -> web.FileResponse:
    """The page."""
    return web.FileResponse(WEB / "index.html")


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as JSON `{error, detail}`; a defect of ours is logged and the client learns no more than that."""
    try:
        return await handler(request)
    except UserError as error:
        return error_response(status_of(error), error.code, str(error))
    except web.HTTPException as error:
        if error.status < 400 or error.content_type != "text/plain":
            raise
        code = (error.reason or "error").lower().replace(" ", "-")
        detail = _detail(request, error)
        headers = {name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After", "Link")}
        return error_response(error.status, code, detail, headers)
    except (ConnectionError, asyncio.CancelledError):
        raise  # the client has gone; nobody is left to answer
    except Exception:
        logger.exception("%s %s failed.", request.method, request.path)
        return error_response(500, "internal", "The server failed at this request; its log says why.")


def error_response(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    """The one form of an error."""
    extra = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": RETRY_AFTER}}.get(status, {})
    return web.json_response({"error": code, "detail": detail}, status=status, headers={**extra, **(headers or {})})


def _detail(request: web.Request, error: web.HTTPException) -> str:
    """A sentence for an error of aiohttp's, or the text that a handler of ours gave it."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"{request.path} does not take {error.method}, but {allowed}."
    if error.text and error.text != f"{error.status}: {error.reason}":
        return error.text
    if error.status == 404:
        return f"There is nothing at {request.path}: /api/openapi.json lists what there is."
    return f"{error.reason}."


def create_app(config: ServerConfig, make_engine: MakeEngine | None = None) -> web.Application:
    """The application; starting it loads the model and opens the sources, cleaning it up closes everything.

    Args:
        make_engine: whoever runs the models, given their files by name; None takes this machine's.
    """
    app = web.Application(
        middlewares=[answer_errors, check_site(config), check_token(config.secret)],
        client_max_size=config.max_body,
    )
    app[HUB] = Hub(config, make_engine)
    app[whip.RESOURCES] = {}
    app.on_shutdown.append(whip.end_all)
    app.on_response_prepare.extend((add_headers, allow_pages(config)))
    app.cleanup_ctx.extend((_hub_runs, _loop_is_watched, localize_api.open_workshop, recordings_api.open_files))
    app.add_routes(routes)
    for room in (health, models_api, localize_api, recordings_api, signaling, whip, openapi):
        app.add_routes(room.routes)
    app.router.add_static("/static", WEB)
    return app


async def _hub_runs(app: web.Application) -> AsyncIterator[None]:
    try:
        await app[HUB].start()
        yield
    finally:
        await app[HUB].close()


async def _loop_is_watched(app: web.Application) -> AsyncIterator[None]:
    watch = asyncio.create_task(watch_loop(app[HUB].telemetry))
    yield
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch


async def serve(config: ServerConfig, announce: Callable[[Hub, int], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        config: what to serve, and where.
        announce: called once with the hub and the port, when the first request can be answered.

    Raises:
        ConfigError: the port is taken, the address is not this machine's, or the certificate does not load.
        UserError: the model or a source cannot be used.
    """
    tls = tls_context(config)
    app = create_app(config)
    runner = web.AppRunner(
        app,
        access_log_class=AccessLog,
        shutdown_timeout=REQUEST_GRACE,
        lingering_time=LINGER,
    )
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        await runner.setup()
        site = web.TCPSite(runner, config.host, config.port, ssl_context=tls)
        try:
            await site.start()
        except OSError as error:
            raise _cannot_listen(config, error) from error
        announce(app[HUB], runner.addresses[0][1])
        await stop.wait()
        logger.info("Stopping.")
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)  # a second Ctrl-C stops at once
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await runner.cleanup()
        except TimeoutError:
            logger.warning("Some connections did not close within %.0f s and were cut.", STOP_LIMIT)


def tls_context(config: ServerConfig) -> ssl.SSLContext | None:
    """The certificate to serve with, or None for plain HTTP.

    Raises:
        ConfigError: a file that is no certificate or key, or a key of another certificate.
    """
    if config.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise ConfigError(
            f"--tls-cert {config.tls_cert} and --tls-key {config.tls_key} do not work together ({reason}): "
            "give a PEM certificate and its own key, without a passphrase."
        ) from error
    return context


def _cannot_listen(config: ServerConfig, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(f"Port {config.port} is taken by another program: choose another with --port.")
    if error.errno == errno.EACCES:
        return ConfigError(f"Port {config.port} needs more rights than you have: choose one above 1023 with --port.")
    return ConfigError(
        f"This machine cannot listen on {config.host} ({error.strerror or error}): choose another --host."
    )
