"""`GET /api/models`: what can be chosen, and what each model file says of itself."""

import logging
from dataclasses import asdict
from typing import Any

from aiohttp import web

from localization.errors import ModelFileError
from streamer.hub import HUB, Hub

logger = logging.getLogger(__name__)
routes = web.RouteTableDef()


@routes.get("/api/models")
async def list_models(request: web.Request) -> web.Response:
    """The models, the default first; a file that cannot be used is left out, and the log says why."""
    hub = request.app[HUB]
    summaries = []
    for entry in hub.models():
        try:
            summaries.append(await _summary(hub, entry))
        except ModelFileError as error:
            logger.warning("%s is not offered: %s", entry["name"], error)
    return web.json_response(summaries)


@routes.get("/api/models/{name}")
async def show_model(request: web.Request) -> web.Response:
    """The whole card of one model; `provider` and its reason once the model is loaded."""
    hub = request.app[HUB]
    name = request.match_info["name"]
    card = await hub.card(name)
    loaded = hub.engine.loaded().get(name)
    return web.json_response(
        {
            **asdict(card),
            "provider": loaded.provider if loaded else None,
            "provider_reason": loaded.provider_reason if loaded else None,
        }
    )


async def _summary(hub: Hub, entry: dict[str, Any]) -> dict[str, Any]:
    card = await hub.card(entry["name"])
    return {
        **entry,
        "classes": len(card.classes),
        "input_size": card.input_size,
        "methods": list(card.methods),
        "default_method": card.default_method,
        "precision": card.precision,
        "dataset": card.dataset,
        "licence": card.licence,
        "min_score": card.min_score,
    }
