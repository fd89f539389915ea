"""The scheduler against an engine whose pace the test sets: newest wins, turns are fair, nothing queues."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from seekcam.localization.card import ModelCard
from seekcam.localization.errors import UserError
from seekcam.localization.pipeline import FrameRequest
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import Analysis
from seekcam.streamer.engine import Job
from seekcam.streamer.scheduler import Scheduler
from seekcam.streamer.telemetry import Telemetry

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


async def test_a_pair_is_of_one_frame_and_newer_ones_never_queue() -> None:
    engine = SteppedEngine(max_batch=1)
    pairs: list[tuple[str, str]] = []

    def note(outcome: Prediction | UserError) -> None:
        assert isinstance(outcome, Prediction)
        assert outcome.compare is not None
        assert (outcome.model, outcome.compare.model) == ("a", "b")
        assert "queue" in outcome.compare.ms
        pairs.append((outcome.method, outcome.compare.method))

    async with running(engine) as scheduler:
        lane = scheduler.lane()
        for value in range(9):
            lane.offer(job(value, "a"), note, job(value, "b"))  # three frames come while one model runs
            await settle()
            if value % 3 == 2:
                engine.permits.release()
                await settle()
        for _ in range(4):
            engine.permits.release()
            await settle()
    # Frame 0 takes the first two turns; then the newest frame, whole; and so on.
    assert engine.batches == [[0], [0], [5], [5], [8], [8]]
    assert pairs == [("0", "0"), ("5", "5"), ("8", "8")]
    assert lane.dropped == 6
    assert b"seekcam_frames_processed_total 3.0" in scheduler.telemetry.exposition()


async def test_other_lanes_have_their_turn_between_the_two_of_a_pair() -> None:
    engine = SteppedEngine(max_batch=1)
    async with running(engine) as scheduler:
        pair, others = scheduler.lane(), [scheduler.lane(), scheduler.lane()]
        for _ in range(12):
            pair.offer(job(0, "a"), ignore, job(0, "b"))
            for value, lane in enumerate(others, 1):
                lane.offer(job(value, "c"), ignore)
            await settle()
            engine.permits.release()
            await settle()
    served = [batch[0] for batch in engine.batches]
    assert [served[:12].count(value) for value in range(3)] == [4, 4, 4]


async def test_the_second_turns_of_several_pairs_share_a_batch() -> None:
    engine = SteppedEngine(max_batch=4)
    async with running(engine) as scheduler:
        for value in range(3):
            scheduler.lane().offer(job(value, "a"), ignore, job(value, "b"))
        scheduler.lane().offer(job(3, "b"), ignore)
        for _ in range(3):
            await settle()
            engine.permits.release()
        await settle()
    assert engine.batches[0] == [0, 1, 2]
    assert sorted(value for batch in engine.batches[1:] for value in batch) == [0, 1, 2, 3]


@pytest.mark.parametrize("failing", ["a", "b"])
async def test_half_a_pair_is_never_shown_and_a_failing_model_stops_nobody_else(failing: str) -> None:
    class Broken(SteppedEngine):
        async def submit(self, batch: Sequence[Job]) -> list[Prediction]:
            if batch[0].model == failing:
                raise UserError(f"{failing} cannot.")
            return await super().submit(batch)

    engine = Broken(max_batch=1)
    outcomes: list[Prediction | UserError] = []
    others: list[Prediction | UserError] = []
    async with running(engine) as scheduler:
        pair, other = scheduler.lane(), scheduler.lane()
        for _ in range(3):
            pair.offer(job(0, "a"), outcomes.append, job(0, "b"))
            other.offer(job(1, "c"), others.append)
            for _ in range(2):
                engine.permits.release()
                await settle()
    assert outcomes
    assert {str(outcome) for outcome in outcomes} == {f"{failing} cannot."}
    assert len(others) == 3
    assert all(isinstance(outcome, Prediction) for outcome in others)


async def test_a_lane_that_closes_between_two_turns_is_not_served_again() -> None:
    engine = SteppedEngine(max_batch=1)
    async with running(engine) as scheduler:
        lane = scheduler.lane()
        lane.offer(job(1, "a"), ignore, job(1, "b"))
        await settle()
        lane.close()
        engine.permits.release()
        await settle()
    assert engine.batches == [[1]]
