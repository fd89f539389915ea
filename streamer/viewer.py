"""One subscriber of a stream: its peer connection, its two data channels, its own paint, and its end.

The page opens `seekcam` (ordered, reliable: settings, state, statistics, heartbeat) and `seekcam-results` (unordered,
no retransmits: one result a frame). A message is one SCTP chunk, and a result is skipped while anything still waits.
"""

import asyncio
import json
import logging
import reprlib
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from aiortc import RTCDataChannel, RTCPeerConnection

from localization.errors import SettingsError, UserError
from localization.settings import PaintSettings, Settings
from streamer import rtc
from streamer.returns import MODES, AnnotatedTrack, Mode, OverlayReturn, Return, VideoReturn
from streamer.stream import Stream
from streamer.telemetry import Telemetry
from streamer.window import Window

logger = logging.getLogger(__name__)

PROTOCOL = 1
SILENCE_LIMIT_S = 15.0  # a client that says nothing for this long has gone
STATS_INTERVAL_S = 1.0
ERROR_INTERVAL_S = 5.0  # between two messages about frames that could not be localized or painted
MAX_DETAIL = 800  # bytes of an error's sentence, as JSON spells it


class Viewer:
    """A peer that watches a stream, and may steer it.

    Args:
        change: asks the hub to apply settings and to send everybody the new state, this viewer with its reply id;
            raises `UserError` when they are impossible.
        ended: called once, when the peer has gone or was sent away.
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
        change: Callable[["Viewer", Mapping[str, object], object], Awaitable[None]],
        ended: Callable[["Viewer"], Awaitable[None]],
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
        self._change = change
        self._ended = ended
        self._control: RTCDataChannel | None = None
        self._results: RTCDataChannel | None = None
        self._heard = time.monotonic()
        self._window = Window()
        self._complained = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._own_camera = own_camera
        self.mode = checked_mode(mode, own_camera)
        self._return = self._new_return()
        stream.subscribe(self._return.offer, self._failed)
        peer.on("datachannel", self._on_channel)
        peer.on("connectionstatechange", self._on_connection_state)

    async def close(self, detail: str = "") -> None:
        """Say goodbye, leave the stream and close the peer connection; harmless when done before."""
        if self._closed:
            return
        self._closed = True
        if detail:
            self._send(self._control, {"type": "bye", "detail": detail})
            await asyncio.sleep(0.05)  # let the goodbye out before the association ends
        self.stream.unsubscribe(self._return.offer, self._failed)
        await self._return.close()
        self.track.stop()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        await rtc.close_within(self.peer)
        await self._ended(self)

    def send_state(self, recording: str | None, viewers: int, reply: object = None) -> None:
        """Tell the page what is in force now."""
        self._send(
            self._control,
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
        self._send(self._control, {"type": "error", "error": error.code, "detail": _cut(str(error)), "reply": reply})

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "seekcam" and self._control is None:
            self._control = channel
            channel.on("message", self._on_message)
            self._start(self._watch())
            self._start(self._set({}, None))  # nothing changes, and the page learns the state it starts from
        elif channel.label == "seekcam-results":
            self._results = channel

    def _on_connection_state(self) -> None:
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
        elif request.get("type") == "ping":
            self._send(self._control, {"type": "pong", "t": _echo(request.get("t")), "server": time.time() * 1e3})
        elif request.get("type") == "painted":
            self._telemetry.overlay(request)
        elif request.get("type") == "mode":
            self._start(self._set_mode(request.get("mode"), _echo(request.get("id"))))
        elif request.get("type") == "set":
            self._start(self._set(request.get("settings"), _echo(request.get("id"))))
        else:
            refusal = SettingsError('A message\'s type is "set", "mode", "painted" or "ping".')
            self.send_error(refusal, _echo(request.get("id")))

    async def _set(self, changes: object, reply: object) -> None:
        try:
            if not isinstance(changes, dict):
                raise SettingsError('"settings" must be an object of setting names and values.')
            await self._change(self, changes, reply)
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
        await self._set({}, reply)  # nothing changes but the mode, and the page learns it
        await before.close()

    def _new_return(self) -> Return:
        if self.mode == "overlay":
            return OverlayReturn(self._send_result, self._window, self._telemetry)
        return VideoReturn(
            self.track,
            self._executor,
            lambda: self.paint,
            self._send_result,
            self._window,
            self._failed,
            self._telemetry,
        )

    async def _watch(self) -> None:
        """Send statistics each second, and close when the client has gone silent."""
        while True:
            await asyncio.sleep(STATS_INTERVAL_S)
            if time.monotonic() - self._heard > SILENCE_LIMIT_S:
                logger.info("Session %s was silent for %g s and is closed.", self.id, SILENCE_LIMIT_S)
                await self.close("The server heard nothing from this page for a while.")
                return
            stream = self.stream
            ms = {stage: round(value, 1) for stage, value in self._window.medians().items()}
            self._send(
                self._control,
                {
                    "type": "stats",
                    "fps": round(self._window.rate(), 1),
                    "received": stream.counters.received,
                    "processed": stream.counters.processed,
                    "dropped": stream.dropped,
                    "ms": ms,
                },
            )
            await self._observe_network()

    async def _observe_network(self) -> None:
        for sender in self.peer.getSenders():
            loss, rtt = rtc.packet_loss_and_rtt(await sender.getStats())
            if loss is not None:
                self._telemetry.packet_loss(loss)
            if rtt is not None:
                self._telemetry.rtt(rtt)

    def _failed(self, error: UserError) -> None:
        # A model that fails does so on every frame, and this channel queues.
        if time.monotonic() - self._complained > ERROR_INTERVAL_S:
            self._complained = time.monotonic()
            self.send_error(error)

    def _send_result(self, message: str | bytes) -> bool:
        channel = self._results
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > 0:
            return False
        channel.send(message)
        return True

    def _send(self, channel: RTCDataChannel | None, body: dict[str, Any]) -> None:
        if channel is not None and channel.readyState == "open":
            channel.send(json.dumps({"v": PROTOCOL, **body}, ensure_ascii=False, separators=(",", ":")))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


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


def _echo(value: object) -> float | str | None:
    """What a client wants to have back: a number or a short text, so that it still fits one message."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else None
    return value if isinstance(value, str) and len(value) <= 64 and value.isprintable() else None


def _cut(sentence: str) -> str:
    """The beginning of a sentence that takes at most `MAX_DETAIL` bytes between the quotes of JSON."""
    cut = sentence.encode(errors="replace")[:MAX_DETAIL].decode(errors="ignore")
    while len(json.dumps(cut, ensure_ascii=False).encode()) > MAX_DETAIL + 2:
        cut = cut[: 9 * len(cut) // 10]
    return cut
