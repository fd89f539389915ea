"""The painter keeps one frame waiting at most, and the newest wins."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import PaintSettings
from seekcam.streamer.media.frames import paint_frame
from seekcam.streamer.stream import Arrival, Result
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers import painter as painter_module
from seekcam.streamer.viewers.painter import Painter


def unexpected(error: UserError) -> None:
    raise AssertionError(error)


def result(number: int) -> Result:
    frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * number, np.uint8), format="rgb24")
    frame.pts = number
    return Result(Arrival(frame, float(number), number, 0.0), Prediction("m", "cam", (), ms={"infer": 1.0}))


async def test_while_one_is_painted_only_the_newest_waits() -> None:
    shown: list[tuple[int, int]] = []
    may_paint = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(may_paint.wait, 10)  # the paint thread is busy until the test says otherwise
        painter = Painter(
            executor,
            PaintSettings,
            lambda frame, of, _: shown.append((int(frame.pts or 0), of.arrival.number)),
            unexpected,
            Telemetry(),
        )
        for number in range(4):
            painter.offer(result(number))
            await asyncio.sleep(0)
        may_paint.set()
        async with asyncio.timeout(10):
            while len(shown) < 2:
                await asyncio.sleep(0.01)
        await painter.close()
    assert shown == [(0, 0), (3, 3)]


async def test_the_source_frame_stays_as_it_is_and_the_stages_are_completed() -> None:
    done: list[Prediction] = []
    given = result(2)
    before = given.picture.to_ndarray(format="rgb24").copy()
    with ThreadPoolExecutor(1) as executor:
        painter = Painter(
            executor,
            lambda: PaintSettings(mirror=True),
            lambda *painted: done.append(painted[2]),
            unexpected,
            Telemetry(),
        )
        painter.offer(given)
        async with asyncio.timeout(10):
            while not done:
                await asyncio.sleep(0.01)
        await painter.close()
    assert np.array_equal(given.picture.to_ndarray(format="rgb24"), before)
    assert set(done[0].ms) == {"infer", "paint", "total"}
    assert done[0].ms["total"] >= done[0].ms["paint"] > 0


async def test_a_frame_that_cannot_be_painted_is_reported_and_the_next_one_is_painted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[int] = []
    errors: list[UserError] = []

    def paint_even(frame: av.VideoFrame, prediction: Prediction, paint: PaintSettings) -> av.VideoFrame:
        if frame.pts == 1:
            raise RuntimeError("no more memory")
        return paint_frame(frame, prediction, paint)

    monkeypatch.setattr(painter_module, "paint_frame", paint_even)
    with ThreadPoolExecutor(1) as executor:
        painter = Painter(
            executor, PaintSettings, lambda frame, of, _: shown.append(of.arrival.number), errors.append, Telemetry()
        )
        for number in (1, 2):
            painter.offer(result(number))
            async with asyncio.timeout(10):
                while len(shown) + len(errors) < number:
                    await asyncio.sleep(0.01)
        await painter.close()
    assert shown == [2]
    assert "log says why" in str(errors[0])
