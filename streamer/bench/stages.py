"""Milliseconds per stage of one frame, in this process and with nothing else running: resize, graph, boxes, paint."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import av
import numpy as np

from seekcam.localization.bars import BarTracker
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pipeline import FrameRequest, localize_batch
from seekcam.localization.settings import AnalysisSettings, PaintSettings, resolve
from seekcam.localization.stream_memory import Following
from seekcam.streamer.bench.moving_photograph import LOOP, MovingPhotograph
from seekcam.streamer.media.closer import cut_of
from seekcam.streamer.media.frames import fit_frame, luma, paint_frame

STAGES = ("resize", "graph", "boxes", "paint")
WARM_UP = 5  # batches that are not counted
MIN_BATCHES = 5


@dataclass(frozen=True)
class Spread:
    """The middle and the slow end of many measurements."""

    p50: float
    p95: float


@dataclass(frozen=True)
class StageResult:
    """One batch size; milliseconds are per frame."""

    batch: int
    fps: float  # frames per second of all stages one after the other, on one thread of ours
    frames: int
    ms: dict[str, Spread]  # by stage


def spread(values: Sequence[float]) -> Spread:
    """Median and 95th percentile of at least one value."""
    p50, p95 = np.percentile(values, [50, 95])
    return Spread(round(float(p50), 3), round(float(p95), 3))


def measure_stages(
    model: LocalizationModel, clip: MovingPhotograph, batch: int, seconds: float, settings: AnalysisSettings
) -> StageResult:
    """Localize in the clip's frames, `batch` at a time, for about `seconds`, with the painting of each frame."""
    analysis = resolve(settings, model.card)
    pasts = [(Following(), BarTracker()) for _ in range(batch)]
    paint = PaintSettings()
    clips = [clip.frame(number) for number in range(LOOP)]  # decoding is not what is measured
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    totals: list[float] = []
    ends = float("inf")
    done = 0
    while len(totals) < MIN_BATCHES or time.perf_counter() < ends:
        pictures = [clips[(done * batch + i) % LOOP] for i in range(batch)]
        requests = [past.request(analysis, done / 30) for past, _ in pasts]
        ms, total = _one_batch(model, pictures, requests, [bars for _, bars in pasts], paint)
        done += 1
        if done <= WARM_UP:
            ends = time.perf_counter() + seconds
            continue
        totals.append(total)
        for stage, value in ms.items():
            times[stage].append(value / batch)
    frames = batch * len(totals)
    fps = round(frames * 1e3 / sum(totals), 2)
    return StageResult(batch, fps, frames, {stage: spread(values) for stage, values in times.items()})


def _one_batch(
    model: LocalizationModel,
    frames: Sequence[av.VideoFrame],
    requests: Sequence[FrameRequest],
    bars: Sequence[BarTracker],
    paint: PaintSettings,
) -> tuple[dict[str, float], float]:
    """Milliseconds of each stage for the whole batch, and of all of them."""
    marks = [time.perf_counter()]
    regions = [
        tracker.update(luma(frame), asked.pts) for tracker, frame, asked in zip(bars, frames, requests, strict=True)
    ]
    fitted = [
        fit_frame(frame, model.card.input_size, model.card.resize, region)
        for frame, region in zip(frames, regions, strict=True)
    ]
    requests = [replace(asked, region=region) for asked, region in zip(requests, regions, strict=True)]
    marks.append(time.perf_counter())
    predictions = localize_batch(model, fitted, requests, [cut_of(frame, model.card) for frame in frames])
    marks.append(time.perf_counter())
    for frame, prediction in zip(frames, predictions, strict=True):
        paint_frame(frame, prediction, paint)
    marks.append(time.perf_counter())
    resize, localized, painted = (float(value) * 1e3 for value in np.diff(marks))
    boxes = sum(prediction.ms["boxes"] for prediction in predictions)
    return {"resize": resize, "graph": localized - boxes, "boxes": boxes, "paint": painted}, (
        marks[-1] - marks[0]
    ) * 1e3
