"""Where an exported file goes, checked before any work is done, and how it comes into the model library.

A file in the library folder is served as it lies there. One that is written elsewhere is entered under its name by a
symbolic link, or by a copy where the disk has no links.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from seekcam.localization.errors import UserError
from seekcam.localization.library import BUILDABLE, SUFFIX, ModelLibrary


class PlaceError(UserError):
    """A file name that is taken, is no model's, or lies where nothing can be written."""

    code = "bad-place"
    exit_code = 2


@dataclass(frozen=True)
class Place:
    """Where a model file is written, and where the library has it."""

    name: str
    file: Path  # absolute
    entry: Path  # in the library folder; `file` itself when it is written there


def plan(name: str, out: Path | None, library: ModelLibrary, *, overwrite: bool, source: Path | None = None) -> Place:
    """Choose the place for a model, and refuse what cannot work.

    Args:
        name: the model's.
        out: the file that is asked for; without one the library's.
        overwrite: whether what is there may be replaced.
        source: the file that is read; it cannot be the output, nor lose its place in the library to it.

    Raises:
        PlaceError: see the class.
        UnknownModelError: `name` cannot be a model's name.
    """
    entry = library.file(name)
    file = entry if out is None else out.expanduser().absolute()
    if name in BUILDABLE:
        raise PlaceError(
            f"{name} is the name of a model that `seekcam models build` makes: choose another file name or --name."
        )
    if file.suffix != SUFFIX:
        raise PlaceError(f"{file} must end in {SUFFIX}.")
    if file.is_dir():
        raise PlaceError(f"{file} is a folder: give the name of a file.")
    if source is not None and file.resolve() == source.resolve():
        raise PlaceError("The output is the input: give it another name.")
    if source is not None and entry == source.absolute() and not entry.is_symlink():
        raise PlaceError(f"The input is the library's {name}, which the output would replace there: give --name.")
    if file.parent.resolve() == library.folder.resolve() and file.name != entry.name:
        raise PlaceError(f"{file} is in the model library, where a file bears its model's name: call it {entry.name}.")
    if out is None:
        with told(library.folder):
            library.folder.mkdir(parents=True, exist_ok=True)
    elif not file.parent.is_dir():
        raise PlaceError(f"There is no folder {file.parent}: make it first.")
    if file.exists() and not overwrite:
        raise PlaceError(f"{file} exists: add --overwrite to replace it, or choose another name.")
    if entry.exists() and entry.resolve() != file.resolve() and not overwrite:
        raise PlaceError(
            f"The library has another model called {name} ({entry}): give --name, or add --overwrite to replace it."
        )
    with told(library.folder):
        library.folder.mkdir(parents=True, exist_ok=True)
    for folder in {file.parent, library.folder}:
        # Tried instead of asked for: only trying knows of read-only disks.
        trial = folder / f".{name}-{os.getpid()}.trial"
        with told(folder):
            trial.touch()
            trial.unlink()
    return Place(name, file, entry)


def enter(place: Place) -> str:
    """Let the library have the written file: "in place", "link" or "copy", what was needed for it."""
    if place.entry.parent.resolve() == place.file.parent.resolve():
        return "in place"
    part = place.entry.with_name(f".{place.name}-{os.getpid()}.part")
    how = "link"
    with told(place.entry.parent):
        try:
            try:
                part.symlink_to(place.file)
            except (OSError, NotImplementedError):  # no links on this disk, or not for this person
                how = "copy"
                shutil.copyfile(place.file, part)
            part.replace(place.entry)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
    return how


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turn errors of writing in `folder` into a sentence."""
    try:
        yield
    except OSError as error:
        todo = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another folder"
        raise PlaceError(
            f"Nothing can be written in {folder} ({error.strerror or error}): {todo}, or set SEEKCAM_MODELS if it is "
            "the model library's."
        ) from error
