"""`Stream`, the core noun: one source, one analysis setting, many subscribers; decoded and inferred once.

Frames come in by `push` (on the event loop) or `push_threadsafe` (a source's own thread), pass through the stream's
lane, and leave as `Result`s to every subscriber. All state but the frame that is handed over is touched on the event
loop only.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import av

from seekcam.localization.bars import BarTracker
from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import AnalysisSettings, Settings
from seekcam.localization.stream_memory import Following
from seekcam.streamer.scheduler import Lane, Scheduler
from seekcam.streamer.served_models import Side, Sides
from seekcam.streamer.stream_state import StreamState
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.window import Window


@dataclass(frozen=True)
class SentAs:
    """How the sender of a frame knows it."""

    rtp: int  # RTP timestamp, 0..2**32 - 1, of a 90 kHz clock
    captured: float | None  # Unix milliseconds of the sender's own clock; None until it has reported that clock


@dataclass(frozen=True, eq=False)
class Arrival:
    """A decoded frame as it came in."""

    frame: av.VideoFrame
    pts: float  # seconds since the stream's first frame
    number: int  # from 0, dropped frames counted
    received: float  # time.monotonic()
    sent_as: SentAs | None = None  # None for a frame that did not come by RTP


@dataclass(frozen=True, eq=False)
class Result:
    """A frame and its meaning, on the way to the subscribers."""

    arrival: Arrival
    prediction: Prediction

    @property
    def picture(self) -> av.VideoFrame:
        """The frame that was localized in; subscribers must not change it."""
        return self.arrival.frame


@dataclass
class Counters:
    """What happened to a stream's frames since it began."""

    received: int = 0
    processed: int = 0


class Stream:
    """One source of frames under one analysis setting.

    Args:
        kind: "camera", "whip", "device", "file" or "url".
        name: for people; a URL without its password.
        sides: what `settings` mean for the models in use, which they need not name.
    """

    def __init__(
        self,
        stream_id: str,
        kind: str,
        name: str,
        scheduler: Scheduler,
        telemetry: Telemetry,
        settings: AnalysisSettings,
        sides: Sides,
    ) -> None:
        self.id = stream_id
        self.kind = kind
        self.name = name
        self._state = StreamState.opening
        self._closed = False
        self._detail = ""
        self.settings = settings
        self.sides = sides
        self.counters = Counters()
        self.window = Window()
        self.width = self.height = 0
        self.whole: tuple[int, int] | None = None  # the source's own size, where it may send its pictures smaller
        self._followings = (Following(), Following())  # of the two sides
        self._bars = BarTracker()
        self._telemetry = telemetry
        self._lane: Lane = scheduler.lane()
        self._subscribers: list[Callable[[Result], None]] = []
        self._on_error: list[Callable[[UserError], None]] = []
        self._origin: float | None = None
        self._loop = asyncio.get_running_loop()
        self.on_defect: Callable[[Exception], None] | None = None  # called when a thread's frame could not be taken in
        self._handover: tuple[av.VideoFrame, float, SentAs | None] | None = None
        self._overtaken = 0  # frames that a newer one has replaced in there since the loop took one
        self._handover_lock = threading.Lock()
        self._lost = 0  # all frames that were

    @property
    def model(self) -> str:
        """Name of the model in use, on the first side where two are compared."""
        return self.sides.first.model

    @property
    def state(self) -> StreamState:
        """Where it is."""
        return self._state

    @property
    def detail(self) -> str:
        """A sentence on the state; empty when all is well."""
        return self._detail

    @property
    def closed(self) -> bool:
        """Whether frames that come now are ignored."""
        return self._closed

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before their turn came."""
        return self._lane.dropped + self._lost

    def subscribe(self, on_result: Callable[[Result], None], on_error: Callable[[UserError], None]) -> None:
        """Call `on_result` for every localized frame and `on_error` when one could not be; on the event loop."""
        self._subscribers.append(on_result)
        self._on_error.append(on_error)

    def unsubscribe(self, on_result: Callable[[Result], None], on_error: Callable[[UserError], None]) -> None:
        """Undo `subscribe`."""
        if on_result in self._subscribers:  # a stream that has ended let go of them itself
            self._subscribers.remove(on_result)
            self._on_error.remove(on_error)

    def analyse_with(self, settings: AnalysisSettings, sides: Sides) -> None:
        """Use other settings from the next frame on; what was held of another class or map does not carry over."""
        first, second = self._followings
        self._followings = (
            _carried(first, self.sides.first, sides.first),
            _carried(second, self.sides.second, sides.second),
        )
        self.settings, self.sides = settings, sides

    def push(self, frame: av.VideoFrame, received: float, sent_as: SentAs | None = None) -> None:
        """Take in a decoded frame; `received` is the time.monotonic() at which it was ready."""
        if self._closed:
            return  # the last frame of a track can come after its end
        seconds = frame.time if frame.pts is not None and frame.time_base else received
        if self._origin is None:
            self._origin = seconds
        self._state = StreamState.playing
        self.width, self.height = frame.width, frame.height
        arrival = Arrival(frame, seconds - self._origin, self.counters.received, received, sent_as)
        self.counters.received += 1
        self._telemetry.received()
        if not self._subscribers:
            return  # nobody looks: the source is kept up with, and the model left to the other streams
        first, second = self.sides.first, self.sides.second
        self._lane.offer(
            first.job(frame, self._followings[0], arrival.pts, self._bars),
            lambda outcome: self._done(arrival, outcome),
            second.job(frame, self._followings[1], arrival.pts, self._bars) if second is not None else None,
        )

    def push_threadsafe(self, frame: av.VideoFrame, received: float, sent_as: SentAs | None = None) -> None:
        """`push` from another thread: one frame waits for the loop at most, and the newest wins."""
        with self._handover_lock:
            scheduled = self._handover is not None
            self._handover = (frame, received, sent_as)
            self._overtaken += scheduled
        if scheduled:
            self._telemetry.dropped("loop busy")
        else:
            self._loop.call_soon_threadsafe(self._take_handover)

    def enter(self, state: StreamState, detail: str = "") -> bool:
        """Be told of a new state by whoever brings the frames; whether that changed anything."""
        if self._closed or (state, detail) == (self._state, self._detail):
            return False
        self._state, self._detail = state, detail
        return True

    def turn_away(self) -> None:
        """Take in no more frames; the subscribers stay, to be told why."""
        self._closed = True

    def close(self) -> None:
        """Leave the scheduler and the subscribers; frames that come later are ignored."""
        self._closed = True
        self._state = StreamState.ended
        self._lane.close()
        self._subscribers.clear()
        self._on_error.clear()

    def summary(self) -> dict[str, Any]:
        """The stream as JSON: what it is, what is done with its frames, and how many there were."""
        flat = Settings(self.settings).to_json()
        return {
            "id": self.id,
            "source": self.kind,
            "name": self.name,
            "state": self.state,
            "detail": self.detail,
            "settings": {f.name: flat[f.name] for f in fields(AnalysisSettings)} | {"model": self.model},
            "width": self.width,
            "height": self.height,
            "fps": round(self.window.rate(), 1),
            "frames": {
                "received": self.counters.received,
                "processed": self.counters.processed,
                "dropped": self.dropped,
            },
        }

    def _take_handover(self) -> None:
        with self._handover_lock:
            handover, self._handover = self._handover, None
            overtaken, self._overtaken = self._overtaken, 0
        if handover is None or self._closed:
            return
        self.counters.received += overtaken
        self._lost += overtaken
        self._telemetry.received(overtaken)
        try:
            self.push(*handover)
        except Exception as error:
            if self.on_defect is None:
                raise
            self.on_defect(error)

    def _done(self, arrival: Arrival, outcome: Prediction | UserError) -> None:
        if isinstance(outcome, UserError):
            for on_error in list(self._on_error):
                on_error(outcome)
            return
        self.counters.processed += 1
        self.window.add(outcome.stages)
        result = Result(arrival, outcome)
        for on_result in list(self._subscribers):
            on_result(result)


def _carried(following: Following, before: Side | None, after: Side | None) -> Following:
    """What a side goes on with under other settings: its class and what it holds steady, if they mean the same."""
    if before is None or after is None:
        return Following()
    old, new = before.analysis, after.analysis
    if (before.model, old.classes) != (after.model, new.classes):
        return Following()
    alike = (old.method, old.map, old.box) == (new.method, new.map, new.box)
    return Following(following.tracker, following.steady) if alike else Following(following.tracker)
