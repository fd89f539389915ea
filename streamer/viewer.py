"""One subscriber of a stream: its peer connection, its two data channels, its own paint, and its end.

The page opens `seekcam` (ordered, reliable: settings, state, statistics, heartbeat) and `seekcam-results` (unordered,
no retransmits: one result a frame). A message is one SCTP chunk, and a result is skipped while anything still waits.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from localization.errors import SettingsError, UserError
from localization.prediction import Prediction
from localization.settings import PaintSettings, Settings
from streamer import rtc
from streamer.brief_results import brief
from streamer.painter import Painter
from streamer.stream import Result, Stream
from streamer.telemetry import Telemetry
from streamer.window import Window

logger = logging.getLogger(__name__)

PROTOCOL = 1
MAX_MESSAGE = 1160  # bytes: one SCTP chunk; aiortc queues behind a lost second one
SILENCE_LIMIT_S = 15.0  # a client that says nothing for this long has gone
STATS_INTERVAL_S = 1.0
ERROR_INTERVAL_S = 5.0  # between two messages about frames that could not be localized or painted
MAX_DETAIL = 800  # bytes of an error's sentence, as JSON spells it


class AnnotatedTrack(MediaStreamTrack):
    """The video that goes back: always the newest painted frame, with its source's own timestamp."""

    kind = "video"

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._newest: av.VideoFrame | None = None
        self._ready = asyncio.Event()
        self._telemetry = telemetry

    def show(self, frame: av.VideoFrame) -> None:
        """Send this one next; one that the encoder has not taken yet is dropped for it."""
        if self._newest is not None:
            self._telemetry.dropped("encoder busy")
        self._newest = frame
        self._ready.set()

    async def recv(self) -> av.VideoFrame:
        """The newest frame, when there is one that was not sent yet."""
        while self._newest is None:
            if self.readyState != "live":
                raise MediaStreamError
            self._ready.clear()
            await self._ready.wait()
        frame, self._newest = self._newest, None
        return frame

    def stop(self) -> None:
        """End the track, and let a `recv` that waits know."""
        super().stop()
        self._ready.set()


class Viewer:
    """A peer that watches a stream, and may steer it.

    Args:
        change: asks the hub to apply settings and to send everybody the new state, this viewer with its reply id;
            raises `UserError` when they are impossible.
        ended: called once, when the peer has gone or was sent away.
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
    ) -> None:
        self.id = viewer_id
        self.stream = stream
        self.peer = peer
        self.paint = paint
        self.track = AnnotatedTrack(telemetry)
        self._telemetry = telemetry
        self._change = change
        self._ended = ended
        self._painter = Painter(executor, lambda: self.paint, self._painted, self._failed, telemetry)
        self._control: RTCDataChannel | None = None
        self._results: RTCDataChannel | None = None
        self._heard = time.monotonic()
        self._window = Window()
        self._complained = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        stream.subscribe(self._painter.offer, self._failed)
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
        self.stream.unsubscribe(self._painter.offer, self._failed)
        await self._painter.close()
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
        elif request.get("type") == "set":
            self._start(self._set(request.get("settings"), _echo(request.get("id"))))
        else:
            self.send_error(SettingsError('A message\'s type is "set" or "ping".'), _echo(request.get("id")))

    async def _set(self, changes: object, reply: object) -> None:
        try:
            if not isinstance(changes, dict):
                raise SettingsError('"settings" must be an object of setting names and values.')
            await self._change(self, changes, reply)
        except UserError as error:
            self.send_error(error, reply)

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

    def _painted(self, painted: av.VideoFrame, result: Result, prediction: Prediction) -> None:
        self._window.add(prediction.stages)
        self._telemetry.stage("paint", prediction.ms["paint"])
        self._telemetry.stage("total", prediction.ms["total"])
        self.track.show(painted)
        channel = self._results
        if channel is not None and channel.readyState == "open" and channel.bufferedAmount == 0:
            channel.send(result_message(prediction, result.arrival.pts, result.arrival.number))

    def _send(self, channel: RTCDataChannel | None, body: dict[str, Any]) -> None:
        if channel is not None and channel.readyState == "open":
            channel.send(json.dumps({"v": PROTOCOL, **body}, ensure_ascii=False, separators=(",", ":")))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def result_message(prediction: Prediction, pts: float, frame: int) -> str:
    """Contract 3's JSON in at most `MAX_MESSAGE` bytes, of one side or of two."""
    return brief(prediction.to_json(pts, frame), MAX_MESSAGE)


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
