"""Is the class that was asked for boxed, and not what stands beside it? `python -m seekcam.studies.two_pictures DATA`.

Two photographs of different classes stand beside each other in one frame, twice as wide as high. The class of one of
them is asked for, left and right in turns, and its box is judged against that picture's own true boxes, by every map
that the model makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from seekcam.datasets.dataset import LabelledPicture
from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.class_match import match_classes
from seekcam.evaluation.metrics import best_iou
from seekcam.localization.card import MapKind
from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import Pixels, read_picture, squash
from seekcam.localization.pipeline import localize
from seekcam.localization.region import Region, box_in_frame
from seekcam.localization.settings import AnalysisSettings
from seekcam.studies.clips.clip_scores import paired
from seekcam.studies.study import run

SIDE = 320  # pixels of each picture in the frame
MAX_PIXELS = 10**8
RIGHT_IOU = 0.5
LEFT: Region = (0.0, 0.0, 0.5, 1.0)
RIGHT: Region = (0.5, 0.0, 1.0, 1.0)
KINDS: tuple[MapKind, ...] = ("objectness", "spread", "plain")


@dataclass(frozen=True)
class Pair:
    """A picture that is asked for, and the one that stands beside it."""

    asked: LabelledPicture
    label: int  # the model's index of its class
    beside: LabelledPicture
    place: Region  # of the one that is asked for


def pairs_of(known: Sequence[tuple[LabelledPicture, int]], seed: int) -> list[Pair]:
    """Every picture once as the one that is asked for, beside one of another class where there is one."""
    order = np.random.default_rng(seed).permutation(len(known))
    found = []
    for place, first in enumerate(order):
        asked, label = known[first]
        others = (known[order[(place + step) % len(known)]] for step in range(1, len(known)))
        beside = next((picture for picture, other in others if other != label), None)
        if beside is not None:
            found.append(Pair(asked, label, beside, LEFT if place % 2 else RIGHT))
    return found


def frame_of(pair: Pair) -> Pixels:
    """The two pictures in one frame, RGB uint8 [SIDE, 2 SIDE, 3]."""
    asked, beside = (squash(read_picture(p.path, MAX_PIXELS), SIDE, "linear") for p in (pair.asked, pair.beside))
    return np.concatenate([asked, beside] if pair.place == LEFT else [beside, asked], axis=1)


def main(
    data: Annotated[Path, typer.Argument(help="A folder of labelled pictures with boxes.")],
    model: Annotated[str, typer.Option(help="Name or file of a model.")] = DEFAULT_MODEL,
    pictures: Annotated[int, typer.Option(min=2, help="How many at most, spread over the folder.")] = 10**6,
    seed: Annotated[int, typer.Option(min=0, help="Of who stands beside whom.")] = 0,
) -> None:
    """Measure and print a table with a row for each kind of map."""
    console = Console(highlight=False)
    localizer = LocalizationModel(ModelLibrary().ensure(model), "cpu")
    found = read_pictures(data)
    own = match_classes(localizer.card, found)
    boxed = [each for part in found.parts.values() for each in part if each.boxes]
    known = [(each, label) for each in boxed if (label := own[each.label]) is not None]
    chosen = [known[int(at)] for at in np.linspace(0, len(known) - 1, min(pictures, len(known)))] if known else []
    pairs = pairs_of(chosen, seed)
    if len(pairs) < 2:
        raise UserError(f"{data} has no two pictures with boxes of classes that {model} tells apart: give others.")
    kinds = [kind for kind in KINDS if kind in localizer.card.maps]
    ious: dict[MapKind, list[float]] = {kind: [] for kind in kinds}
    for pair in track(pairs, "Looking at two pictures", console=console, transient=True):
        frame = frame_of(pair)
        for kind in kinds:
            ious[kind].append(_iou(localizer, frame, pair, kind))
    right = {kind: [100.0 * (iou >= RIGHT_IOU) for iou in values] for kind, values in ious.items()}
    console.print(f"| {model}, {len(pairs)} pairs | GT-known | against the first | mean IoU |\n|---|---|---|---|")
    for kind in kinds:
        against = paired(right[kind], right[kinds[0]])
        mean, overlap = np.mean(right[kind]), 100 * np.mean(ious[kind])
        console.print(f"| {kind} map | {mean:.1f} | {against.mean:+.1f} ± {against.error:.1f} | {overlap:.1f} |")


def _iou(model: LocalizationModel, frame: Pixels, pair: Pair, kind: MapKind) -> float:
    prediction = localize(model, frame, AnalysisSettings(classes=(pair.label,), map=kind))
    width, height = pair.asked.size or (0, 0)
    if not width:
        picture = read_picture(pair.asked.path, MAX_PIXELS)
        height, width = picture.shape[:2]
    truths = [(x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in pair.asked.boxes]
    placed = [box_in_frame(truth, pair.place) for truth in truths]
    return best_iou([box.box for box in prediction.boxes], placed)


if __name__ == "__main__":
    run("two_pictures", main)
