"""What the server says of itself: alive, ready, how busy, how configured, and which streams run."""

import time
from base64 import b64encode
from importlib.metadata import version

from aiohttp import web

from seekcam.localization.card import MAP_KINDS
from seekcam.localization.painting.colormaps import rgb_table
from seekcam.localization.settings import BOX_MAKERS, COLORMAPS
from seekcam.streamer.hub import HUB
from seekcam.streamer.telemetry import CONTENT_TYPE
from seekcam.streamer.viewers.outputs import MODES
from seekcam.streamer.webrtc.ice import ice_servers

routes = web.RouteTableDef()


@routes.get("/healthz")
async def alive(request: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "alive"})


@routes.get("/readyz")
async def ready(request: web.Request) -> web.Response:
    """The default model is loaded and warm; 503 until then and while stopping."""
    if request.app[HUB].ready:
        return web.json_response({"status": "ready"})
    return web.json_response({"status": "not ready"}, status=503, headers={"Retry-After": "5"})


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Prometheus' text format."""
    return web.Response(body=request.app[HUB].telemetry.exposition(), headers={"Content-Type": CONTENT_TYPE})


@routes.get("/api/config")
async def show_config(request: web.Request) -> web.Response:
    """What a client needs to know before it opens a session; TURN credentials are made anew for each request."""
    hub = request.app[HUB]
    return web.json_response(
        {
            "version": version("seekcam"),
            "default_model": hub.models.default,
            "ice_servers": ice_servers(hub.config, time.time()),
            "max_sessions": hub.config.max_sessions,
            "recordings": True,
            "modes": MODES,
            "box_makers": BOX_MAKERS,
            "colormaps": {name: b64encode(rgb_table(name).tobytes()).decode() for name in COLORMAPS},
            "map_kinds": MAP_KINDS,
            "limits": {"body_bytes": hub.config.max_body, "picture_pixels": hub.config.max_pixels},
        }
    )


@routes.get("/api/streams")
async def list_streams(request: web.Request) -> web.Response:
    """The streams that run, those of cameras and those of server-side sources."""
    return web.json_response(request.app[HUB].stream_summaries())
