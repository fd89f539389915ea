"""The verb `annotate`: plan, load the model, do the work under a progress bar, say what was done."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.settings import AnalysisSettings, Settings
from seekcam.streamer.annotate.analyst import Analyst
from seekcam.streamer.annotate.camera import annotate_camera
from seekcam.streamer.annotate.picture_files import annotate_folder, annotate_picture
from seekcam.streamer.annotate.plan import OnProgress, Summary, plan, told
from seekcam.streamer.annotate.video import annotate_video

INTERRUPTED = 130  # what a shell says of a command that was ended by Ctrl-C
UNUSABLE_INPUT = 2


def run(
    source: str,
    output: Path | None,
    sidecar: Path | None,
    chosen: Mapping[str, object],
    provider: str,
    overwrite: bool,
    console: Console,
) -> int:
    """Annotate and say what was done; returns the exit code.

    Args:
        chosen: settings by name, those the person gave.
        console: takes the progress and the summary.

    Raises:
        UserError: something that was given cannot be used.
    """
    try:
        summary = annotate(source, output, sidecar, chosen, provider, overwrite, console)
    except KeyboardInterrupt:
        console.print("Interrupted. The same command goes on where this one was.")
        return INTERRUPTED
    for note in summary.notes:
        console.print(note, style="yellow", markup=False, highlight=False)
    what = "picture" if summary.kind in ("picture", "folder") else "frame"
    skipped = f", {summary.skipped} finished before" if summary.skipped else ""
    console.print(
        f"{summary.done} {what}{'' if summary.done == 1 else 's'}{skipped} -> {summary.output}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    unusable = bool(summary.notes) if summary.kind == "folder" else not summary.done
    return UNUSABLE_INPUT if unusable else 0


def annotate(
    source: str,
    output: Path | None,
    sidecar: Path | None,
    chosen: Mapping[str, object],
    provider: str,
    overwrite: bool,
    console: Console,
) -> Summary:
    """Annotate, and show on the console how far it is.

    Raises:
        UserError: something that was given cannot be used.
    """
    settings = Settings().changed(chosen)
    task = plan(source, output, sidecar, overwrite)
    model, second = _models(settings.analysis, provider)
    analyst = Analyst(model, settings, second)
    with _progress(console, task.kind) as on_progress:
        if task.kind == "picture":
            return annotate_picture(analyst, task)
        if task.kind == "folder":
            return annotate_folder(analyst, task, overwrite, on_progress)
        if task.kind == "video":
            with told(task.output):
                frames, damaged = annotate_video(analyst, Path(source), task.output, task.sidecar, on_progress)
            notes = (f"{damaged} damaged packets were passed over.",) if damaged else ()
            return Summary(task.output, task.kind, frames, notes=notes)
        with _stopped_by_ctrl_c() as stop:
            return annotate_camera(analyst, task, stop, on_progress)


def _models(settings: AnalysisSettings, provider: str) -> tuple[LocalizationModel, LocalizationModel | None]:
    """The model of each side; one file is loaded once."""
    library = ModelLibrary()
    name = settings.model or DEFAULT_MODEL
    model = LocalizationModel(library.ensure(name), provider)
    if settings.compare is None:
        return model, None
    second = settings.compare.model or name
    return model, model if second == name else LocalizationModel(library.ensure(second), provider)


class _Rate(ProgressColumn):
    """Frames a second, over the last seconds."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} fps" if speed else "", style="cyan")


@contextmanager
def _progress(console: Console, kind: str) -> Iterator[OnProgress]:
    unit = TextColumn("pictures" if kind == "folder" else "frames")
    columns = (TextColumn("Annotating"), BarColumn(), MofNCompleteColumn(), unit, _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=kind == "picture") as progress:
        task = progress.add_task("", total=None, visible=False)
        begun = False

        def on_progress(done: int, expected: int | None) -> None:
            nonlocal begun
            if begun:
                progress.update(task, completed=done, total=expected)
            else:
                # What an earlier run has done says nothing of this one's speed.
                progress.reset(task, completed=done, total=expected, visible=True)
                begun = True

        yield on_progress


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C (or a polite kill) sets, instead of breaking off what is being written.

    Only the main thread can be told of either.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
