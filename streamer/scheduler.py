"""Newest frame of every stream -> fair batches -> the engine (Contract 5).

Every stream has a `Lane`, a mailbox for one frame in which the newest wins. One task takes the waiting frames of the
lanes that have none in flight, round robin, as one batch when the engine is free: so nothing ever queues, and a slow
model lowers the rate of results but never their freshness.

A frame in which two models are compared takes two turns, one for each model, and its result is whole or an error. The
other lanes have their turns in between, and a newer frame of its own lane waits until both are done.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction
from seekcam.streamer.engine import Job, Runner
from seekcam.streamer.telemetry import Telemetry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class WaitingJob:
    """A frame in a mailbox: what to do, since when, and what to call with the result."""

    job: Job
    since: float  # time.monotonic() at which it was offered, or at which its first turn ended
    done: Callable[[Prediction | UserError], None]
    second: Job | None = None  # for its second turn, when there is one
    first: Prediction | None = None  # what the first turn brought


class Lane:
    """The mailbox of one stream: at most one frame waits, and one may be between its two turns."""

    def __init__(self, scheduler: "Scheduler") -> None:
        self._scheduler = scheduler
        self.waiting: WaitingJob | None = None
        self.begun: WaitingJob | None = None
        self.dropped = 0

    @property
    def next(self) -> WaitingJob | None:
        """What this lane's next turn is for."""
        return self.begun or self.waiting

    def offer(self, job: Job, done: Callable[[Prediction | UserError], None], second: Job | None = None) -> None:
        """Put a frame in; a frame that still waits is dropped for it.

        Args:
            done: called once, with the result or with why there is none.
            second: the same frame for another model; its prediction becomes the result's `compare`.
        """
        if self.waiting is not None:
            self.dropped += 1
            self._scheduler.telemetry.dropped("newer frame")
        self.waiting = WaitingJob(job, time.monotonic(), done, second)
        self._scheduler.wake()

    def take(self) -> None:
        """The turn for `next` has come."""
        if self.begun is not None:
            self.begun = None
        else:
            self.waiting = None

    def close(self) -> None:
        """Take the lane off the scheduler; a frame that still waits is dropped."""
        self.waiting = self.begun = None
        self._scheduler.remove(self)


class Scheduler:
    """Feeds one engine from many lanes; `run` is its task."""

    def __init__(self, engine: Runner, telemetry: Telemetry) -> None:
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

    def _next_batch(self) -> list[tuple[Lane, WaitingJob]]:
        """What the lanes wait for whose turn it is, all for one model; these lanes go to the end of the row."""
        limit = self._engine.max_batch
        batch: list[tuple[Lane, WaitingJob]] = []
        others = []
        for lane in self._lanes:
            waiting = lane.next
            alike = waiting is not None and (not batch or waiting.job.model == batch[0][1].job.model)
            if waiting is not None and alike and len(batch) < limit:
                batch.append((lane, waiting))
                lane.take()
            else:
                others.append(lane)
        self._lanes = others + [lane for lane, _ in batch]
        return batch

    async def _serve(self, batch: list[tuple[Lane, WaitingJob]]) -> None:
        started = time.monotonic()
        self.telemetry.batch(len(batch))
        self.telemetry.queue_age(started - min(waiting.since for _, waiting in batch))
        results: Sequence[Prediction | UserError]
        try:
            results = await self._engine.submit([waiting.job for _, waiting in batch])
        except UserError as error:
            results = [error] * len(batch)
        except Exception:
            # One bad batch must not end everybody's stream; the log keeps the traceback.
            logger.exception("Inference failed on a batch of %d frames.", len(batch))
            results = [UserError("This frame could not be localized; the server's log says why.")] * len(batch)
        for (lane, waiting), result in zip(batch, results, strict=True):
            if isinstance(result, Prediction):
                result = replace(result, ms={"queue": (started - waiting.since) * 1e3, **result.ms})
                if waiting.second is not None:
                    lane.begun = WaitingJob(waiting.second, time.monotonic(), waiting.done, first=result)
                    continue
                if waiting.first is not None:
                    result = replace(waiting.first, compare=result)
                self.telemetry.processed(result.stages)
            try:
                waiting.done(result)
            except Exception:
                # One subscriber's defect must not end everybody's stream.
                logger.exception("A result could not be handed over.")
