"""Newest frame of every stream -> fair batches -> the engine (Contract 5).

Every stream has a `Lane`, a mailbox for one frame in which the newest wins. One task takes the waiting frames of the
lanes that have none in flight, round robin, as one batch when the engine is free: so nothing ever queues, and a slow
model lowers the rate of results but never their freshness.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from localization.errors import UserError
from localization.prediction import Prediction
from streamer.engine import Engine, Job
from streamer.telemetry import Telemetry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Waiting:
    """A frame in a mailbox: what to do, since when, and what to call with the result."""

    job: Job
    since: float  # time.monotonic() at which it was offered
    done: Callable[[Prediction | UserError], None]


class Lane:
    """The mailbox of one stream: at most one frame waits."""

    def __init__(self, scheduler: "Scheduler") -> None:
        self._scheduler = scheduler
        self.waiting: Waiting | None = None
        self.dropped = 0

    def offer(self, job: Job, done: Callable[[Prediction | UserError], None]) -> None:
        """Put a frame in; a frame that still waits is dropped for it."""
        if self.waiting is not None:
            self.dropped += 1
            self._scheduler.telemetry.dropped("newer frame")
        self.waiting = Waiting(job, time.monotonic(), done)
        self._scheduler.wake()

    def close(self) -> None:
        """Take the lane off the scheduler; a frame that still waits is dropped."""
        self.waiting = None
        self._scheduler.remove(self)


class Scheduler:
    """Feeds one engine from many lanes; `run` is its task."""

    def __init__(self, engine: Engine, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self._engine = engine
        self._lanes: list[Lane] = []  # the order of service; served lanes go to the end
        self._awake = asyncio.Event()

    def lane(self) -> Lane:
        """A new mailbox."""
        lane = Lane(self)
        self._lanes.append(lane)
        return lane

    def remove(self, lane: Lane) -> None:
        """Forget a mailbox."""
        if lane in self._lanes:
            self._lanes.remove(lane)

    def wake(self) -> None:
        """Say that a frame waits."""
        self._awake.set()

    async def run(self) -> None:
        """Serve the lanes until cancelled."""
        while True:
            batch = self._next_batch()
            if not batch:
                self._awake.clear()
                await self._awake.wait()
                continue
            await self._serve(batch)

    def _next_batch(self) -> list[Waiting]:
        """The waiting frames of the lanes whose turn it is, all for one model; their lanes go to the end of the row."""
        first = next((lane for lane in self._lanes if lane.waiting is not None), None)
        if first is None or first.waiting is None:
            return []
        model = first.waiting.job.model
        served: list[Lane] = []
        batch: list[Waiting] = []
        for lane in self._lanes:
            if lane.waiting is not None and lane.waiting.job.model == model and len(batch) < self._engine.max_batch:
                batch.append(lane.waiting)
                lane.waiting = None
                served.append(lane)
        self._lanes = [lane for lane in self._lanes if lane not in served] + served
        return batch

    async def _serve(self, batch: list[Waiting]) -> None:
        started = time.monotonic()
        self.telemetry.batch(len(batch))
        self.telemetry.queue_age(started - min(waiting.since for waiting in batch))
        results: Sequence[Prediction | UserError]
        try:
            results = await self._engine.submit([waiting.job for waiting in batch])
        except UserError as error:
            results = [error] * len(batch)
        except Exception:
            # One bad batch must not end everybody's stream; the log keeps the traceback.
            logger.exception("Inference failed on a batch of %d frames.", len(batch))
            results = [UserError("This frame could not be localized; the server's log says why.")] * len(batch)
        for waiting, result in zip(batch, results, strict=True):
            if isinstance(result, Prediction):
                result = replace(result, ms={"queue": (started - waiting.since) * 1e3, **result.ms})
                self.telemetry.processed(result.ms)
            try:
                waiting.done(result)
            except Exception:
                # One subscriber's defect must not end everybody's stream.
                logger.exception("A result could not be handed over.")
