"""`seekcam results`: the CUB-50 table and the ILSVRC numbers, row by row."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from seekcam.localization.atomic import write_text
from seekcam.localization.errors import UserError
from seekcam.studies.results.heads import heads_json, summarise_heads
from seekcam.studies.results.machine import machine_in_words, today
from seekcam.studies.results.page import report
from seekcam.studies.results.plots import write_plot
from seekcam.studies.results.rows import HIDE_AND_SEEK, PLAIN, ROWS, SCHEDULES, Run, chosen_rows, ordered_runs
from seekcam.studies.results.run import Say, Study, before_heads, run_all, to_do
from seekcam.studies.results.table import summarise, to_json

if TYPE_CHECKING:
    from seekcam.studies.results.tools import RealTools

DATA_VARIABLE = "SEEKCAM_DATA"
CUB = "cub50"
ILSVRC = "ilsvrc"
GRID = "grid.jpg"


def register(app: typer.Typer) -> None:
    """Mount this verb on the `seekcam` command."""
    app.command("results")(results)


def results(
    data: Annotated[
        Path | None, typer.Option(envvar=DATA_VARIABLE, help=f"Folder that holds {CUB}/ and ilsvrc_val/.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where tables, plots and records go.")] = Path("docs/results"),
    work: Annotated[Path, typer.Option(help="Where models and run folders go.")] = Path("runs/results"),
    rows: Annotated[str, typer.Option(help=f"Only these rows, with commas between; {ILSVRC} is one too.")] = "",
    full: Annotated[bool, typer.Option("--full", help="The long schedule for a GPU, into OUT/full.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List the rows and what is done, and run nothing.")] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train again, too, where a record lacks a map and its model is gone.")
    ] = False,
    report_only: Annotated[bool, typer.Option("--report-only", help="Write the report from the records.")] = False,
) -> None:
    """Train and score the rows of the results table; what is done is kept, and the same command goes on."""
    names = [name.strip() for name in rows.split(",") if name.strip()]
    # The stock models are the same under both schedules, so the long one leaves them alone unless they are asked for.
    with_ilsvrc = ILSVRC in names if names or full else True
    cub_names = [name for name in names if name != ILSVRC]
    chosen = chosen_rows(cub_names) if cub_names or not names else ()
    schedule = "full" if full else "small"
    study = Study(schedule, SCHEDULES[schedule], out / "full" if full else out, work)
    if show:
        _list(study, ordered_runs(chosen))
        return
    if report_only:
        write_report(study)
        return
    folder = _data_folder(data)
    say = _line
    if chosen:
        _make_table(study, ordered_runs(chosen), folder, say, retrain=retrain)
    if with_ilsvrc:
        _make_ilsvrc(out, folder, say, again=ILSVRC in names)


def write_report(study: Study) -> None:
    """Write cub50.md, cub50.json and cub50.png from whatever records there are.

    Raises:
        UserError: a record cannot be read, or a file cannot be written.
    """
    summaries = summarise(study.records())
    write_text(study.out / "cub50.md", report(summaries, study.schedule))
    document = {**to_json(summaries, study.schedule), "default_map": heads_json(summarise_heads(summaries))}
    write_text(study.out / "cub50.json", json.dumps(document, indent=1) + "\n")
    if any(summary.records for summary in summaries):
        write_plot(summaries, study.out / "cub50.png")


def _make_table(study: Study, runs: list[Run], data: Path, say: Say, *, retrain: bool) -> None:
    if not (data / CUB).is_dir():
        raise UserError(f"{data} holds no {CUB}/, the first 50 classes of CUB-200-2011: put it there, or give --data.")
    from seekcam.studies.results.tools import RealTools, stopped

    tools = RealTools(data / CUB, study.base, say)
    write_report(study)
    try:
        run_all(study, runs, tools, lambda: write_report(study), say, retrain=retrain)
        _make_grid(study, tools, say)
    except KeyboardInterrupt as stop:
        raise stopped(130) from stop


def _make_grid(study: Study, tools: "RealTools", say: Say) -> None:
    """Plain training against Hide-and-Seek, when both models are in the work folder."""
    from seekcam.datasets.dataset import TEST
    from seekcam.studies.results.contact_sheet import write_grid
    from seekcam.studies.results.tools import MODEL

    thresholds = {r.row: r.plain.threshold for r in study.records() if r.seed == 0}
    pairs = [(row, study.folder(Run(row, 0)) / MODEL) for row in ROWS if row.name in (PLAIN, HIDE_AND_SEEK)]
    views = [(model, thresholds.get(row.name) or 0.0) for row, model in pairs if model.is_file()]
    if len(views) == len(pairs):
        file = study.work / study.schedule / GRID
        write_grid(views, tools.set, TEST, file)
        say(f"plain training beside Hide-and-Seek, on test pictures (not to be published): {file}")


def _make_ilsvrc(out: Path, data: Path, say: Say, *, again: bool) -> None:
    from seekcam.studies.results.stock_models import FOLDER, ilsvrc_report, score_stock_models

    file = out / "ilsvrc.json"
    if file.is_file() and not again:
        say(f"{file} is there already; `--rows {ILSVRC}` makes it again")
        return
    if not (data / FOLDER).is_dir():
        if again:
            raise UserError(f"{data} holds no {FOLDER}/, pictures of ILSVRC 2012: put it there, or give --data.")
        say(f"{data} holds no {FOLDER}/, so that table is left out")
        return
    document = score_stock_models(data, machine_in_words(), today(), say)
    write_text(file, json.dumps(document, indent=1) + "\n")
    write_text(out / "ilsvrc.md", ilsvrc_report(document))


def _data_folder(data: Path | None) -> Path:
    if data is None:
        raise UserError(f"Say where the pictures are: set {DATA_VARIABLE} or give --data FOLDER, which holds {CUB}/.")
    folder = data.expanduser()
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}: set {DATA_VARIABLE}, or give --data, to the one that holds {CUB}/."
        )
    return folder


def _list(study: Study, runs: list[Run]) -> None:
    waiting = {run.name for run in to_do(study, runs)}
    older = {run.name for run in before_heads(study, runs)}
    table = Table(box=None, pad_edge=False)
    for heading in ("row", "seed", "state", "method"):
        table.add_column(heading, no_wrap=True)
    for run in runs:
        state = "to do" if run.name in waiting else "before heads" if run.name in older else "done"
        table.add_row(run.row.name, str(run.seed), state, run.row.label)
    Console().print(table)


def _line(text: str) -> None:
    typer.echo(text, err=True)
