"""`ilsvrc.md`: the models that seekcam builds itself, scored on ILSVRC validation pictures with both maps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from localization.datasets.layouts import read_pictures
from localization.library import BUILDABLE, ModelLibrary
from localization.model import LocalizationModel
from localization.score import score_model
from localization.scores import Scores
from localization.settings import MAP_KINDS, AnalysisSettings
from studies.results.markdown import bullets, markdown_table, signed
from studies.results.run import Say
from studies.results.statistics import paired_difference

FOLDER = "ilsvrc_val"  # in $SEEKCAM_DATA
_TITLE = """\
# ILSVRC 2012 validation pictures: the models that seekcam builds

Written by `make results ARGS="--rows ilsvrc"` (room `studies/`). {images} pictures with their boxes; percent, higher is
better. Nobody trained here: the weights are the published ones, and no box was ever shown to them.

"""
_AFTER = """
"As streamed" is the default of `seekcam serve` for that map without smoothing over time: Otsu's threshold for the
spread map, the card's for the plain one (calibrated on half of these very pictures); where the stream answers "not
sure", Top-1 Loc counts a miss. "Best" is the one fixed threshold that suits these very pictures best, an upper bound.
"""


def score_stock_models(data: Path, machine: str, today: str, say: Say) -> dict[str, Any]:
    """Score every model of `BUILDABLE` with the spread and the plain map; one JSON object.

    Raises:
        UserError: the pictures are not there, or a model cannot be built.
    """
    pictures = read_pictures(data / FOLDER)
    library = ModelLibrary()
    document: dict[str, Any] = {"machine": machine, "date": today, "scores": [], "spread_against_plain": {}}
    for name in BUILDABLE:
        model = LocalizationModel(library.ensure(name), "cpu")
        found: dict[str, Scores] = {}
        for kind in MAP_KINDS:
            say(f"scoring {name} with the {kind} map on {pictures.name}")
            found[kind] = score_model(model, pictures, AnalysisSettings(map=kind))
            document["scores"].append({**found[kind].to_json(), "command": command(name, kind)})
        document["spread_against_plain"][name] = _gain(found["spread"], found["plain"])
    return document


def command(model: str, kind: str) -> str:
    """The command that prints the numbers of one line."""
    return f"seekcam evaluate {model} --data $SEEKCAM_DATA/{FOLDER}" + ("" if kind == "spread" else f" --map {kind}")


def ilsvrc_report(document: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    lines: Sequence[Mapping[str, Any]] = document["scores"]
    headings = (
        "model and map",
        "Top-1 Clas",
        "Top-5 Clas",
        "GT-known Loc, as streamed",
        "Top-1 Loc, as streamed",
        "GT-known Loc, best",
        "Top-1 Loc, best",
        "MaxBoxAccV2",
    )
    keys = (
        "top1_clas",
        "top5_clas",
        "gt_known_loc",
        "top1_loc",
        "gt_known_loc_at_best_threshold",
        "top1_loc_at_best_threshold",
        "max_box_acc_v2",
    )
    cells = [[f"{line['model']}, {line['map']}", *(f"{line[key]:.1f}" for key in keys)] for line in lines]
    gains = [
        f"{name}: the spread map as streamed changes GT-known Loc by {signed(gain['mean'])} ± {gain['error']:.1f} "
        "points against the plain map at its best threshold (paired standard error over the pictures)."
        for name, gain in document["spread_against_plain"].items()
    ]
    commands = "".join(f"    {line['command']}\n" for line in lines)
    return (
        _TITLE.format(images=lines[0]["images"])
        + markdown_table(headings, cells)
        + _AFTER
        + bullets([*gains, f"Machine: {document['machine']}, ONNX Runtime on the CPU. Date: {document['date']}."])
        + f"\nEach line again:\n\n{commands}"
    )


def _gain(spread: Scores, plain: Scores) -> dict[str, Any]:
    ours = np.array([[100.0 * image.gt_known for image in spread.images]])
    base = np.array([[100.0 * image.gt_known_at_best for image in plain.images]])
    return {key: value for key, value in asdict(paired_difference(ours, base)).items() if key != "by_seed"}
