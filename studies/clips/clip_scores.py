"""How a stream's boxes are judged: whether they hold the thing, and how much they jump from frame to frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seekcam.evaluation.metrics import best_iou
from seekcam.localization.bars import BarTracker
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import Pixels
from seekcam.localization.pipeline import FrameRequest, fit_picture, interpret, run_graph
from seekcam.localization.prediction import Rectangle
from seekcam.localization.region import WHOLE, Region
from seekcam.localization.settings import AnalysisSettings, resolve
from seekcam.localization.steady import Steady
from seekcam.studies.clips.clip import Clip

WAYS = ("spread, frame by frame", "objectness, frame by frame", "objectness, as a stream")
BATCH = 16
NOWHERE: Rectangle = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class ClipScore:
    """Of one clip, in percent: mean IoU with the true boxes, and mean 1 - IoU of consecutive boxes."""

    iou: float
    flicker: float


@dataclass(frozen=True)
class PairedScores:
    """The mean difference of two ways on the same clips, and its standard error."""

    mean: float
    error: float


def judge(boxes: Sequence[Rectangle], truths: Sequence[Rectangle]) -> ClipScore:
    """Boxes of at least two frames against the true ones; a frame without a box has `NOWHERE`, which overlaps none."""
    held = [best_iou([box], [truth]) for box, truth in zip(boxes, truths, strict=True)]
    jumps = [1 - best_iou([before], [after]) for before, after in pairwise(boxes)]
    return ClipScore(100 * float(np.mean(held)), 100 * float(np.mean(jumps)))


def paired(values: Sequence[float], others: Sequence[float]) -> PairedScores:
    """`values` less `others`, pair by pair; at least two pairs."""
    differences = np.subtract(values, others)
    return PairedScores(float(differences.mean()), float(differences.std(ddof=1) / len(differences) ** 0.5))


def follow(model: LocalizationModel, clip: Clip) -> dict[str, list[Rectangle]]:
    """The box of the clip's class in every frame, by each of `WAYS`.

    Frame by frame nothing is carried from one to the next; a stream leaves black bars out and holds its box steady.
    """
    spread, objectness = (
        resolve(AnalysisSettings(map=kind, classes=(clip.label,)), model.card) for kind in ("spread", "objectness")
    )
    steady, bars = Steady(), BarTracker()
    times = np.arange(len(clip.frames)) / clip.fps
    regions = [bars.update(frame, pts) for frame, pts in zip(clip.frames, times, strict=True)]
    boxes: dict[str, list[Rectangle]] = {way: [] for way in WAYS}
    for first in range(0, len(clip.frames), BATCH):
        frames = list(zip(clip.frames, times, regions, strict=True))[first : first + BATCH]
        # Of requests for both maps in turn the graph gives both of every frame.
        wanted = [FrameRequest((spread, objectness)[number % 2]) for number in range(max(2, len(frames)))]
        whole = run_graph(model, _fitted(model, [(frame, WHOLE) for frame, _, _ in frames], len(wanted)), wanted)
        inner = whole
        if any(region != WHOLE for _, _, region in frames):
            inner = run_graph(model, _fitted(model, [(frame, part) for frame, _, part in frames], len(wanted)), wanted)
        for index, (_, pts, region) in enumerate(frames):
            stream = FrameRequest(objectness, None, float(pts), region, steady=steady)
            for way, raw, request in (
                (WAYS[0], whole, FrameRequest(spread)),
                (WAYS[1], whole, FrameRequest(objectness)),
                (WAYS[2], inner, stream),
            ):
                found = interpret(model.card, raw, index, request).boxes
                boxes[way].append(found[0].box if found else NOWHERE)
    return boxes


def _fitted(model: LocalizationModel, parts: Sequence[tuple[Pixels, Region]], count: int) -> list[Pixels]:
    """The parts of frames as the model takes them, the last one again until there are `count`."""
    fitted = [fit_picture(frame, model.card, region) for frame, region in parts]
    return fitted + fitted[-1:] * (count - len(fitted))
