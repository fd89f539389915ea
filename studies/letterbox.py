"""What do black bars cost? `python -m seekcam.studies.letterbox DATA` with labelled pictures that have boxes.

Every picture is put between bars twice, as JPEG: squashed to 4:3 in a 16:9 frame ("pillarbox") and to 16:9 in a 4:3
frame ("letterbox"). The box of the label's class in the copy, in coordinates of what is between the bars, is judged
as in the picture itself: with the bars looked at, and left out as streams, uploads and `evaluate` do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from seekcam.datasets.dataset import LabelledPicture
from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.class_match import match_classes
from seekcam.evaluation.metrics import best_iou
from seekcam.localization.bars import find_bars
from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import Pixels, decode_picture, read_picture
from seekcam.localization.pipeline import FrameRequest, fit_picture, localize_batch
from seekcam.localization.prediction import Rectangle
from seekcam.localization.region import WHOLE, Region, box_in_frame
from seekcam.localization.settings import AnalysisSettings, resolve
from seekcam.studies.clips.clip_scores import paired
from seekcam.studies.study import run

# Width and height of the picture, and of the frame around it, in pixels.
COPIES = {"pillarbox": ((640, 480), (854, 480)), "letterbox": ((640, 360), (640, 480))}
MAX_PIXELS = 10**8
RIGHT_IOU = 0.5


def framed(picture: Pixels, inner: tuple[int, int], outer: tuple[int, int], quality: int) -> tuple[Pixels, Region]:
    """The picture squashed to `inner` amid a black frame of `outer`, after JPEG, and where it is in that."""
    width, height = inner
    left, top = (outer[0] - width) // 2, (outer[1] - height) // 2
    frame = np.zeros((outer[1], outer[0], 3), np.uint8)
    shrinks = picture.shape[0] > height and picture.shape[1] > width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    frame[top : top + height, left : left + width] = cv2.resize(picture, inner, interpolation=interpolation)
    coded = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    place = (left / outer[0], top / outer[1], (left + width) / outer[0], (top + height) / outer[1])
    return decode_picture(coded.tobytes(), MAX_PIXELS), place


def main(
    data: Annotated[Path, typer.Argument(help="A folder of labelled pictures with boxes.")],
    model: Annotated[str, typer.Option(help="Name or file of a model.")] = DEFAULT_MODEL,
    pictures: Annotated[int, typer.Option(min=2, help="How many at most, spread over the folder.")] = 10**6,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEGs.")] = 90,
) -> None:
    """Measure and print a table with a row for each kind of copy."""
    console = Console(highlight=False)
    localizer = LocalizationModel(ModelLibrary().ensure(model), "cpu")
    found = read_pictures(data)
    own = match_classes(localizer.card, found)
    known = [
        (each, label)
        for part in found.parts.values()
        for each in part
        if each.boxes and (label := own[each.label]) is not None
    ]
    if len(known) < 2:
        raise UserError(f"{data} has no pictures with boxes of classes that {model} knows: give another folder.")
    chosen = [known[int(place)] for place in np.linspace(0, len(known) - 1, min(pictures, len(known)))]
    rows = [
        _of_picture(localizer, picture, label, quality)
        for picture, label in track(chosen, "Framing the pictures", console=console, transient=True)
    ]
    names = list(rows[0])
    right = {name: [100.0 * (row[name][0] >= RIGHT_IOU) for row in rows] for name in names}
    overlap = {name: [100.0 * row[name][0] for row in rows] for name in names}
    console.print(
        f"| {model}, {len(rows)} pictures | GT-known | less the picture itself | mean IoU | bars found |",
        soft_wrap=True,
    )
    console.print("|---|---|---|---|---|")
    for name in names:
        less = paired(right[name], right[names[0]])
        bars = 100 * np.mean([row[name][1] for row in rows])
        console.print(
            f"| {name} | {np.mean(right[name]):.1f} | {less.mean:+.1f} ± {less.error:.1f} | "
            f"{np.mean(overlap[name]):.1f} | {bars:.0f} % |",
            soft_wrap=True,
        )


def _of_picture(
    model: LocalizationModel, picture: LabelledPicture, label: int, quality: int
) -> dict[str, tuple[float, bool]]:
    """IoU with the best true box, and whether bars were left out, by the kind of copy and what is done about bars."""
    pixels = read_picture(picture.path, MAX_PIXELS)
    width, height = picture.size or (pixels.shape[1], pixels.shape[0])
    truths = [(x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in picture.boxes]
    cases: list[tuple[str, Pixels, Region, Region]] = [("the picture itself", pixels, WHOLE, WHOLE)]
    for kind, (inner, outer) in COPIES.items():
        copy, place = framed(pixels, inner, outer, quality)
        cases.append((f"{kind}, bars looked at", copy, WHOLE, place))
        cases.append((f"{kind}, bars left out", copy, find_bars(copy), place))
    analysis = resolve(AnalysisSettings(classes=(label,)), model.card)
    requests = [FrameRequest(analysis, region=region) for _, _, region, _ in cases]
    fitted = [fit_picture(frame, model.card, region) for _, frame, region, _ in cases]
    predictions = localize_batch(model, fitted, requests)
    return {
        name: (_iou([box.box for box in prediction.boxes], truths, place), region != WHOLE)
        for (name, _, region, place), prediction in zip(cases, predictions, strict=True)
    }


def _iou(boxes: Sequence[Rectangle], truths: Sequence[Rectangle], place: Region) -> float:
    return best_iou(boxes, [box_in_frame(truth, place) for truth in truths])


if __name__ == "__main__":
    run("letterbox", main)
