"""The verb `evaluate`: score a model file on a folder of labelled pictures, and write what came out."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from seekcam.datasets.dataset import TRAIN, VALIDATION, PictureSet
from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.hits_grid import SUFFIXES, write_grid
from seekcam.evaluation.scores import GroupScore, Scores
from seekcam.evaluation.scoring import ALL, OnProgress, score_model
from seekcam.evaluation.side_by_side import side_table, to_json
from seekcam.localization.atomic import write_text
from seekcam.localization.card import ModelCard
from seekcam.localization.errors import UserError
from seekcam.localization.library import ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.settings import AnalysisSettings, Settings, resolve, resolve_second

SCORED_WITH = ("map", "method", "box", "threshold", "min_score")  # the settings that scores depend on
INTERRUPTED = 130  # what a shell says of a command that was ended by Ctrl-C


@dataclass(frozen=True)
class EvaluateOptions:
    """What `seekcam evaluate` was asked for; None takes the fitting default, or writes no such file."""

    model: str
    data: Path
    settings: Mapping[str, object]  # by name, those the person gave
    part: str | None
    annotations: Path | None
    limit: int | None
    json: Path | None
    csv: Path | None
    grid: Path | None
    provider: str
    compare: str = ""  # MODEL:METHOD:MAP or some of it: scored on the same pictures, the differences told


def evaluate(options: EvaluateOptions, out: Console, progress: Console) -> int:
    """Score, print, write; returns the exit code.

    Everything that can be refused is refused before the work; a file that exists is replaced, whole or not at all.

    Raises:
        UserError: something that was given cannot be used.
    """
    settings = Settings().changed({**options.settings, "compare": options.compare}).analysis
    _check_outputs(options)
    model = LocalizationModel(ModelLibrary().ensure(options.model), options.provider)
    resolve(settings, model.card)
    second, second_settings = _second(model, settings, options.provider)
    pictures = _pictures(model.card, options.data, options.annotations)
    try:
        with _progress(progress) as on_progress:
            scores = score_model(
                model, pictures, settings, part=options.part, limit=options.limit, on_progress=on_progress
            )
        _print(scores, out)
        compared = None
        if second is not None:
            with _progress(progress) as on_progress:
                compared = score_model(
                    second, pictures, second_settings, part=options.part, limit=options.limit, on_progress=on_progress
                )
            out.print(side_table(scores, compared))
        notes = (*scores.sentences, *_seen_before(model.card, pictures, scores))
        for note in notes:
            progress.print(note, style="yellow", markup=False, highlight=False, soft_wrap=True)
        if options.json is not None:
            document = {**scores.to_json(), "notes": notes}
            if compared is not None:
                document["compare"] = to_json(scores, compared)
            write_text(options.json, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        if options.csv is not None:
            write_text(options.csv, class_csv(scores))
        if options.grid is not None:
            write_grid(model, settings, scores, options.grid)
    except KeyboardInterrupt:
        progress.print("Interrupted: the scores are not complete, so that none are given.")
        return INTERRUPTED
    return 0


def _second(
    model: LocalizationModel, settings: AnalysisSettings, provider: str
) -> tuple[LocalizationModel | None, AnalysisSettings]:
    """The compared model and its own settings; (None, ...) where nothing is compared."""
    wanted = settings.compare
    if wanted is None:
        return None, settings
    second = model if wanted.model is None else LocalizationModel(ModelLibrary().ensure(wanted.model), provider)
    analysis = resolve_second(settings, model.card, second.card)
    return second, replace(settings, method=analysis.method, map=analysis.map, compare=None)


def class_csv(scores: Scores) -> str:
    """A line for each class that has pictures; percentages, empty where the pictures have no boxes."""
    text = io.StringIO()
    columns = [f.name for f in fields(GroupScore)]
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["class", *columns[1:]])
    for group in scores.by_class:
        values = asdict(group).values()
        lines.writerow([f"{value:.2f}" if isinstance(value, float) else value for value in values])
    return text.getvalue()


def score_on(
    model: str,
    data: Path,
    settings: Mapping[str, object],
    *,
    part: str | None,
    annotations: Path | None,
    limit: int | None,
    provider: str,
) -> Scores:
    """Score one model, without a word.

    Raises:
        UserError: something that was given cannot be used.
    """
    if "compare" in settings:
        raise UserError("evaluate scores one model at a time: call it once for each side.")
    if unknown := sorted(settings.keys() - SCORED_WITH):
        raise UserError(f"evaluate takes no {unknown[0]}: its settings are {', '.join(SCORED_WITH)}.")
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}.")
    analysis = Settings().changed(settings).analysis
    opened = LocalizationModel(ModelLibrary().ensure(model), provider)
    resolve(analysis, opened.card)
    return score_model(opened, _pictures(opened.card, data, annotations), analysis, part=part, limit=limit)


def _pictures(card: ModelCard, data: Path, annotations: Path | None) -> PictureSet:
    """The data set, split as the model's recipe split it; without a recipe nothing was held out, and nothing is."""
    held_out = card.recipe.get("data", {})
    return read_pictures(
        data,
        validation=float(held_out.get("validation", 0.0)),
        seed=int(held_out.get("seed", 0)),
        annotations=annotations,
    )


def _seen_before(card: ModelCard, pictures: PictureSet, scores: Scores) -> tuple[str, ...]:
    """Why the scores may flatter: the model was trained on these pictures, or something was chosen on them."""
    same = card.dataset == pictures.name
    if scores.part in (ALL, TRAIN) and (same or (card.recipe and card.class_ids == pictures.class_ids)):
        # A folder may have been renamed since.
        was = "was" if same else "may have been"
        return (f"{card.name} {was} trained on some of these pictures: on new ones it will do worse.",)
    chosen = []
    if same and scores.part == VALIDATION and card.recipe:
        chosen.append("epoch")
    if card.threshold_split.endswith(f"the {scores.part} part of {pictures.name}"):
        chosen.append("box threshold")
    if not chosen:
        return ()
    return (
        f"The {' and '.join(chosen)} of {card.name} came from these pictures: on new ones it may do a little worse.",
    )


def _check_outputs(options: EvaluateOptions) -> None:
    """Try to write beside each output, instead of asking for permissions: only trying knows of read-only disks."""
    given = [place for place in (options.json, options.csv, options.grid) if place is not None]
    if len({place.resolve() for place in given}) < len(given):
        raise UserError("Two outputs have one name: give each its own.")
    if options.grid is not None and options.grid.suffix.lower() not in SUFFIXES:
        raise UserError(f"{options.grid} must end in {', '.join(SUFFIXES)}: the grid is a picture.")
    for place in given:
        if place.is_dir():
            raise UserError(f"{place} is a folder: give the name of a file.")
        if not place.resolve().parent.is_dir():
            raise UserError(f"There is no folder {place.resolve().parent}: make it first.")
        try:
            with tempfile.NamedTemporaryFile(dir=place.resolve().parent):
                pass
        except OSError as error:
            raise UserError(f"{place} cannot be written ({error.strerror}): choose another place.") from error


def _print(scores: Scores, out: Console) -> None:
    heading = f"{scores.model} on {scores.dataset}, part {scores.part}: {len(scores.images)} pictures"
    out.print(Text(heading, style="bold"), soft_wrap=True)
    chosen = "two_stage" if scores.threshold == "two_stage" else scores.box
    out.print(f"{scores.map} map, method {scores.method}, box {chosen}, {scores.precision}, {scores.provider}")
    out.print(_table(scores))
    if scores.by_size:
        out.print(_size_table(scores))


def _table(scores: Scores) -> Table:
    """One line a measure: as it streams, and at the best fixed threshold."""
    values = scores.to_json()
    streamed = f"{scores.threshold:g}" if isinstance(scores.threshold, float) else scores.threshold
    table = Table(box=None, pad_edge=False)
    table.add_column("percent")
    table.add_column(f"as it streams\n(threshold {streamed})", justify="right")
    if scores.best_threshold is not None:
        table.add_column(f"best fixed threshold on\nthis data ({scores.best_threshold:g})", justify="right")
    for label, key, best in (
        ("Top-1 Clas", "top1_clas", None),
        ("Top-5 Clas", "top5_clas", None),
        ("Top-1 Loc", "top1_loc", "top1_loc_at_best_threshold"),
        ("Top-5 Loc", "top5_loc", None),
        ("GT-known Loc", "gt_known_loc", "gt_known_loc_at_best_threshold"),
        ("GT-known Loc at IoU .7", "gt_known_loc_iou_70", None),
        ("mean IoU of the GT-known boxes", "mean_iou", None),
        ("MaxBoxAcc", None, "max_box_acc"),
        ("MaxBoxAccV2", None, "max_box_acc_v2"),
        ("PxAP", None, "pxap"),
        ("not sure", "not_sure", None),
        ("Top-1 Loc, were it always sure", "top1_loc_without_min_score", None),
    ):
        if key == "top1_loc_without_min_score" and values[key] == values["top1_loc"]:
            continue
        cells = [_cell(values.get(name)) if name else "" for name in (key, best)]
        if any(cells):
            table.add_row(label, *cells[: len(table.columns) - 1])
    return table


def _size_table(scores: Scores) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("object covers")
    for heading in ("pictures", "Top-1 Loc", "GT-known Loc", "at the best", "mean IoU"):
        table.add_column(heading, justify="right")
    for group in scores.by_size:
        shares = (group.top1_loc, group.gt_known_loc, group.gt_known_loc_at_best_threshold, group.mean_iou)
        table.add_row(group.name, str(group.images), *(_cell(share) for share in shares))
    return table


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


@contextmanager
def _progress(console: Console) -> Iterator[OnProgress]:
    columns = (TextColumn("Scoring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None, visible=False)  # until there is something to show
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)
