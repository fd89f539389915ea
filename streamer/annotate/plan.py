"""What `annotate` was asked to do, checked before anything is begun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import av

from seekcam.localization import pictures
from seekcam.localization.errors import UserError
from seekcam.streamer.media.live_file import write_error
from seekcam.streamer.media.video_file import SUFFIXES as VIDEO_SUFFIXES
from seekcam.streamer.media.video_file import VideoInput

InputKind = Literal["picture", "folder", "video", "camera"]
OnProgress = Callable[[int, int | None], None]  # frames or pictures: done, expected

CAMERA_SUFFIXES = (".mp4",)  # the one kind that is playable while it grows
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")  # what is written as it is read


@dataclass(frozen=True)
class Task:
    """What to annotate, and where it goes."""

    kind: InputKind
    source: str
    output: Path
    sidecar: Path | None  # for the predictions, a JSON line each


@dataclass(frozen=True)
class Summary:
    """What was done."""

    output: Path
    kind: InputKind  # of the source
    done: int  # frames or pictures
    skipped: int = 0  # pictures that were finished before
    notes: tuple[str, ...] = ()  # a sentence on each thing that could not be used


def plan(source: str, output: Path | None, sidecar: Path | None, overwrite: bool) -> Task:
    """Find out what `source` is and where its result goes, and refuse what cannot work before anything is begun.

    Raises:
        UserError: no such input, an output that exists, is the input, or cannot be written.
    """
    kind = _kind(source)
    path = Path(source)
    output = output or _default_output(kind, path)
    _check_name(kind, path, output)
    if sidecar is not None and sidecar.resolve() in (path.resolve(), output.resolve()):
        raise UserError(f"{sidecar} cannot hold the predictions, it is the input or the output: choose another name.")
    for place in (output, sidecar):
        if place is None:
            continue
        # A folder goes on where it was, and its sidecar with it.
        if kind != "folder" and place.exists() and not overwrite:
            raise UserError(f"{place} exists: add --overwrite to replace it, or choose another name.")
        _check_writable(place)
    if kind == "video":
        with VideoInput(path):
            pass  # opening it says what is wrong with it
    return Task(kind, source, output, sidecar)


def _kind(source: str) -> InputKind:
    path = Path(source)
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "picture" if path.suffix.lower() in pictures.SUFFIXES else "video"
    if source.isdecimal() or source.startswith("/dev/") or "://" in source:
        return "camera"
    raise UserError(f"There is no file {source}: check the name.")


def _check_name(kind: InputKind, source: Path, output: Path) -> None:
    if kind != "camera" and output.resolve() == source.resolve():
        raise UserError("The output is the input: give it another name.")
    if kind == "folder":
        if output.exists() and not output.is_dir():
            raise UserError(f"{output} is a file, and a folder of pictures becomes a folder: choose another name.")
        return
    suffixes, becomes = {
        "picture": (PICTURE_SUFFIXES, "picture"),
        "video": (VIDEO_SUFFIXES, "video"),
        "camera": (CAMERA_SUFFIXES, "video"),
    }[kind]
    if output.is_dir():
        raise UserError(f"{output} is a folder: give the name of a file.")
    if output.suffix.lower() not in suffixes:
        raise UserError(f"{output} must end in {', '.join(suffixes)}: a {kind} becomes a {becomes}.")


def _default_output(kind: InputKind, source: Path) -> Path:
    """In the current directory, named after the input."""
    if kind == "camera":
        return Path(f"camera-{datetime.now().astimezone():%Y%m%d-%H%M%S}.mp4")
    if kind == "folder":
        return Path(f"{source.resolve().name}.annotated")
    kept = PICTURE_SUFFIXES if kind == "picture" else VIDEO_SUFFIXES
    fallback = ".png" if kind == "picture" else ".mp4"
    suffix = source.suffix if source.suffix.lower() in kept else fallback
    return Path(f"{source.stem}.annotated{suffix}")


def _check_writable(place: Path) -> None:
    """Try, instead of asking for permissions: only trying knows of read-only disks."""
    parent = place.resolve().parent
    if not parent.is_dir():
        raise UserError(f"There is no folder {parent}: make it first.")
    trial = parent / f".{place.name}.trial"
    with told(place):
        trial.touch()
        trial.unlink()


@contextmanager
def told(place: Path) -> Iterator[None]:
    """Turn errors of writing `place` into a sentence."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        raise write_error(place, error) from error
