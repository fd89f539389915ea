"""What a second look at small things is worth, and costs: `python -m seekcam.studies.small_things DATA`.

DATA is a folder of labelled pictures with boxes. Three materials are made of it: the photographs as they are; frames of
up to 1280 x 720 in which the thing of one photograph is small before another; and clips in which it moves while the
camera pans (`studies/small_frames.py`). The class asked for is the label's, or the photograph's top class where the
model has no such label. Each picture is localized in with one look and with two, as uploads are, and each clip frame by
frame, as streams are; differences are paired, with standard errors over pictures or clips.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from seekcam.datasets.dataset import LabelledPicture
from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.class_match import match_classes
from seekcam.evaluation.metrics import best_iou
from seekcam.evaluation.paired import paired_difference
from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture
from seekcam.localization.pipeline import FrameRequest, cut_picture, fit_picture, localize_batch, look_again
from seekcam.localization.prediction import Prediction, Rectangle
from seekcam.localization.second_look import SecondLooks, area
from seekcam.localization.settings import AnalysisSettings, resolve
from seekcam.studies.results.markdown import markdown_table, signed, with_error
from seekcam.studies.small_frames import FPS, panned, still, thing_of
from seekcam.studies.study import run

EDGES = (0.02, 0.05, 0.15, 0.35)  # of the frame: where the thing's sizes are parted
NAMES = ("under 2 %", "2 to 5 %", "5 to 15 %", "15 to 35 %", "over 35 %")
HEADINGS = ("size of the thing", "n", "GT-known", "with second look", "gain", "at IoU .7", "mean IoU", "looked again")
MAX_PIXELS = 10**8


@dataclass(frozen=True)
class Outcome:
    """One picture, or one clip (means over its frames): IoU with one look and with two, and what the second cost."""

    share: float  # of the frame, of the thing's box
    once: tuple[float, float, float]  # hit at .5, hit at .7, IoU
    twice: tuple[float, float, float]
    looked: float  # share of the frames that were looked at twice
    ms: tuple[float, float]  # a frame, with one look and with what two make on average


def outcome(
    model: LocalizationModel, frames: Sequence[NDArray[np.uint8]], truths: Sequence[Sequence[Rectangle]], held: int,
    looks: SecondLooks | None = None,
) -> Outcome:  # fmt: skip
    """Localize in one picture, or in the frames of a stream (`looks`), with the class `held`."""
    analysis = resolve(AnalysisSettings(classes=(held,)), model.card)
    rows = []
    for number, (frame, truth) in enumerate(zip(frames, truths, strict=True)):
        request = FrameRequest(analysis, pts=number / FPS, looks=looks)
        begun = time.perf_counter()
        (once,) = localize_batch(model, [fit_picture(frame, model.card)], [replace(request, looks=None)])
        middle = time.perf_counter()
        runs = _Counted(partial(cut_picture, frame, model.card))
        twice = look_again(model, once, request, runs)
        end = time.perf_counter()
        rows.append((*_hits(once, truth), *_hits(twice, truth), runs.count, middle - begun, end - begun))
    mean = [float(value) for value in np.mean(rows, axis=0)]
    return Outcome(
        max(area(box) for box in truths[0]),
        (mean[0], mean[1], mean[2]),
        (mean[3], mean[4], mean[5]),
        mean[6],
        (mean[7] * 1e3, mean[8] * 1e3),
    )


class _Counted:
    """A cut that counts itself."""

    def __init__(self, cut: partial[tuple[NDArray[np.uint8], Rectangle]]) -> None:
        self._cut = cut
        self.count = 0

    def __call__(self, region: Rectangle) -> tuple[NDArray[np.uint8], Rectangle]:
        self.count += 1
        return self._cut(region)


def _hits(prediction: Prediction, truths: Sequence[Rectangle]) -> tuple[float, float, float]:
    value = best_iou([box.box for box in prediction.boxes], truths)
    return float(value >= 0.5), float(value >= 0.7), value


def report(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table with a line for each size that occurs twice, and one for all; percent."""
    bins = np.searchsorted(EDGES, [each.share for each in outcomes], side="right")
    groups = [[each for each, b in zip(outcomes, bins, strict=True) if b == place] for place in range(len(NAMES))]
    named = [*zip(NAMES, groups, strict=True), ("all", list(outcomes))]
    return markdown_table(HEADINGS, [_line(name, group) for name, group in named if len(group) > 1])


def _line(name: str, group: Sequence[Outcome]) -> tuple[str, ...]:
    once, twice = (100 * np.array([getattr(each, which) for each in group]).T for which in ("once", "twice"))
    hits, strict, ious = (paired_difference(b[np.newaxis], a[np.newaxis]) for a, b in zip(once, twice, strict=True))
    return (
        name,
        str(len(group)),
        f"{once[0].mean():.1f}",
        f"{twice[0].mean():.1f}",
        with_error(hits),
        with_error(strict),
        with_error(ious),
        f"{100 * np.mean([each.looked for each in group]):.0f} %",
    )


def cost(outcomes: Sequence[Outcome]) -> str:
    """Milliseconds a frame, as a sentence."""
    once, twice = np.mean([each.ms for each in outcomes], axis=0)
    return (
        f"{once:.2f} ms a frame with one look, {twice:.2f} ms with what follows: {signed(100 * (twice / once - 1))} %."
    )


def main(
    data: Annotated[Path, typer.Argument(help="A folder of labelled pictures with boxes, in any layout.")],
    model: Annotated[str, typer.Option(help="A library model's name, or a file.")] = DEFAULT_MODEL,
    pictures: Annotated[int, typer.Option(min=2, help="How many at most, spread over the folder.")] = 300,
    clips: Annotated[int, typer.Option(min=2, help="How many of them make a clip, at most.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the frames that are made.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes every core.")] = 0,
) -> None:
    """Measure, and print a table for each material."""
    console = Console(highlight=False, soft_wrap=True)
    library = ModelLibrary()
    localizer = LocalizationModel(library.ensure(model) if model in library.names() else Path(model), "cpu", threads)
    labelled = read_pictures(data)
    boxed = [each for part in labelled.parts.values() for each in part if each.boxes]
    if len(boxed) < 2:
        raise UserError(f"The pictures in {data} have no boxes: nothing can be measured on them.")
    chosen = [boxed[int(place)] for place in np.linspace(0, len(boxed) - 1, min(pictures, len(boxed)))]
    own = match_classes(localizer.card, labelled)
    random = np.random.default_rng(seed)
    found: dict[str, list[Outcome]] = {"photographs": [], "made frames": [], "clips": []}
    step = max(1, len(chosen) // clips)
    for place, each in enumerate(track(chosen, "Looking", console=console, transient=True)):
        photograph, truths = _read(each)
        held = own[each.label]
        if held is None:
            held = _top(localizer, photograph)
        found["photographs"].append(outcome(localizer, [photograph], [truths], held))
        if len(truths) > 1:
            continue  # of several things one would stay behind
        height, width = photograph.shape[:2]
        x0, y0, x1, y1 = truths[0]
        thing = thing_of(photograph, (x0 * width, y0 * height, x1 * width, y1 * height))
        background, _ = _read(chosen[int(random.integers(len(chosen)))])
        scene = still(thing, background, random)
        found["made frames"].append(outcome(localizer, [scene.picture], [(scene.truth,)], held))
        if place % step == 0 and len(found["clips"]) < clips:
            scenes = list(panned(thing, background, random))
            frames, there = [scene.picture for scene in scenes], [(scene.truth,) for scene in scenes]
            found["clips"].append(outcome(localizer, frames, there, held, SecondLooks()))
    for name, outcomes in found.items():
        console.print(f"\n{name} of {labelled.name}, {localizer.card.name}\n\n{report(outcomes)}\n{cost(outcomes)}")


def _read(each: LabelledPicture) -> tuple[NDArray[np.uint8], tuple[Rectangle, ...]]:
    pixels = read_picture(each.path, MAX_PIXELS)
    width, height = each.size or (pixels.shape[1], pixels.shape[0])
    return pixels, tuple((x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in each.boxes)


def _top(model: LocalizationModel, photograph: NDArray[np.uint8]) -> int:
    request = FrameRequest(resolve(AnalysisSettings(box="none"), model.card))
    (prediction,) = localize_batch(model, [fit_picture(photograph, model.card)], [request])
    return prediction.top[0].index


if __name__ == "__main__":
    run("small_things", main)
