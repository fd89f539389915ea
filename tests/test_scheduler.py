"""The scheduler against an engine whose pace the test sets: newest wins, turns are fair, nothing queues."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from localization.card import ModelCard
from localization.errors import UserError
from localization.pipeline import FrameRequest
from localization.prediction import Prediction
from localization.settings import Analysis
from streamer.engine import Job
from streamer.scheduler import Scheduler
from streamer.telemetry import Telemetry

ANALYSIS = Analysis((), 5, "cam", 0, "spread", "largest", "otsu", 0.15)


class SteppedEngine:
    """Runs a batch each time the test says so, and remembers what was in it."""

    def __init__(self, max_batch: int) -> None:
        self.max_batch = max_batch
        self.batches: list[list[int]] = []
        self.permits = asyncio.Semaphore(0)
        self.failure: Exception | None = None

    async def submit(self, batch: Sequence[Job]) -> list[Prediction]:
        self.batches.append([number(job) for job in batch])
        await self.permits.acquire()
        if self.failure is not None:
            raise self.failure
        return [Prediction(job.model, str(number(job)), ()) for job in batch]

    async def card(self, model: str) -> ModelCard:
        raise NotImplementedError


def job(value: int, model: str = "a") -> Job:
    return Job(model, np.full((1, 1, 3), value, np.uint8), FrameRequest(ANALYSIS))


def number(of: Job) -> int:
    assert isinstance(of.picture, np.ndarray)
    return int(of.picture[0, 0, 0])


@asynccontextmanager
async def running(engine: SteppedEngine) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(engine, Telemetry())
    task = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def ignore(outcome: Prediction | UserError) -> None:
    assert isinstance(outcome, Prediction)


async def test_the_newest_frame_wins_and_the_older_one_is_counted() -> None:
    engine = SteppedEngine(max_batch=1)
    seen: list[str] = []
    async with running(engine) as scheduler:
        lane = scheduler.lane()
        for value in range(5):
            lane.offer(job(value), lambda outcome: seen.append(getattr(outcome, "method", "error")))
            await settle()  # the first is taken at once; the others come while it is in flight
        engine.permits.release()
        await settle()
        engine.permits.release()
        await settle()
    assert engine.batches == [[0], [4]]
    assert seen == ["0", "4"]
    assert lane.dropped == 3


async def test_a_busy_lane_does_not_starve_the_others() -> None:
    engine = SteppedEngine(max_batch=1)
    async with running(engine) as scheduler:
        lanes = [scheduler.lane() for _ in range(3)]
        for _ in range(9):
            for value, lane in enumerate(lanes):
                lane.offer(job(value), ignore)
            await settle()
            engine.permits.release()
            await settle()
    served = [batch[0] for batch in engine.batches]
    assert [served[:9].count(value) for value in range(3)] == [3, 3, 3]


async def test_streams_of_one_model_share_a_batch_up_to_the_limit() -> None:
    engine = SteppedEngine(max_batch=2)
    async with running(engine) as scheduler:
        for value, model in enumerate(["a", "b", "a", "a"]):
            scheduler.lane().offer(job(value, model), ignore)
        for _ in range(3):
            await settle()
            engine.permits.release()
        await settle()
    assert engine.batches == [[0, 2], [1], [3]]


async def test_a_failing_batch_answers_everybody_and_the_next_one_runs() -> None:
    engine = SteppedEngine(max_batch=4)
    outcomes: list[Prediction | UserError] = []
    async with running(engine) as scheduler:
        lane = scheduler.lane()
        engine.failure = RuntimeError("the device is gone")
        lane.offer(job(1), outcomes.append)
        engine.permits.release()
        await settle()
        engine.failure = None
        lane.offer(job(2), outcomes.append)
        engine.permits.release()
        await settle()
    assert isinstance(outcomes[0], UserError)
    assert "device is gone" not in str(outcomes[0])  # what is ours to know is in the log
    assert isinstance(outcomes[1], Prediction)


async def test_a_closed_lane_is_not_served() -> None:
    engine = SteppedEngine(max_batch=1)
    async with running(engine) as scheduler:
        lane = scheduler.lane()
        lane.offer(job(1), ignore)
        lane.close()
        await settle()
    assert engine.batches == []


async def test_the_result_says_how_long_the_frame_waited() -> None:
    engine = SteppedEngine(max_batch=1)
    outcomes: list[Prediction | UserError] = []
    async with running(engine) as scheduler:
        scheduler.lane().offer(job(1), outcomes.append)
        engine.permits.release()
        await settle()
    (outcome,) = outcomes
    assert isinstance(outcome, Prediction)
    assert outcome.ms["queue"] == pytest.approx(0, abs=1000)
    assert outcome.ms["queue"] >= 0


async def test_a_subscriber_that_fails_stops_nobody_else() -> None:
    engine = SteppedEngine(max_batch=4)
    outcomes: list[Prediction | UserError] = []

    def fail(_outcome: Prediction | UserError) -> None:
        raise RuntimeError("a defect of the subscriber's")

    async with running(engine) as scheduler:
        for done in (fail, outcomes.append):
            scheduler.lane().offer(job(1), done)
        engine.permits.release()
        await settle()
        scheduler.lane().offer(job(2), outcomes.append)
        engine.permits.release()
        await settle()
    assert len(outcomes) == 2
