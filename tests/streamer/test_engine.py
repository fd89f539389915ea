"""The engine of this machine: models by name, loaded once, run on the inference thread."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from skimage import data

from seekcam.localization.bars import BarTracker
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pipeline import FrameRequest
from seekcam.localization.region import box_in_frame
from seekcam.localization.settings import AnalysisSettings, resolve
from seekcam.streamer import engine as engine_module
from seekcam.streamer.engine import Job, LocalEngine


@pytest.fixture
async def engine(default_model_path: Path) -> AsyncIterator[LocalEngine]:
    opened = LocalEngine(dict.fromkeys(("a", "b", "c"), default_model_path), "cpu")
    yield opened
    await opened.close()


async def job(engine: LocalEngine, model: str, picture: object) -> Job:
    request = FrameRequest(resolve(AnalysisSettings(), await engine.card(model)))
    return Job(model, picture, request)  # type: ignore[arg-type]


async def test_a_video_frame_and_a_picture_mean_the_same(engine: LocalEngine) -> None:
    chelsea = np.ascontiguousarray(np.asarray(data.chelsea())[:, :450])
    frame = av.VideoFrame.from_ndarray(chelsea, format="rgb24").reformat(format="yuv420p")
    still, moving = [(await engine.submit([await job(engine, "a", picture)]))[0] for picture in (chelsea, frame)]
    assert still.top[0].name == moving.top[0].name == "Egyptian cat"
    assert still.boxes[0].box == pytest.approx(moving.boxes[0].box, abs=0.03)
    assert {"prepare", "infer", "boxes"} <= set(still.ms)


async def test_bars_of_a_stream_are_left_out_once_they_have_stood_and_of_a_picture_at_once(engine: LocalEngine) -> None:
    chelsea = np.asarray(data.chelsea())[:, :450]
    height = len(chelsea)
    framed = np.pad(chelsea, ((60, 60), (0, 0), (0, 0)))
    region = (0.0, 60 / (height + 120), 1.0, 1 - 60 / (height + 120))
    frame = av.VideoFrame.from_ndarray(framed, format="rgb24").reformat(format="yuv420p")
    bars = BarTracker()
    asked = await job(engine, "a", frame)
    boxes = []
    for pts in np.arange(0, 1, 0.1):
        one = replace(asked, request=replace(asked.request, pts=float(pts)), bars=bars)
        boxes.append((await engine.submit([one]))[0].boxes[0].box)
    whole, inside = [(await engine.submit([await job(engine, "a", picture)]))[0] for picture in (framed, chelsea)]
    expected = box_in_frame(inside.boxes[0].box, region)
    assert whole.boxes[0].box == pytest.approx(expected, abs=0.01)
    assert boxes[-1] == pytest.approx(expected, abs=0.03)
    assert len(set(boxes)) == 2
    assert boxes.index(boxes[-1]) == 5  # half a second


async def test_the_card_of_a_model_is_known_without_loading_it(engine: LocalEngine) -> None:
    assert (await engine.card("a")).name == "efficientnet-lite0"
    assert engine.loaded() == {}


async def test_a_model_loads_once_however_many_ask(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_file(path: Path, provider: str, threads: int) -> LocalizationModel:
        opened.append(path.name)
        return LocalizationModel(path, provider, threads)

    monkeypatch.setattr(engine_module, "LocalizationModel", open_file)
    one, two = await asyncio.gather(engine.load("a"), engine.load("a"))
    assert one == two
    assert (one.card.name, one.provider) == ("efficientnet-lite0", "cpu")
    assert len(opened) == 1


async def test_the_least_recently_used_model_leaves(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_LOADED", 2)
    black = np.zeros((8, 8, 3), np.uint8)
    for model in ("a", "b", "a", "c"):
        await engine.submit([await job(engine, model, black)])
    assert set(engine.loaded()) == {"a", "c"}


async def test_the_loop_is_free_while_a_slow_model_runs(default_model_path: Path) -> None:
    engine = LocalEngine({"a": default_model_path}, "cpu", slow_ms=200)
    await engine.load("a")
    waiting = asyncio.create_task(engine.submit([await job(engine, "a", np.zeros((8, 8, 3), np.uint8))]))
    turns = 0
    started = time.monotonic()
    while not waiting.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > 5
    assert time.monotonic() - started >= 0.2
    await engine.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(("inference", "loading"))]
