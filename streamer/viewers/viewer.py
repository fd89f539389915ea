"""One subscriber of a stream: its peer connection, its two data channels, its own paint, and its end.

The page opens `seekcam` (ordered, reliable: settings, state, statistics, heartbeat) and `seekcam-results` (unordered,
no retransmits: one result a frame). A message is one SCTP chunk, and a result is skipped while anything still waits.
A client that asks without taking in the answers, or does not speak at all, is sent away.
"""

import asyncio
import json
import logging
import reprlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Executor
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from aiortc import RTCDataChannel, RTCPeerConnection

from seekcam.localization.errors import SettingsError, UserError
from seekcam.localization.settings import PaintSettings, Settings
from seekcam.streamer.stream import Stream
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers.channels import PROTOCOL, Channels, cut, echo
from seekcam.streamer.viewers.outputs import MODES, AnnotatedTrack, Mode, OverlayReturn, Return, VideoReturn
from seekcam.streamer.viewers.rate_limit import TokenBucket
from seekcam.streamer.webrtc.closing import close_within
from seekcam.streamer.window import Window

logger = logging.getLogger(__name__)

SILENCE_LIMIT_S = 15.0  # a client that says nothing for this long has gone
STATS_INTERVAL_S = 1.0
ERROR_INTERVAL_S = 5.0  # between two messages about frames that could not be localized or painted
MAX_REQUESTS = 32  # changes that wait for the one under way
MESSAGES_A_SECOND = 40.0  # a page sends 17 while a slider moves, and two more
MESSAGES_AT_ONCE = 80


class BusyError(UserError):
    """More changes at once than are taken."""

    code = "busy"


class Host(Protocol):
    """Who keeps the viewers together, and tells each what is in force (`send_state`)."""

    async def change(self, viewer: "Viewer", changes: Mapping[str, object], reply: object) -> None:
        """Apply settings and tell whom they concern, this viewer with its reply id; raises `UserError` instead."""

    def tell(self, viewer: "Viewer", reply: object = None) -> None:
        """Tell this viewer, with a reply id."""

    def arrived(self, viewer: "Viewer") -> None:
        """There is one more who can be told things; called once."""

    async def left(self, viewer: "Viewer") -> None:
        """The peer has gone or was sent away; called once."""


class Viewer:
    """A peer that watches a stream, and may steer it.

    Args:
        mode: "video" or "overlay", which needs `own_camera`: that this peer feeds the stream.

    Raises:
        SettingsError: another mode, or overlay without a camera of one's own.
    """

    def __init__(
        self,
        viewer_id: str,
        stream: Stream,
        peer: RTCPeerConnection,
        paint: PaintSettings,
        executor: Executor,
        telemetry: Telemetry,
        host: Host,
        mode: object = "video",
        own_camera: bool = False,
    ) -> None:
        self.id = viewer_id
        self.stream = stream
        self.peer = peer
        self.paint = paint
        self.track = AnnotatedTrack(telemetry)
        self._executor = executor
        self._telemetry = telemetry
        self._host = host
        self._channels = Channels(self._send_away)
        self._must_speak = False
        self._heard = time.monotonic()
        self._window = Window()
        self._complained = float("-inf")
        self._path_told: datetime | None = None  # when the peer said last how its network path is
        self._messages = TokenBucket(MESSAGES_A_SECOND, MESSAGES_AT_ONCE)
        self._requests: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(MAX_REQUESTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._own_camera = own_camera
        self.mode = checked_mode(mode, own_camera)
        self._return = self._new_return()
        stream.subscribe(self._return.offer, self._failed)
        peer.on("datachannel", self._on_channel)
        peer.on("connectionstatechange", self._on_connection_state)
        self._start(self._watch())
        self._start(self._answer())

    def expect_heartbeat(self) -> None:
        """Send the client away when it says nothing for `SILENCE_LIMIT_S`: pages ping, players (WHEP) need not."""
        self._must_speak = True
        self._heard = time.monotonic()

    async def close(self, detail: str = "") -> None:
        """Say goodbye, leave the stream and close the peer connection; harmless when done before."""
        if self._closed:
            return
        self._closed = True
        if detail:
            self._channels.send({"type": "bye", "detail": detail})
            await asyncio.sleep(0.05)  # let the goodbye out before the association ends
        self.stream.unsubscribe(self._return.offer, self._failed)
        await self._return.close()
        self.track.stop()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        await close_within(self.peer)
        await self._host.left(self)

    def send_state(self, recording: str | None, viewers: int, reply: object = None) -> None:
        """Tell the page what is in force now."""
        self._channels.send(
            {
                "type": "state",
                "stream": self.stream.id,
                "source": self.stream.kind,
                "state": self.stream.state,
                "mode": self.mode,
                "settings": self._settings(),
                "recording": recording,
                "viewers": viewers,
                "reply": reply,
            },
        )

    def _settings(self) -> dict[str, Any]:
        """What is in force; chosen classes by their indices, for five long names would not fit one message."""
        classes: object = list(self.stream.sides.first.analysis.classes) or "top"
        settings = Settings(self.stream.settings, self.paint).to_json()
        return settings | {"model": self.stream.model, "classes": classes}

    def send_error(self, error: UserError, reply: object = None) -> None:
        """Tell the page what went wrong and what to do."""
        self._channels.send({"type": "error", "error": error.code, "detail": cut(str(error)), "reply": reply})

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "seekcam" and self._channels.control is None:
            self._channels.control = channel
            channel.on("message", self._on_message)
            self.expect_heartbeat()
            self._host.arrived(self)
        elif channel.label == "seekcam-results":
            self._channels.results = channel

    def _on_connection_state(self) -> None:
        if self.peer.connectionState == "connected":
            self._heard = time.monotonic()  # it could not speak before
        if self.peer.connectionState in ("failed", "closed") and not self._closed:
            self._start(self.close())

    def _on_message(self, message: str | bytes) -> None:
        self._heard = time.monotonic()
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError too
            request = None
        if not isinstance(request, dict) or request.get("v") != PROTOCOL:
            self.send_error(SettingsError(f'Messages are JSON objects with "v": {PROTOCOL}.'))
        elif not self._messages.take():
            self.send_error(BusyError("Too many messages came at once: wait a moment."), echo(request.get("id")))
        elif request.get("type") == "ping":
            self._channels.send({"type": "pong", "t": echo(request.get("t")), "server": time.time() * 1e3})
        elif request.get("type") == "painted":
            self._telemetry.overlay(request)
        elif request.get("type") == "camera":
            self._take_camera(request.get("width"), request.get("height"))
        elif request.get("type") == "mode":
            reply = echo(request.get("id"))
            self._enqueue(partial(self._set_mode, request.get("mode"), reply), reply)
        elif request.get("type") == "set":
            reply = echo(request.get("id"))
            self._enqueue(partial(self._set, request.get("settings"), reply), reply)
        else:
            refusal = SettingsError('A message\'s type is "set", "mode", "camera", "painted" or "ping".')
            self.send_error(refusal, echo(request.get("id")))

    def _take_camera(self, width: object, height: object) -> None:
        """Note how large the page's pictures are, for those who want them whole; what is no size is passed over."""
        if self._own_camera and isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            self.stream.whole = width, height

    def _enqueue(self, work: Callable[[], Awaitable[None]], reply: object) -> None:
        try:
            self._requests.put_nowait(work)
        except asyncio.QueueFull:
            self.send_error(BusyError("Too many changes came at once: wait a moment and make this one again."), reply)

    async def _answer(self) -> None:
        """See to what the client asked for, one after the other."""
        while not self._closed:
            work = await self._requests.get()
            await work()

    async def _set(self, changes: object, reply: object) -> None:
        try:
            if not isinstance(changes, dict):
                raise SettingsError('"settings" must be an object of setting names and values.')
            await self._host.change(self, changes, reply)
        except UserError as error:
            self.send_error(error, reply)

    async def _set_mode(self, mode: object, reply: object) -> None:
        try:
            self.mode = checked_mode(mode, self._own_camera)
        except UserError as error:
            self.send_error(error, reply)
            return
        if self._closed:
            return
        self.stream.unsubscribe(self._return.offer, self._failed)
        before, self._return = self._return, self._new_return()
        self.stream.subscribe(self._return.offer, self._failed)
        self._host.tell(self, reply)
        await before.close()

    def _new_return(self) -> Return:
        if self.mode == "overlay":
            return OverlayReturn(self._channels.send_result, self._window, self._telemetry)
        return VideoReturn(
            self.track,
            self._executor,
            lambda: self.paint,
            self._channels.send_result,
            self._window,
            self._failed,
            self._telemetry,
        )

    async def _watch(self) -> None:
        """Send statistics each second, and close when the client has gone silent."""
        while not self._closed:
            await asyncio.sleep(STATS_INTERVAL_S)
            if self.peer.connectionState != "connected":
                continue  # the handshake has a limit of its own
            if self._must_speak and time.monotonic() - self._heard > SILENCE_LIMIT_S:
                logger.info("Session %s was silent for %g s and is closed.", self.id, SILENCE_LIMIT_S)
                await self.close("The server heard nothing from this page for a while.")
                return
            stream = self.stream
            ms = {stage: round(value, 1) for stage, value in self._window.medians().items()}
            self._channels.send(
                {
                    "type": "stats",
                    "fps": round(self._window.rate(), 1),
                    "received": stream.counters.received,
                    "processed": stream.counters.processed,
                    "dropped": stream.dropped,
                    "ms": ms,
                },
            )
            for sender in self.peer.getSenders():
                for entry in (await sender.getStats()).values():
                    # aiortc keeps the last report for ever; in overlay mode none comes.
                    if entry.type == "remote-inbound-rtp" and entry.timestamp != self._path_told:
                        self._path_told = entry.timestamp
                        self._telemetry.path(entry.fractionLost / 256, entry.roundTripTime)

    def _failed(self, error: UserError) -> None:
        # A model that fails does so on every frame, and this channel queues.
        if time.monotonic() - self._complained > ERROR_INTERVAL_S:
            self._complained = time.monotonic()
            self.send_error(error)

    def _send_away(self, why: str) -> None:
        if not self._closed:
            logger.info("Session %s is closed: %s.", self.id, why)
            self._start(self.close())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended_task)

    def _ended_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("Session %s is closed for a defect of ours.", self.id, exc_info=error)
            if not self._closed:
                self._start(self.close("The server failed at this session; its log says why."))


def checked_mode(mode: object, own_camera: bool) -> Mode:
    """A return mode that a viewer can have.

    Raises:
        SettingsError: there is no such mode, or overlay was asked for by somebody whose camera it is not.
    """
    known = next((name for name in MODES if name == mode), None)
    if known is None:
        raise SettingsError(f'mode must be "video" or "overlay", not {reprlib.repr(mode)}.')
    if known == "overlay" and not own_camera:
        raise SettingsError("Overlay mode paints over one's own camera: whoever watches a stream uses mode video.")
    return known
