"""Annotate a picture, or a folder of pictures that goes on after an interruption."""

import json
from pathlib import Path
from typing import Any

from seekcam.localization import pictures
from seekcam.localization.atomic import replace_file
from seekcam.localization.errors import PictureError, UserError
from seekcam.localization.painting.overlay import paint_rgb
from seekcam.localization.prediction import Prediction
from seekcam.streamer.annotate.analyst import Analyst
from seekcam.streamer.annotate.plan import PICTURE_SUFFIXES, OnProgress, Summary, Task, told

MAX_PIXELS = 150_000_000  # of one picture; below the size at which Pillow itself warns of bombs

_RECORD = ".seekcam.json"  # in an output folder: the settings its pictures were made with


def annotate_picture(analyst: Analyst, task: Task) -> Summary:
    """Annotate one picture.

    Raises:
        UserError: the picture cannot be read or the output cannot be written.
    """
    prediction = _annotate(analyst, Path(task.source), task.output)
    if task.sidecar is not None:
        _write_lines(task.sidecar, [_line(prediction, 0, None)])
    return Summary(task.output, "picture", 1)


def annotate_folder(analyst: Analyst, task: Task, overwrite: bool, on_progress: OnProgress) -> Summary:
    """Annotate every picture of a folder and its subfolders, each on its own.

    Pictures that were finished by an earlier run with the same settings are skipped; those that cannot be read are
    noted and passed over.

    Raises:
        UserError: there are no pictures, the output cannot be written, or it holds pictures made with other settings.
    """
    source, output = Path(task.source), task.output
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() in pictures.SUFFIXES and p.is_file())
    targets = {p: output / _target(p.relative_to(source)) for p in found if not p.is_relative_to(output)}
    if not targets:
        raise UserError(f"{source} has no pictures in it (JPEG, PNG, WebP, BMP or GIF): choose another folder.")
    with told(output):
        _claim(output, _made_with(analyst), any(t.exists() for t in targets.values()) and not overwrite)
    lines = {} if task.sidecar is None or overwrite else _lines_so_far(task.sidecar)
    done = skipped = 0
    notes = []
    for number, (picture, target) in enumerate(targets.items()):
        name = picture.relative_to(source).as_posix()
        fresh = target.exists() and target.stat().st_mtime_ns >= picture.stat().st_mtime_ns
        if fresh and not overwrite and (task.sidecar is None or name in lines):
            skipped += 1
        else:
            try:
                with told(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                lines[name] = _line(_annotate(analyst, picture, target), number, name)
                done += 1
                if task.sidecar is not None:
                    with told(task.sidecar), _partial(task.sidecar).open("a", encoding="utf-8") as growing:
                        growing.write(lines[name] + "\n")
            except PictureError as error:
                notes.append(str(error))
        on_progress(number + 1, len(targets))
    if task.sidecar is not None:
        names = (picture.relative_to(source).as_posix() for picture in targets)
        _write_lines(task.sidecar, [lines[name] for name in names if name in lines])
    return Summary(output, "folder", done, skipped, tuple(notes))


def _annotate(analyst: Analyst, source: Path, target: Path) -> Prediction:
    picture = pictures.read_picture(source, MAX_PIXELS)
    prediction = analyst.localize(picture)
    pictures.save_picture(paint_rgb(picture, prediction, analyst.settings.paint), target)
    return prediction


def _target(relative: Path) -> Path:
    """A GIF or BMP becomes a PNG; its old suffix stays in the name, beside a PNG of the same name."""
    kept = relative.suffix.lower() in PICTURE_SUFFIXES
    return relative if kept else relative.with_name(f"{relative.name}.png")


def _made_with(analyst: Analyst) -> dict[str, Any]:
    own, *second = (model.card.name for model in analyst.models)
    settings = {**analyst.settings.to_json(), "model": own}
    if second:
        settings["compare"] = {**settings["compare"], "model": second[0]}
    return {"settings": settings}


def _claim(output: Path, made_with: dict[str, Any], in_the_way: bool) -> None:
    """Make the folder ours for these settings, unless it holds what other settings or other people made."""
    record = output / _RECORD
    if in_the_way:
        ours = record.is_file() and json.loads(record.read_text(encoding="utf-8")) == json.loads(json.dumps(made_with))
        if not ours:
            raise UserError(
                f"{output} holds pictures that were not made with these settings: add --overwrite to replace them, "
                "or choose another folder."
            )
    output.mkdir(exist_ok=True)
    record.write_text(json.dumps(made_with), encoding="utf-8")


def _line(prediction: Prediction, number: int, file: str | None) -> str:
    document = prediction.to_json(0.0, number)
    return json.dumps(document if file is None else {**document, "file": file}, ensure_ascii=False)


def _lines_so_far(sidecar: Path) -> dict[str, str]:
    """Lines by picture, of a finished and of an interrupted run; a line that was cut off does not count."""
    lines: dict[str, str] = {}
    for file in (sidecar, _partial(sidecar)):
        if file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.endswith("}\n"):
                    lines[json.loads(line)["file"]] = line.rstrip("\n")
    return lines


def _write_lines(sidecar: Path, lines: list[str]) -> None:
    with told(sidecar):
        replace_file(sidecar, "".join(f"{line}\n" for line in lines).encode())
        _partial(sidecar).unlink(missing_ok=True)


def _partial(sidecar: Path) -> Path:
    return sidecar.with_name(f".{sidecar.name}.part")
