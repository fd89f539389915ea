"""A stream against an engine that answers at once: timestamps, counters, subscribers, threads."""

import asyncio
import threading
from collections.abc import Sequence
from fractions import Fraction

import av
import pytest

from seekcam.localization.card import ModelCard
from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import AnalysisSettings, Settings, resolve, resolve_second
from seekcam.streamer.engine import Job
from seekcam.streamer.scheduler import Scheduler
from seekcam.streamer.served_models import Side, Sides
from seekcam.streamer.stream import Result, Stream
from seekcam.streamer.telemetry import Telemetry

CARD = ModelCard("m", tuple("abcdef"), tuple("abcdef"), 224, 7, 14, 8, 5)
OTHER = ModelCard("n", tuple("cba"), tuple("cba"), 64, 4, 8, 8, 3)


class Echo:
    """Answers every job with the name of its model; remembers the jobs."""

    max_batch = 1

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.error: UserError | None = None

    async def submit(self, batch: Sequence[Job]) -> list[Prediction]:
        self.jobs += batch
        if self.error is not None:
            raise self.error
        return [Prediction(job.model, job.request.analysis.method, ()) for job in batch]

    async def card(self, model: str) -> ModelCard:
        return CARD


class Bench:
    """A stream on a running scheduler, and what came out of it."""

    def __init__(self) -> None:
        self.engine = Echo()
        self.telemetry = Telemetry()
        self.scheduler = Scheduler(self.engine, self.telemetry)
        settings = AnalysisSettings()
        self.stream = Stream("s", "camera", "camera", self.scheduler, self.telemetry, settings, sides(settings))
        self.results: list[Result] = []
        self.errors: list[UserError] = []
        self.stream.subscribe(self.results.append, self.errors.append)
        self.task = asyncio.create_task(self.scheduler.run())

    async def push(self, pts: int) -> None:
        self.stream.push(frame(pts), 0.0)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def bench() -> Bench:
    return Bench()


def sides(settings: AnalysisSettings) -> Sides:
    """The settings on one model, or on two when they ask to compare."""
    compare = settings.compare
    second = None if compare is None else Side(compare.model or "m", resolve_second(settings, CARD, OTHER))
    return Sides(Side("m", resolve(settings, CARD)), second)


def frame(pts: int | None) -> av.VideoFrame:
    made = av.VideoFrame(64, 48, "yuv420p")
    if pts is not None:
        made.pts, made.time_base = pts, Fraction(1, 90_000)
    return made


async def test_time_starts_at_the_first_frame_and_frames_are_numbered(bench: Bench) -> None:
    for pts in (900_000, 903_000, 909_000):
        await bench.push(pts)
    assert [r.arrival.pts for r in bench.results] == pytest.approx([0, 1 / 30, 0.1])
    assert [r.arrival.number for r in bench.results] == [0, 1, 2]
    assert (bench.stream.counters.received, bench.stream.counters.processed) == (3, 3)
    assert (bench.stream.width, bench.stream.height, bench.stream.state) == (64, 48, "playing")


async def test_a_dropped_frame_keeps_its_number(bench: Bench) -> None:
    for pts in (0, 3000, 6000):
        bench.stream.push(frame(pts), 0.0)  # all before the scheduler's task gets its turn
    await bench.settle()
    assert [r.arrival.number for r in bench.results] == [2]
    assert bench.stream.dropped == 2


async def test_settings_hold_from_the_next_frame_and_another_class_forgets_the_held_one(bench: Bench) -> None:
    await bench.push(0)
    changed = AnalysisSettings(method="layercam")
    bench.stream.analyse_with(changed, sides(changed))
    await bench.push(3000)
    first, second = bench.engine.jobs
    assert bench.results[-1].prediction.method == "layercam"
    assert first.request.tracker is second.request.tracker is not None
    named = AnalysisSettings(classes=("c",))
    bench.stream.analyse_with(named, sides(named))
    await bench.push(6000)
    assert bench.engine.jobs[-1].request.tracker is None  # a class that was asked for needs no hysteresis
    bench.stream.analyse_with(changed, sides(changed))
    await bench.push(9000)
    assert bench.engine.jobs[-1].request.tracker is not first.request.tracker


async def test_an_error_reaches_the_subscriber_and_the_next_frame_goes_on(bench: Bench) -> None:
    bench.engine.error = UserError("This model cannot.")
    await bench.push(0)
    bench.engine.error = None
    await bench.push(3000)
    assert [str(e) for e in bench.errors] == ["This model cannot."]
    assert len(bench.results) == 1


async def test_a_threads_frames_never_queue_for_the_loop(bench: Bench) -> None:
    def produce() -> None:
        for pts in range(0, 30_000, 3000):
            bench.stream.push_threadsafe(frame(pts), 0.0)

    thread = threading.Thread(target=produce)
    thread.start()
    thread.join()  # the loop is blocked meanwhile, as a busy one would be
    await asyncio.sleep(0.01)
    await bench.settle()
    assert (bench.stream.counters.received, bench.stream.counters.processed, bench.stream.dropped) == (10, 1, 9)
    assert bench.results[-1].picture.pts == 27_000
    assert bench.results[-1].arrival.number == 9
    told = bench.telemetry.exposition()
    assert b'seekcam_frames_dropped_total{reason="loop busy"} 9.0' in told
    assert b"seekcam_frames_received_total 10.0" in told


async def test_a_closed_stream_is_silent(bench: Bench) -> None:
    bench.stream.close()
    await bench.settle()
    assert bench.stream.state == "ended"
    bench.stream.push_threadsafe(frame(0), 0.0)
    bench.stream.push(frame(3000), 0.0)
    await asyncio.sleep(0.01)
    assert (bench.results, bench.stream.state, bench.stream.counters.received) == ([], "ended", 0)
    bench.stream.unsubscribe(bench.results.append, bench.errors.append)  # as a viewer does that outlives it


async def test_nobody_watching_means_no_inference_but_the_source_is_kept_up_with(bench: Bench) -> None:
    on_result, on_error = bench.results.append, bench.errors.append
    bench.stream.unsubscribe(on_result, on_error)
    await bench.push(0)
    assert (bench.stream.counters.received, bench.engine.jobs) == (1, [])
    bench.stream.subscribe(on_result, on_error)
    await bench.push(3000)
    assert [r.arrival.number for r in bench.results] == [1]


async def test_two_sides_see_the_same_frame_each_with_a_tracker_of_its_own(bench: Bench) -> None:
    compared = Settings().changed({"compare": "n:layercam"}).analysis
    bench.stream.analyse_with(compared, sides(compared))
    await bench.push(0)
    first, second = bench.engine.jobs
    assert (first.model, second.model) == ("m", "n")
    assert first.picture is second.picture is bench.results[0].picture
    assert first.request.tracker is not second.request.tracker
    assert first.request.pts == second.request.pts
    prediction = bench.results[0].prediction
    assert prediction.compare is not None
    assert (prediction.compare.model, prediction.compare.method) == ("n", "layercam")
    assert bench.stream.summary()["settings"]["compare"] == {"model": "n", "method": "layercam", "map": None}

    other_method = Settings().changed({"compare": "n:cam"}).analysis
    bench.stream.analyse_with(other_method, sides(other_method))
    await bench.push(3000)
    assert bench.engine.jobs[3].request.tracker is second.request.tracker  # the class that is held stays held
    other_model = Settings().changed({"compare": ":layercam"}).analysis
    bench.stream.analyse_with(other_model, sides(other_model))
    await bench.push(6000)
    assert bench.engine.jobs[5].request.tracker is not second.request.tracker
    assert bench.engine.jobs[4].request.tracker is first.request.tracker

    alone = AnalysisSettings()
    bench.stream.analyse_with(alone, sides(alone))
    await bench.push(9000)
    assert len(bench.engine.jobs) == 7
    assert bench.results[-1].prediction.compare is None


async def test_what_is_held_steady_ends_with_the_map_and_the_kind_of_box_and_the_class_does_not(bench: Bench) -> None:
    frames = 0
    for change, kept in ({"threshold": 0.4}, True), ({"box": "components"}, False), ({"map": "plain"}, False):
        await bench.push(3000 * frames)
        changed = Settings(bench.stream.settings).changed(change).analysis
        bench.stream.analyse_with(changed, sides(changed))
        await bench.push(3000 * (frames + 1))
        before, after = (job.request for job in bench.engine.jobs[-2:])
        assert after.tracker is before.tracker
        assert (after.steady is before.steady) == kept
        frames += 2


async def test_a_chosen_class_is_each_sides_own_index(bench: Bench) -> None:
    chosen = Settings().changed({"compare": "n", "classes": ["c"]}).analysis
    bench.stream.analyse_with(chosen, sides(chosen))
    await bench.push(0)
    assert [job.request.analysis.classes for job in bench.engine.jobs] == [(2,), (0,)]
    assert [job.request.tracker for job in bench.engine.jobs] == [None, None]
