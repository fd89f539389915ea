"""Does a stream hold the thing, and how calmly? `python -m seekcam.studies.clips DATA`.

DATA has the folders `ilsvrc_val` (photographs with boxes, in any layout that `train` reads), of which clips are made,
and `video`: blackswan.mp4 with blackswan_boxes.csv from DAVIS, cat.mp4 and bear.mp4, whose boxes lie beside this file
(made by hand every tenth frame, and straight in between). Half of the made clips and the bear are what the constants of
`localization.steady` were chosen on; the table is of the other half, the swan and the cat unless `--half chosen`.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import av
import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.class_match import match_classes
from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture
from seekcam.localization.prediction import Rectangle
from seekcam.localization.settings import class_index
from seekcam.streamer.media.frames import to_rgb
from seekcam.studies.clips.clip import Clip, interpolated
from seekcam.studies.clips.clip_scores import WAYS, ClipScore, follow, judge, paired
from seekcam.studies.clips.scenes import KINDS, Photograph, make_clip
from seekcam.studies.study import run

Half = Literal["chosen", "reported"]

PER_KIND = 8  # clips of each half
SMALLEST, LARGEST = (
    0.08,
    0.5,
)  # of a photograph, which its one object covers: a camera goes on where the photograph ends
MAX_PIXELS = 10**8
SEED = 16
REAL = {"chosen": ("bear",), "reported": ("blackswan", "cat")}
CLASSES = {"blackswan": "black swan", "cat": "Persian cat", "bear": "brown bear"}
HAND_MADE = Path(__file__).with_name("hand_boxes.csv")


def photographs(folder: Path, model: LocalizationModel) -> list[Photograph]:
    """Those with one box of a fitting size, in an order that is drawn once for all."""
    pictures = read_pictures(folder)
    own = match_classes(model.card, pictures)
    usable = []
    for picture in (each for part in pictures.parts.values() for each in part):
        label = own[picture.label]
        if label is None or len(picture.boxes) != 1 or picture.size is None:
            continue
        x0, y0, x1, y1 = (side / picture.size[axis % 2] for axis, side in enumerate(picture.boxes[0]))
        # From first to last pixel, as the halves were drawn when constants were chosen.
        if SMALLEST <= (x1 - x0 - 1 / picture.size[0]) * (y1 - y0 - 1 / picture.size[1]) <= LARGEST:
            usable.append((picture.path, (x0, y0, x1, y1), label))
    order = np.random.default_rng(SEED).permutation(len(usable))
    wanted = [usable[place] for place in order[: 2 * PER_KIND * len(KINDS) + PER_KIND]]
    if len(wanted) < 2 * PER_KIND * len(KINDS) + PER_KIND:
        raise UserError(f"{folder} has too few photographs of known classes with one box: {len(usable)} are usable.")
    return [Photograph(read_picture(path, MAX_PIXELS), box, label) for path, box, label in wanted]


def made_clips(photos: list[Photograph], half: Half) -> Iterator[Clip]:
    """The made clips of one half: each has a photograph of its own."""
    first = 0 if half == "chosen" else 1
    place = first * PER_KIND * len(KINDS)
    for kind in KINDS:
        for number in range(first * PER_KIND, (first + 1) * PER_KIND):
            yield make_clip(kind, (photos[place], photos[place + PER_KIND - 1]), number)
            place += 1


def real_clip(folder: Path, name: str, model: LocalizationModel) -> Clip:
    """A film with its boxes."""
    with av.open(folder / f"{name}.mp4") as film:
        rate = film.streams.video[0].average_rate
        frames = [to_rgb(frame) for frame in film.decode(video=0)]
    boxes = _swan_boxes(folder) if name == "blackswan" else interpolated(_hand_made(name), len(frames))
    return Clip(name, "real", round(rate or 25), frames, boxes, class_index(model.card, CLASSES[name]))


def _swan_boxes(folder: Path) -> list[Rectangle]:
    with (folder / "blackswan_boxes.csv").open(newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items() if key != "frame"} for row in csv.DictReader(file)]
    return [
        (row["x0"] / row["w480"], row["y0"] / row["h480"], row["x1"] / row["w480"], row["y1"] / row["h480"])
        for row in rows
    ]


def _hand_made(name: str) -> list[tuple[int, Rectangle]]:
    with HAND_MADE.open(newline="", encoding="utf-8") as file:
        return [
            (int(row["frame"]), (float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"])))
            for row in csv.DictReader(file)
            if row["clip"] == name
        ]


def main(
    data: Annotated[Path, typer.Argument(help="The folder of `ilsvrc_val` and `video`.")],
    model: Annotated[str, typer.Option(help="Name or file of a model with an objectness head.")] = DEFAULT_MODEL,
    half: Annotated[Half, typer.Option(help="The clips that nothing was chosen on, or the others.")] = "reported",
) -> None:
    """Follow every clip and print a table with a row for each kind, and for each real clip."""
    console = Console(highlight=False)
    localizer = LocalizationModel(ModelLibrary().ensure(model), "cpu")
    if not localizer.card.objectness:
        raise UserError(f"{model} has no objectness head: export it again with one.")
    photos = photographs(data / "ilsvrc_val", localizer)
    clips = [*made_clips(photos, half), *(real_clip(data / "video", name, localizer) for name in REAL[half])]
    scores = []
    for clip in track(clips, "Following the clips", console=console, transient=True):
        boxes = follow(localizer, clip)
        scores.append((clip, judge(clip.boxes, clip.boxes).flicker, [judge(boxes[way], clip.boxes) for way in WAYS]))
    groups = {kind: [row for row in scores if row[0].kind == kind] for kind in KINDS}
    groups |= {clip.name: [row] for row in scores if (clip := row[0]).kind == "real"}
    console.print(f"| {model}, half {half} | clips | true boxes jump by | {' | '.join(WAYS)} |", soft_wrap=True)
    console.print("|---" * (3 + len(WAYS)) + "|")
    for name, rows in {**groups, "all": scores}.items():
        cells = [_cell([ways[place] for _, _, ways in rows]) for place in range(len(WAYS))]
        truth = f"{np.mean([jumps for _, jumps, _ in rows]):.1f}"
        console.print(f"| {name} | {len(rows)} | {truth} | {' | '.join(cells)} |", soft_wrap=True)
    for better, worse in ((1, 0), (2, 1), (2, 0)):
        gains = [
            paired(
                [getattr(ways[better], what) for _, _, ways in scores], [getattr(w[worse], what) for _, _, w in scores]
            )
            for what in ("iou", "flicker")
        ]
        told = ", ".join(
            f"{what} {gain.mean:+.2f} ± {gain.error:.2f}" for what, gain in zip(("IoU", "jumps"), gains, strict=True)
        )
        console.print(f"{WAYS[better]} less {WAYS[worse]}: {told}", soft_wrap=True)


def _cell(judged: list[ClipScore]) -> str:
    return f"{np.mean([each.iou for each in judged]):.1f}, jumps {np.mean([each.flicker for each in judged]):.1f}"


if __name__ == "__main__":
    run("clips", main)
