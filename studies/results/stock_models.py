"""`ilsvrc.md`: the models that seekcam builds itself, scored on ILSVRC validation pictures with both maps."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.scores import Scores
from seekcam.evaluation.scoring import score_model
from seekcam.evaluation.side_by_side import BOXED, paired
from seekcam.localization.card import MapKind
from seekcam.localization.library import BUILDABLE, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.settings import AnalysisSettings
from seekcam.studies.results.markdown import bullets, markdown_table, signed
from seekcam.studies.results.run import Say

SCORED: tuple[MapKind, ...] = ("objectness", "spread", "plain")
FOLDER = "ilsvrc_val"  # in $SEEKCAM_DATA
_TITLE = """\
# ILSVRC 2012 validation pictures: the models that seekcam builds

Written by `make results ARGS="--rows ilsvrc"` (room `studies/`). {images} pictures with their boxes; percent, higher is
better. Nobody trained here: the weights are the published ones, and no box was ever shown to them.

"""
_AFTER = """
"As streamed" is what `seekcam serve` does with that map, without smoothing over time: the objectness map is cut at a
constant, the spread map at Otsu's threshold, the plain one at the card's (calibrated on half of these very pictures);
where the stream answers "not sure", Top-1 Loc counts a miss. "Best" is the one fixed threshold that suits these very
pictures best, an upper bound. The objectness head was fitted to 1000 photographs of ImageNet's training side, none of
them among these, without a box.

## By the share of the picture that the object covers

GT-known Loc as streamed:

"""


def score_stock_models(data: Path, machine: str, today: str, say: Say) -> dict[str, Any]:
    """Score every model of `BUILDABLE` with the spread and the plain map; one JSON object.

    Raises:
        UserError: the pictures are not there, or a model cannot be built.
    """
    pictures = read_pictures(data / FOLDER)
    library = ModelLibrary()
    document: dict[str, Any] = {"machine": machine, "date": today, "scores": [], "gains": []}
    for name in BUILDABLE:
        model = LocalizationModel(library.ensure(name), "cpu")
        found: dict[MapKind, Scores] = {}
        for kind in SCORED:
            if kind not in model.card.maps:
                continue
            say(f"scoring {name} with the {kind} map on {pictures.name}")
            found[kind] = score_model(model, pictures, AnalysisSettings(map=kind))
            numbers = found[kind].to_json()
            del numbers["by_class"]  # a picture or none of each says nothing
            document["scores"].append({**numbers, "command": command(name, kind)})
        for kind, other in pairwise(found):
            for label, measure in BOXED.items():
                gain = paired(found[kind], found[other], measure)
                change = {"mean": gain.mean, "error": gain.error}
                document["gains"].append({"model": name, "map": kind, "against": other, "measure": label, **change})
    return document


def command(model: str, kind: str) -> str:
    """The command that prints the numbers of one line."""
    return f"seekcam evaluate {model} --data $SEEKCAM_DATA/{FOLDER} --map {kind}"


def ilsvrc_report(document: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    lines: Sequence[Mapping[str, Any]] = document["scores"]
    headings = (
        "model and map",
        "Top-1 Clas",
        "Top-5 Clas",
        "GT-known Loc, as streamed",
        "at IoU .7",
        "mean IoU",
        "Top-1 Loc, as streamed",
        "GT-known Loc, best",
        "Top-1 Loc, best",
        "MaxBoxAccV2",
    )
    keys = (
        "top1_clas",
        "top5_clas",
        "gt_known_loc",
        "gt_known_loc_iou_70",
        "mean_iou",
        "top1_loc",
        "gt_known_loc_at_best_threshold",
        "top1_loc_at_best_threshold",
        "max_box_acc_v2",
    )
    cells = [[f"{line['model']}, {line['map']}", *(f"{line[key]:.1f}" for key in keys)] for line in lines]
    sizes = [group["name"] for group in lines[0]["by_size"]]
    counts = {group["name"]: group["images"] for group in lines[0]["by_size"]}
    by_size = [
        [
            f"{line['model']}, {line['map']}",
            *(f"{group['gt_known_loc']:.1f}" for group in line["by_size"]),
        ]
        for line in lines
    ]
    gains = [
        f"{gain['model']}: the {gain['map']} map changes {gain['measure']} by {signed(gain['mean'])} ± "
        f"{gain['error']:.1f} points against the {gain['against']} map, both as streamed (paired standard error over "
        "the pictures)."
        for gain in document["gains"]
    ]
    commands = "".join(f"    {line['command']}\n" for line in lines)
    return (
        _TITLE.format(images=lines[0]["images"])
        + markdown_table(headings, cells)
        + _AFTER
        + markdown_table(("model and map", *(f"{name} ({counts[name]})" for name in sizes)), by_size)
        + "\n## What the maps change\n\n"
        + bullets([*gains, f"Machine: {document['machine']}, ONNX Runtime on the CPU. Date: {document['date']}."])
        + f"\nEach line again:\n\n{commands}"
    )
