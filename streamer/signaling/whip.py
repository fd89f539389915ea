"""WHIP ingest (RFC 9725) and WHEP playback (draft-ietf-wish-whep-03): SDP over HTTP, for tools that are no page.

`POST /whip/NAME` sends video in as the stream NAME; `POST /whep/NAME` watches a stream. Both answer 201 with a
`Location`, which is the session's secret: `DELETE` it to end, `PATCH` trickled candidates to it. An audio track is
accepted and thrown away. ICE restarts are not supported (422): post a new offer.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from secrets import token_urlsafe
from time import time

from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from seekcam.localization.errors import UserError
from seekcam.localization.settings import AnalysisSettings, PaintSettings
from seekcam.streamer.http.cors import is_preflight
from seekcam.streamer.hub import HUB, Hub
from seekcam.streamer.signaling.peer_camera import feed
from seekcam.streamer.signaling.sessions import MAX_OFFER, OfferError, negotiate, new_peer, read_limited
from seekcam.streamer.signaling.trickle import add_candidates
from seekcam.streamer.stream import Stream
from seekcam.streamer.webrtc.closing import close_within
from seekcam.streamer.webrtc.ice import ice_servers

logger = logging.getLogger(__name__)

SDP = "application/sdp"
TRICKLE = "application/trickle-ice-sdpfrag"
STREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SILENCE_S = 10.0  # a publisher whose video stops for this long has gone: its name is free for the next

routes = web.RouteTableDef()


class MediaTypeError(UserError):
    """A body of another type than the protocol's."""

    code = "wrong-content-type"


class TooManyTracksError(UserError):
    """More video than one stream holds."""

    code = "too-many-tracks"


class NoEntityTagError(UserError):
    """A PATCH that does not say which ICE session it belongs to."""

    code = "no-entity-tag"


class EntityTagError(UserError):
    """A PATCH for an ICE session that is not this one's."""

    code = "stale-entity-tag"


@dataclass(frozen=True, eq=False)
class Resource:
    """A WHIP or WHEP session: its peer connection, the entity tag of its ICE session, and how it ends."""

    peer: RTCPeerConnection
    tag: str
    end: Callable[[], Awaitable[None]]


Resources = dict[str, Resource]  # by path
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
    peer = new_peer(hub)  # before anything is waited for, so that nobody else takes the place
    try:
        stream = await hub.open_stream("whip", name, AnalysisSettings(), name)
    except UserError:
        await close_within(peer)
        raise
    feed(hub, peer, stream)

    ended = False

    async def end() -> None:
        nonlocal ended
        if ended:
            return  # closing the peer asks for the end again
        ended = True
        if silence is not asyncio.current_task():
            silence.cancel()
        await close_within(peer)
        await hub.close_stream(stream, "The publisher of this stream has left.")

    silence = asyncio.create_task(_end_when_silent(peer, stream, end))
    return await _answer(request, peer, end, _publish(hub, peer, offer))


@routes.post("/whep/{stream}")
async def play(request: web.Request) -> web.Response:
    """Send a stream's annotated video to a player."""
    hub = request.app[HUB]
    offer = await _read_offer(request)
    hub.check_room()
    stream = hub.stream(request.match_info["stream"])
    peer = new_peer(hub)
    viewer = hub.add_viewer(stream, peer, PaintSettings())

    @peer.on("track")
    def decline(track: MediaStreamTrack) -> None:
        # A player that offers to send as well is sent to only, so that nothing of its own piles up here.
        for transceiver in peer.getTransceivers():
            if transceiver.receiver.track is track:
                transceiver.direction = "sendonly" if track.kind == "video" else "inactive"

    async def negotiated() -> str:
        answer = await negotiate(hub, peer, offer, viewer)
        if not any(t.kind == "video" and t.currentDirection == "sendonly" for t in peer.getTransceivers()):
            raise OfferError("A player's offer receives video: make its video transceiver recvonly.")
        return answer

    return await _answer(request, peer, viewer.close, negotiated())


@routes.get("/whip/{stream}")
async def probe_ingest(request: web.Request) -> web.Response:
    """Nothing to show: publishers post."""
    return web.Response(status=204)


@routes.get("/whep/{stream}")
async def probe(request: web.Request) -> web.Response:
    """Whether a stream can be watched."""
    request.app[HUB].stream(request.match_info["stream"])
    return web.Response(status=204)


@routes.options("/whip/{stream}")
@routes.options("/whep/{stream}")
async def describe(request: web.Request) -> web.Response:
    """What may be posted, and the ICE servers for clients that need them before their offer."""
    # A preflight comes without the token, so the TURN password is not for it.
    links = [] if is_preflight(request) else _links(request)
    return web.Response(status=200, headers=[("Accept-Post", SDP), *links])


@routes.options("/whip/{stream}/{id}")
@routes.options("/whep/{stream}/{id}")
async def describe_session(request: web.Request) -> web.Response:
    """What may be patched."""
    return web.Response(status=200, headers={"Accept-Patch": TRICKLE})


@routes.get("/whip/{stream}/{id}")
@routes.get("/whep/{stream}/{id}")
async def probe_session(request: web.Request) -> web.Response:
    """Whether the session lives."""
    _resource(request)
    return web.Response(status=204)


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
    resource = _resource(request)
    if request.content_type != TRICKLE:
        raise MediaTypeError(f"Send candidates as {TRICKLE}.")
    tag = request.headers.get("If-Match")
    if tag is None:
        raise NoEntityTagError("Send the ETag of the 201 answer along with the candidates, as If-Match.")
    # "*" asks for an ICE restart, which the new user fragment in the body shows as well.
    if tag not in (resource.tag, "*"):
        raise EntityTagError("These candidates are for another ICE session than this one.")
    body = await read_limited(request, MAX_OFFER)
    await add_candidates(resource.peer, body.decode("utf-8", "replace"))
    return web.Response(status=204)


async def _read_offer(request: web.Request) -> RTCSessionDescription:
    if request.content_type != SDP:
        raise MediaTypeError(f"Post the offer as {SDP}, not {request.content_type}.")
    text = (await read_limited(request, MAX_OFFER)).decode("utf-8", "replace")
    return RTCSessionDescription(sdp=text, type="offer")


async def _publish(hub: Hub, peer: RTCPeerConnection, offer: RTCSessionDescription) -> str:
    answer = await negotiate(hub, peer, offer, None)
    incoming = [t for t in peer.getTransceivers() if t.kind == "video" and t.currentDirection == "recvonly"]
    if not incoming:
        raise OfferError("A publisher's offer sends video: make its video transceiver sendonly.")
    if len(incoming) > 1:
        raise TooManyTracksError("A stream holds one video track: publish the others under names of their own.")
    return answer


async def _end_when_silent(peer: RTCPeerConnection, stream: Stream, end: Callable[[], Awaitable[None]]) -> None:
    """End a publisher that vanished, sooner than its ICE consent runs out (some 30 s)."""
    seen = 0
    while True:
        await asyncio.sleep(SILENCE_S)
        if peer.connectionState == "connected" and stream.counters.received == seen:
            logger.info("Stream %s: no video came for %g s, so it is closed.", stream.id, SILENCE_S)
            await end()
            return
        seen = stream.counters.received


async def _answer(
    request: web.Request,
    peer: RTCPeerConnection,
    end: Callable[[], Awaitable[None]],
    negotiated: Awaitable[str],
) -> web.Response:
    """Negotiate and keep the session under a secret URL until its peer connection closes."""
    try:
        answer = await negotiated
    except BaseException:  # whatever it was, the place and the stream's name are given back
        await end()
        raise
    resources = request.app[RESOURCES]
    # A token in the query is carried over, for clients that can send no header with their DELETE either.
    location = request.rel_url.with_path(f"{request.path}/{token_urlsafe(18)}", keep_query=True)
    resources[location.path] = resource = Resource(peer, f'"{token_urlsafe(6)}"', end)

    @peer.on("connectionstatechange")
    def on_state() -> None:
        if peer.connectionState == "failed" and peer.iceConnectionState == "completed":
            logger.warning(
                "A client reached %s but its encryption failed (DTLS): FFmpeg with GnuTLS needs -cert_file and "
                "-key_file with a P-256 certificate.",
                request.path,
            )
        if peer.connectionState in ("failed", "closed") and location.path in resources:
            del resources[location.path]
            ending.add(task := asyncio.ensure_future(end()))
            task.add_done_callback(ending.discard)

    ending: set[asyncio.Future[None]] = set()  # the loop itself holds tasks only weakly
    headers = [("Location", str(location)), ("ETag", resource.tag), ("Accept-Patch", TRICKLE), *_links(request)]
    return web.Response(status=201, text=answer, content_type=SDP, headers=headers)


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
    resource = request.app[RESOURCES].get(request.path)
    if resource is None:
        raise web.HTTPNotFound(text="There is no such session: it may have ended already.")
    return resource


async def end_all(app: web.Application) -> None:
    """End every WHIP and WHEP session; for the application's shutdown."""
    await asyncio.gather(*(resource.end() for resource in list(app[RESOURCES].values())))
