"""How a stream's results go back to one viewer: as painted video, or as small messages that the page paints itself.

Both are subscribers of a stream. A viewer has one of them at a time and changes between them without a new offer: in
overlay mode its video track simply sends nothing.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Literal, Protocol

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import PaintSettings
from seekcam.streamer.stream import Result, SentAs
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers.json_message import brief
from seekcam.streamer.viewers.overlay_message import Stamps, pack
from seekcam.streamer.viewers.painter import Painter
from seekcam.streamer.window import Window

Mode = Literal["video", "overlay"]
MODES: tuple[Mode, ...] = ("video", "overlay")
MAX_MESSAGE = 1160  # bytes: one SCTP chunk; aiortc queues behind a lost second one
UNKNOWN = SentAs(rtp=0, captured=None)  # a frame of which nobody can say which of the sender's it is

Outcome = Literal["sent", "busy", "not open"]  # busy: something still waits to be sent
Send = Callable[[Callable[[], str | bytes]], Outcome]  # asks for the message only when it can be sent


class Return(Protocol):
    """A way back to the viewer."""

    def offer(self, result: Result) -> None:
        """Take the newest result; called on the event loop for every localized frame."""

    async def close(self) -> None:
        """Let go of what is under way."""


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


class VideoReturn:
    """Paints every result on its frame for `track`, and sends Contract 3's JSON beside it.

    Args:
        paint: asked anew for every frame.
        failed: called when a frame could not be painted.
    """

    def __init__(
        self,
        track: AnnotatedTrack,
        executor: Executor,
        paint: Callable[[], PaintSettings],
        send: Send,
        window: Window,
        failed: Callable[[UserError], None],
        telemetry: Telemetry,
    ) -> None:
        self._track = track
        self._send = send
        self._window = window
        self._telemetry = telemetry
        self._painter = Painter(executor, paint, self._painted, failed, telemetry)
        self.offer = self._painter.offer

    async def close(self) -> None:
        """See the running paint out."""
        await self._painter.close()

    def _painted(self, painted: av.VideoFrame, result: Result, prediction: Prediction) -> None:
        self._window.add(prediction.stages)
        self._telemetry.stage("paint", prediction.ms["paint"])
        self._telemetry.stage("total", prediction.ms["total"])
        self._track.show(painted)
        self._send(lambda: result_message(prediction, result.arrival.pts, result.arrival.number))


class OverlayReturn:
    """Sends what was found in each frame, and which frame of the sender's it was."""

    def __init__(self, send: Send, window: Window, telemetry: Telemetry) -> None:
        self._send = send
        self._window = window
        self._telemetry = telemetry

    def offer(self, result: Result) -> None:
        """Send one result; it is left out, and counted, while an earlier one has not left."""
        arrival, prediction = result.arrival, result.prediction
        sent_as = arrival.sent_as or UNKNOWN
        held = (time.monotonic() - arrival.received) * 1e3
        stamps = Stamps(
            rtp=sent_as.rtp,
            frame=arrival.number,
            pts=arrival.pts,
            captured=sent_as.captured,
            sent=time.time() * 1e3,
            held=held,
        )
        outcome = self._send(lambda: pack(prediction, stamps, MAX_MESSAGE))
        if outcome == "sent":
            self._window.add({**prediction.stages, "total": held})
            self._telemetry.stage("total", held)
        elif outcome == "busy":
            self._telemetry.dropped("channel busy")

    async def close(self) -> None:
        """Nothing is ever under way."""


def result_message(prediction: Prediction, pts: float, frame: int) -> str:
    """Contract 3's JSON in at most `MAX_MESSAGE` bytes, of one side or of two."""
    return brief(prediction.to_json(pts, frame), MAX_MESSAGE)
