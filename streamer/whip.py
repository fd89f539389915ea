"""WHIP ingest (RFC 9725) and WHEP playback (draft-ietf-wish-whep): plain SDP over HTTP, for tools that are no page.

`POST /whip/NAME` sends video in as the stream NAME; `POST /whep/NAME` watches a stream. Both answer 201 with a
`Location`, which is the session's key: `DELETE` it to end, `PATCH` trickled candidates to it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from secrets import token_urlsafe
from time import time

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

from localization.errors import UserError
from localization.settings import AnalysisSettings, PaintSettings
from streamer import rtc
from streamer.hub import HUB
from streamer.ice import ice_servers
from streamer.signaling import MAX_OFFER, OfferError, feed, negotiate, new_peer, read_limited

SDP = "application/sdp"
TRICKLE = "application/trickle-ice-sdpfrag"
STREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

routes = web.RouteTableDef()


class MediaTypeError(UserError):
    """A body of another type than the protocol's."""

    code = "wrong-content-type"
    status = 415


class NameTakenError(UserError):
    """A stream of that name is running."""

    code = "stream-taken"
    status = 409


class IceRestartError(UserError):
    """Candidates for another ICE session than the one that was answered."""

    code = "no-ice-restart"
    status = 422


class Resource:
    """A WHIP or WHEP session: its peer connection and how it ends."""

    def __init__(self, peer: RTCPeerConnection, end: Callable[[], Awaitable[None]]) -> None:
        self.peer = peer
        self.end = end


Resources = dict[str, Resource]
RESOURCES = web.AppKey("whip_resources", Resources)


@routes.post("/whip/{stream}")
async def ingest(request: web.Request) -> web.Response:
    """Take a publisher's video in as a new stream."""
    hub = request.app[HUB]
    offer = await _read_offer(request)
    hub.check_room()
    name = request.match_info["stream"]
    if not STREAM_NAME.fullmatch(name):
        raise OfferError("A stream's name is made of letters, digits, '-' and '_', 64 at most.")
    if name in hub.streams:
        raise NameTakenError(f"A stream called {name!r} is running: publish under another name.")
    stream = await hub.open_stream("whip", name, AnalysisSettings(), name)
    peer = new_peer(hub)
    feed(hub, peer, stream)

    async def end() -> None:
        await rtc.close_within(peer)
        await hub.close_stream(stream, "The publisher of this stream has left.")

    return await _answer(request, peer, end, lambda: negotiate(hub, peer, offer, None))


@routes.post("/whep/{stream}")
async def play(request: web.Request) -> web.Response:
    """Send a stream's annotated video to a player."""
    hub = request.app[HUB]
    offer = await _read_offer(request)
    hub.check_room()
    stream = hub.stream(request.match_info["stream"])
    peer = new_peer(hub)
    viewer = hub.add_viewer(stream, peer, PaintSettings())
    return await _answer(request, peer, viewer.close, lambda: negotiate(hub, peer, offer, viewer))


@routes.head("/whep/{stream}")
async def probe(request: web.Request) -> web.Response:
    """Whether a stream can be watched."""
    request.app[HUB].stream(request.match_info["stream"])
    return web.Response(status=200)


@routes.options("/whip/{stream}")
@routes.options("/whep/{stream}")
async def describe(request: web.Request) -> web.Response:
    """What may be posted, and the ICE servers to use."""
    headers = [("Accept-Post", SDP), ("Access-Control-Allow-Methods", "OPTIONS, POST, PATCH, DELETE"), *_links(request)]
    return web.Response(status=204, headers=headers)


@routes.delete("/whip/{stream}/{id}")
@routes.delete("/whep/{stream}/{id}")
async def finish(request: web.Request) -> web.Response:
    """End the session."""
    resource = _resource(request)
    await resource.end()
    return web.Response(status=200)


@routes.patch("/whip/{stream}/{id}")
@routes.patch("/whep/{stream}/{id}")
async def trickle(request: web.Request) -> web.Response:
    """Add candidates that the other side found after its offer."""
    if request.content_type != TRICKLE:
        raise MediaTypeError(f"Send candidates as {TRICKLE}.")
    peer = _resource(request).peer
    fragment = (await read_limited(request, MAX_OFFER)).decode("utf-8", "replace").splitlines()
    mid = next((line[6:] for line in fragment if line.startswith("a=mid:")), "0")
    ufrag = next((line[12:] for line in fragment if line.startswith("a=ice-ufrag:")), None)
    if ufrag is not None and f"a=ice-ufrag:{ufrag}\r\n" not in peer.remoteDescription.sdp:
        raise IceRestartError("ICE restarts are not supported: end this session and post a new offer.")
    for line in fragment:
        if not line.startswith("a=candidate:"):
            continue
        try:
            candidate = candidate_from_sdp(line[len("a=candidate:") :])
        except (ValueError, IndexError, AssertionError) as error:
            raise OfferError(f"This is no ICE candidate: {line[:120]!r}.") from error
        candidate.sdpMid = mid
        await peer.addIceCandidate(candidate)
    return web.Response(status=204)


async def _read_offer(request: web.Request) -> RTCSessionDescription:
    if request.content_type != SDP:
        raise MediaTypeError(f"Post the offer as {SDP}, not {request.content_type}.")
    text = (await read_limited(request, MAX_OFFER)).decode("utf-8", "replace")
    return RTCSessionDescription(sdp=text, type="offer")


async def _answer(
    request: web.Request,
    peer: RTCPeerConnection,
    end: Callable[[], Awaitable[None]],
    negotiated: Callable[[], Awaitable[str]],
) -> web.Response:
    """Negotiate and keep the session under a secret URL until its peer connection closes."""
    try:
        answer = await negotiated()
    except UserError:
        await end()
        raise
    resources = request.app[RESOURCES]
    key = token_urlsafe(18)
    resources[key] = Resource(peer, end)

    @peer.on("connectionstatechange")
    async def on_state() -> None:
        if peer.connectionState in ("failed", "closed"):
            resources.pop(key, None)
            await end()

    location = f"{request.path}/{key}"
    return web.Response(status=201, text=answer, content_type=SDP, headers=[("Location", location), *_links(request)])


def _links(request: web.Request) -> list[tuple[str, str]]:
    """The ICE servers as `Link` headers (RFC 9725, 4.6)."""
    links = []
    for server in ice_servers(request.app[HUB].config, time()):
        for url in server["urls"]:
            value = f'<{url}>; rel="ice-server"'
            if "credential" in server:
                value += f'; username="{server["username"]}"; credential="{server["credential"]}"'
                value += '; credential-type="password"'
            links.append(("Link", value))
    return links


def _resource(request: web.Request) -> Resource:
    resource = request.app[RESOURCES].get(request.match_info["id"])
    if resource is None:
        raise web.HTTPNotFound(text="There is no such session: it may have ended already.")
    return resource


async def end_all(app: web.Application) -> None:
    """End every WHIP and WHEP session; for the application's shutdown."""
    await asyncio.gather(*(resource.end() for resource in list(app[RESOURCES].values())))
