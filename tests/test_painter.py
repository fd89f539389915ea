"""The painter keeps one frame waiting at most, and the newest wins."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np

from localization.prediction import Prediction
from localization.settings import PaintSettings
from streamer.painter import Painter
from streamer.stream import Arrival, Result
from streamer.telemetry import Telemetry


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
            executor, lambda: PaintSettings(mirror=True), lambda *painted: done.append(painted[2]), Telemetry()
        )
        painter.offer(given)
        async with asyncio.timeout(10):
            while not done:
                await asyncio.sleep(0.01)
        await painter.close()
    assert np.array_equal(given.picture.to_ndarray(format="rgb24"), before)
    assert set(done[0].ms) == {"infer", "paint", "total"}
    assert done[0].ms["total"] >= done[0].ms["paint"] > 0
