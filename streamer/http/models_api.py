"""`GET /api/models`: what can be chosen, and what each model file says of itself."""

from dataclasses import asdict
from typing import Any

from aiohttp import web

from seekcam.localization.card import ModelCard
from seekcam.streamer.hub import HUB, Hub

routes = web.RouteTableDef()


@routes.get("/api/models")
async def list_models(request: web.Request) -> web.Response:
    """The models that are there now, the default first; a file that cannot be used is left out, the log says why."""
    hub = request.app[HUB]
    await hub.refresh_models()
    return web.json_response([_summary(hub, name, card) for name, card in await hub.models.offered()])


@routes.get("/api/models/{name}")
async def show_model(request: web.Request) -> web.Response:
    """The whole card of one model; `provider` and its reason once the model is loaded."""
    hub = request.app[HUB]
    name = request.match_info["name"]
    card = await hub.models.card(name)
    loaded = hub.models.engine.loaded().get(name)
    return web.json_response(
        {
            **asdict(card),
            "maps": card.maps,
            "cut": card.cut,
            "provider": loaded.provider if loaded else None,
            "provider_reason": loaded.provider_reason if loaded else None,
        }
    )


def _summary(hub: Hub, name: str, card: ModelCard) -> dict[str, Any]:
    loaded = hub.models.engine.loaded().get(name)
    return {
        "name": name,
        "default": name == hub.models.default,
        "loaded": loaded is not None,
        "provider": loaded.provider if loaded else None,
        "classes": len(card.classes),
        "input_size": card.input_size,
        "methods": list(card.methods),
        "default_method": card.default_method,
        "maps": card.maps,
        "precision": card.precision,
        "dataset": card.dataset,
        "licence": card.licence,
        "min_score": card.min_score,
    }
