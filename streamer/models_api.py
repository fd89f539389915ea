"""`GET /api/models`: what can be chosen, and what each model file says of itself."""

from dataclasses import asdict
from typing import Any

from aiohttp import web

from streamer.hub import HUB, Hub

routes = web.RouteTableDef()


@routes.get("/api/models")
async def list_models(request: web.Request) -> web.Response:
    """One line a model, the default first."""
    hub = request.app[HUB]
    return web.json_response([await _summary(hub, entry) for entry in hub.models()])


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
