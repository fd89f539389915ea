"""A cut for each picture? `python -m seekcam.studies.picture_cuts DATA` with labelled pictures that have boxes.

The objectness map is cut at a constant. With the best cut for each picture many more boxes would be right, so ways that
know no boxes (`cut_ways.py`) choose one here, on the outputs of the exported model. The second look is that of another
file, such as the same network at a finer input. The pull of a way, its one number, is the one that gives the best boxes
on the other half of the pictures, and so is the constant of the control: a way that only shifts the cut is not better
than a shifted constant. The learned way is taught by the second looks at the other half, without its boxes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, cast

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from seekcam.datasets.read_pictures import read_pictures
from seekcam.datasets.readable import MAX_PIXELS
from seekcam.evaluation.class_match import match_classes
from seekcam.evaluation.metrics import best_iou
from seekcam.evaluation.paired import paired_difference
from seekcam.evaluation.scoring import chosen_part
from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture
from seekcam.localization.pipeline import fit_picture
from seekcam.localization.prediction import Rectangle
from seekcam.studies.cut_ways import (
    CUTS,
    FIXED,
    WAYS,
    Float32,
    Float64,
    Indices,
    Maps,
    box_at,
    boxes_at,
    choose,
    overlaps,
    statistics,
    taught,
)
from seekcam.studies.results.markdown import markdown_table, with_error
from seekcam.studies.study import run

SIDE = 224  # pixels: the grid on which boxes are measured
PULLS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
Pixels = NDArray[np.uint8]
Looked = tuple[Maps, tuple[Rectangle, ...]]  # a picture's maps and its boxes, all in [0, 1] of the picture


def between_bars(picture: Pixels, truths: Sequence[Rectangle], share: float) -> tuple[Pixels, tuple[Rectangle, ...]]:
    """A picture [H, W, 3] and its boxes between black bars above and below that take `share` of the height, both."""
    height = picture.shape[0]
    bar = round(height * share / (1 - share) / 2)
    tall = height + 2 * bar
    moved = [(x0, (bar + y0 * height) / tall, x1, (bar + y1 * height) / tall) for x0, y0, x1, y1 in truths]
    return np.pad(picture, ((bar, bar), (0, 0), (0, 0))), tuple(moved)


def cross_fitted(scores: Float64, ious: Float64) -> Indices:
    """Each picture's cut, indices [N] into CUTS, with the pull that is best on the other half of the pictures.

    Args:
        scores: [N, C] of a way.
        ious: [N, C], IoU of the box at each cut with the picture's boxes. Right boxes count as much as mean IoU.
    """
    chosen = np.full(len(scores), FIXED, np.intp)
    even = np.arange(len(scores)) % 2 == 0
    for half in (even, ~even):
        merits = []
        for pull in PULLS:
            taken = ious[~half][np.arange((~half).sum()), choose(scores[~half], pull)]
            merits.append(float((taken >= 0.5).mean() + taken.mean()))
        chosen[half] = choose(scores[half], PULLS[int(np.argmax(merits))])
    return chosen


def taught_scores(pictures: list[Maps]) -> Float64:
    """[N, C]: the learned way's scores, each half's by the weights that the other half's second looks have taught."""
    inputs = np.stack([statistics(maps) for maps in pictures])
    scores = np.zeros(inputs.shape[:2])
    scores[0::2] = inputs[0::2] @ taught(pictures[1::2])
    scores[1::2] = inputs[1::2] @ taught(pictures[0::2])
    return scores


def best_constant(ious: Float64) -> Indices:
    """For each picture the one constant cut that is best on the other half, indices [N] into CUTS."""
    chosen = np.full(len(ious), FIXED, np.intp)
    for own, other in ((0, 1), (1, 0)):
        rest = ious[other::2]
        chosen[own::2] = int(np.argmax((rest >= 0.5).mean(0) + rest.mean(0)))
    return chosen


def rows(looked: Sequence[Looked]) -> list[list[str]]:
    """The table's lines: each way against the constant cut, with paired standard errors."""
    pictures = [maps for maps, _ in looked]
    ious = np.stack([overlaps(maps.boxes, np.array(truths)).max(1) for maps, truths in looked])
    cuts = {name: cross_fitted(np.stack([way(maps) for maps in pictures]), ious) for name, way in WAYS.items()}
    cuts["statistics, taught by the second look"] = cross_fitted(taught_scores(pictures), ious)
    cuts["one constant, the other half's best"] = best_constant(ious)
    base = ious[:, FIXED]
    lines = [_line("the constant cut, .5", base, base, CUTS[[FIXED]])]
    lines += [_line(name, ious[np.arange(len(ious)), chosen], base, CUTS[chosen]) for name, chosen in cuts.items()]
    smooth = np.array([best_iou([box_at(bicubic(maps.grid), 0.5)], truths) for maps, truths in looked])
    lines.append(_line("the constant cut of the map enlarged bicubically", smooth, base, CUTS[[FIXED]]))
    lines.append(_line("(the best for each picture, by its boxes)", ious.max(1), base, CUTS[ious.argmax(1)]))
    return lines


def bicubic(grid: Float32) -> Float32:
    """A map on the grid on which boxes are measured, enlarged by cubic instead of linear interpolation."""
    return cast("Float32", cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def _line(name: str, ours: Float64, base: Float64, cuts: Float64) -> list[str]:
    cells = [name]
    for right in (0.5, 0.7, None):  # None: the mean of the IoU itself
        own, before = (100 * (v if right is None else (v >= right).astype(np.float64))[None] for v in (ours, base))
        cells += [f"{own.mean():.1f}", "" if ours is base else with_error(paired_difference(own, before))]
    return [*cells, f"{cuts.mean():.3f}"]


def _maps(model: LocalizationModel, picture: Pixels, wanted: int) -> tuple[Float32, Float32, int]:
    """Objectness map and plane of a class, of the model's top class where `wanted` is -1; and which class it was."""
    row = np.full((1, model.card.mapped), -1, np.int64)
    row[0, 0] = wanted
    method = np.array([model.card.methods.index(model.card.default_method)], np.int64)
    raw = model.run(fit_picture(picture, model.card)[None], row, method, ["chosen", "spread", "objectness"])
    grid, plane = (cast("Float32", raw[name][0, 0]) for name in ("spread", "objectness"))
    return grid, plane, int(raw["chosen"][0, 0])


def _look_at(data: Path, models: Sequence[LocalizationModel], bars: float, limit: int) -> Iterator[Looked]:
    labelled = read_pictures(data)
    own = match_classes(models[0].card, labelled)
    boxed = [each for each in chosen_part(labelled)[1] if each.boxes]
    if len(boxed) < 4:
        raise UserError(f"There are not four pictures with boxes in {data}: give a folder that has some.")
    places = np.linspace(0, len(boxed) - 1, min(limit, len(boxed)))
    for place in track(places, "Looking", console=Console(stderr=True), transient=True):
        each = boxed[int(place)]
        picture = read_picture(each.path, MAX_PIXELS)
        width, height = each.size or (picture.shape[1], picture.shape[0])
        truths = tuple((x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in each.boxes)
        if bars:
            picture, truths = between_bars(picture, truths, bars)
        label = own[each.label]
        grid, plane, shown = _maps(models[0], picture, -1 if label is None else label)
        second, _, _ = _maps(models[1], picture, shown)
        yield Maps(grid, plane, boxes_at(grid), boxes_at(second)), truths


def main(
    data: Annotated[Path, typer.Argument(help="Labelled pictures with boxes, in any layout that `evaluate` reads.")],
    model: Annotated[str, typer.Option(help="A model with an objectness head.")] = DEFAULT_MODEL,
    second: Annotated[str, typer.Option(help="Who takes the second look: a model of the same classes.")] = (
        f"{DEFAULT_MODEL}-288"
    ),
    bars: Annotated[float, typer.Option(min=0, max=0.8, help="Share of the height that black bars take.")] = 0.0,
    limit: Annotated[int, typer.Option(min=4, help="Pictures at most, spread over the data.")] = 10_000,
) -> None:
    """Print a Markdown table: each way against the constant cut; bold is beyond two paired standard errors.

    A picture whose class the model does not know is looked at for the model's own top class.
    """
    models = [LocalizationModel(ModelLibrary().ensure(name), "cpu") for name in (model, second)]
    for each in models:
        if not each.card.objectness:
            raise UserError(f"{each.card.name} has no objectness head: choose a model that has one.")
    if models[0].card.class_ids != models[1].card.class_ids:
        raise UserError(f"{model} and {second} know different classes: a second look is one at the same class.")
    looked = list(_look_at(data, models, bars, limit))
    headings = ["cut", "IoU .5", "±", "IoU .7", "±", "mean IoU", "±", "mean cut"]
    Console(highlight=False).print(f"{model} on {len(looked)} pictures of {data.name}, black bars {bars:.0%}\n")
    typer.echo(markdown_table(headings, rows(looked)))


if __name__ == "__main__":
    run("picture_cuts", main)
