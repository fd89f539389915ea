"""Offer in, answer out: browser sessions over `/api/sessions` (Contract 4)."""

import asyncio
import json
import logging
import time
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from seekcam.localization.errors import UserError
from seekcam.localization.settings import AnalysisSettings, Settings
from seekcam.streamer.hub import HUB, Hub
from seekcam.streamer.signaling.peer_camera import feed
from seekcam.streamer.stream import Stream
from seekcam.streamer.viewers.viewer import Viewer, checked_mode
from seekcam.streamer.webrtc import congestion, steady_encoders
from seekcam.streamer.webrtc.closing import close_within
from seekcam.streamer.webrtc.ice import ice_servers
from seekcam.streamer.webrtc.sdp import advertised, asking_for_quality, bundles_what_it_lacks

logger = logging.getLogger(__name__)

MAX_OFFER = 128 * 1024  # bytes of one offer with its envelope; browsers send some 10 KB
GATHER_TIMEOUT_S = 10.0
HANDSHAKE_LIMIT_S = 20.0  # a peer that is not connected by then gives its place back

routes = web.RouteTableDef()


class OfferError(UserError):
    """An offer that is no SDP, or not what the route takes."""

    code = "bad-offer"


class CodecError(UserError):
    """The offer and this server have no video codec in common."""

    code = "codec-refused"


class NoCandidatesError(UserError):
    """The server could bind no socket for the session."""

    code = "no-candidates"


@routes.post("/api/sessions")
async def open_session(request: web.Request) -> web.Response:
    """Open a session: the caller's camera becomes a stream, or (with `stream`) the caller watches one."""
    hub = request.app[HUB]
    body = await _read_body(request)
    hub.check_room()
    offer = _description(body.get("sdp"), body.get("type"))
    changes = body.get("settings") or {}
    if not isinstance(changes, dict):
        raise OfferError('"settings" must be an object of setting names and values.')
    settings = Settings().changed(changes)
    watched = body.get("stream")
    mode = checked_mode(body.get("mode", "video"), own_camera=watched is None)
    peer = new_peer(hub)  # before anything is waited for, so that nobody else takes the place
    # Whatever goes wrong, and also when the client does not wait: nothing stays behind.
    async with AsyncExitStack() as undo:
        undo.push_async_callback(close_within, peer)
        stream = await _session_stream(hub, watched, settings)
        if watched is None:
            undo.push_async_callback(hub.close_stream, stream, "")
        viewer = hub.add_viewer(stream, peer, settings.paint, mode, own_camera=watched is None)
        undo.push_async_callback(viewer.close)
        viewer.expect_heartbeat()
        if watched is None:
            feed(hub, peer, stream)
        answer = await negotiate(hub, peer, offer, viewer)
        undo.pop_all()
    return web.json_response(
        {"id": viewer.id, "stream": stream.id, "sdp": answer, "type": "answer"},
        status=201,
        headers={"Location": f"/api/sessions/{viewer.id}"},
    )


@routes.delete("/api/sessions/{id}")
async def close_session(request: web.Request) -> web.Response:
    """End a session; its camera stream ends with it."""
    viewer = request.app[HUB].viewers.get(request.match_info["id"])
    if viewer is None:
        raise web.HTTPNotFound(text="There is no such session: it may have ended already.")
    await viewer.close()
    return web.Response(status=204)


async def _session_stream(hub: Hub, watched: Any, settings: Settings) -> Stream:
    if watched is None:
        return await hub.open_stream("camera", "camera", settings.analysis)
    if not isinstance(watched, str):
        raise OfferError('"stream" must be the id of a stream.')
    stream = hub.stream(watched)
    if settings.analysis != AnalysisSettings():
        # Shared settings change through the channel, where everybody who watches is told.
        raise OfferError("A session that watches a stream brings paint settings only; the analysis is the stream's.")
    return stream


async def _read_body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await read_limited(request, MAX_OFFER))
    except (ValueError, RecursionError):  # no JSON, or brackets in brackets without end
        body = None
    if not isinstance(body, dict):
        raise OfferError('The body must be a JSON object with "sdp" and "type".')
    return body


class BodyTooLargeError(UserError):
    """More bytes than an offer ever has."""

    code = "too-large"


async def read_limited(request: web.Request, limit: int) -> bytes:
    """The body, refused as soon as it is known to be longer than `limit` bytes.

    Raises:
        BodyTooLargeError: it is longer.
    """
    data = bytearray()
    if (request.content_length or 0) <= limit:
        async for chunk in request.content.iter_any():
            data += chunk
            if len(data) > limit:
                break
        else:
            return bytes(data)
    raise BodyTooLargeError(f"An offer has at most {limit // 1024} KiB, and this body is larger.")


def _description(sdp: object, kind: object) -> RTCSessionDescription:
    if not isinstance(sdp, str) or kind != "offer":
        raise OfferError('The body must have the offer\'s "sdp" and "type": "offer".')
    return RTCSessionDescription(sdp=sdp, type="offer")


def new_peer(hub: Hub) -> RTCPeerConnection:
    """A peer connection with the configured ICE servers and no others, counted against the session cap."""
    servers = [RTCIceServer(**entry) for entry in ice_servers(hub.config, time.time())]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
    hub.peers.add(peer)
    hub.telemetry.sessions.set(len(hub.peers))

    closing: set[asyncio.Task[None]] = set()

    def close_unless_connected() -> None:
        if peer.connectionState != "connected":
            closing.add(task := asyncio.create_task(close_within(peer)))
            task.add_done_callback(closing.discard)

    # A timer and not a sleeping task: cancelling that from within its own closing would leave the peer half closed.
    handshake = asyncio.get_running_loop().call_later(HANDSHAKE_LIMIT_S, close_unless_connected)

    @peer.on("connectionstatechange")
    def changed() -> None:
        if peer.connectionState == "closed":
            handshake.cancel()
            hub.peers.discard(peer)
            hub.telemetry.sessions.set(len(hub.peers))

    return peer


async def negotiate(hub: Hub, peer: RTCPeerConnection, offer: RTCSessionDescription, viewer: Viewer | None) -> str:
    """Apply the offer, attach the viewer's track, and return the complete answer (candidates gathered).

    Raises:
        OfferError: not an SDP, or an offer without the media that the route needs.
        CodecError: no codec in common.
    """
    if bundles_what_it_lacks(offer.sdp):
        # aiortc fails at these halfway, and the connection cannot even be closed in order afterwards.
        raise OfferError("The offer bundles a section that it does not have.")
    try:
        await peer.setRemoteDescription(offer)
        video = [t for t in peer.getTransceivers() if t.kind == "video"]
        if not video:
            raise OfferError("The offer has no video: add a video transceiver before making it.")
        if viewer is not None:
            peer.addTrack(viewer.track)
        if hub.config.codec != "auto":
            for transceiver in video:
                steady_encoders.prefer_codec(transceiver, hub.config.codec)
        async with asyncio.timeout(GATHER_TIMEOUT_S):
            answer = await peer.createAnswer()
            await peer.setLocalDescription(answer)
    except OperationError as error:
        raise CodecError("This server speaks VP8 and H.264, and the offer has neither.") from error
    except (
        ValueError,
        InvalidAccessError,
        InvalidStateError,
        InternalError,
        RuntimeError,  # a StopIteration inside a coroutine
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        TypeError,
    ) as error:
        # aiortc's SDP parser fails in all these ways on text that is no SDP.
        logger.debug("Offer refused.", exc_info=True)
        raise OfferError("The offer is no SDP that can be answered.") from error
    except TimeoutError as error:
        raise OfferError("No network candidates within 10 s: check --ice-server and --ice-address.") from error
    if "a=candidate:" not in peer.localDescription.sdp:
        raise NoCandidatesError("The server has no network address or port left to offer: check --ice-ports.")
    for transceiver in video:
        steady_encoders.encode_steadily(transceiver)
    if peer.sctp is not None:
        congestion.outlast_losses(peer.sctp)
    text = asking_for_quality(peer.localDescription.sdp)
    return advertised(text, hub.config.advertise) if hub.config.advertise else text
