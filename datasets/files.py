"""What lies in a folder, and lines of text files, with every problem said in a sentence.

Hidden files and folders are passed over, links are followed, and a folder that is reached twice is read once, so that
links in a circle do no harm. Nothing is decoded.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from seekcam.datasets.dataset import DatasetError
from seekcam.localization.pictures import SUFFIXES

_DIGITS = 9  # of a whole number: what has more is none that belongs to pictures


def is_picture(name: str) -> bool:
    """Whether a file of that name is one to read as a picture."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def sub_folders(folder: Path) -> list[Path]:
    """Sorted by name."""
    return sorted(folder / entry.name for entry in _entries(folder) if _is_folder(entry))


def files_in(folder: Path) -> list[Path]:
    """Sorted by name, of this folder only."""
    return sorted(folder / entry.name for entry in _entries(folder) if not _is_folder(entry))


def files_below(folder: Path) -> list[Path]:
    """Of this folder and all below it, sorted."""
    found: list[Path] = []
    waiting, seen = [folder], set()
    while waiting:
        current = waiting.pop()
        status = current.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in _entries(current):
            (waiting if _is_folder(entry) else found).append(current / entry.name)
    return sorted(found)


def pictures_below(folder: Path) -> list[Path]:
    """Of this folder and all below it, sorted."""
    return [path for path in files_below(folder) if is_picture(path.name)]


def refuse_missing(named: Iterable[Path], source: Path, root: Path) -> None:
    """Check that files which `source` names are there; each of their folders is listed once.

    Raises:
        DatasetError: some are not; the first is named.
    """
    there: dict[Path, set[str]] = {}
    missing = []
    for path in named:
        if path.parent not in there:
            there[path.parent] = {entry.name for entry in _entries(path.parent)} if path.parent.is_dir() else set()
        if path.name not in there[path.parent]:
            missing.append(path)
    if missing:
        raise DatasetError(
            f"{source} names {counted(len(missing), 'file')} not to be found, first {shown(missing[0], root)}: "
            "put what is missing there or take its lines out."
        )


def text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines that are not empty, each after its place "file:line" for messages.

    Raises:
        DatasetError: no such file, or no UTF-8 text.
    """
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def read_text(path: Path) -> str:
    """A text file in UTF-8.

    Raises:
        DatasetError: no such file, or no UTF-8 text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8 text: save it as that.") from None


def read_bytes(path: Path) -> bytes:
    """A whole file.

    Raises:
        DatasetError: it is not there, or may not be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing: the layout of this data set needs it.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error


def whole_number(text: str) -> int | None:
    """A number from 0 in at most nine digits, else None."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


def shown(path: Path, root: Path) -> str:
    """A path for a message: without the root where it lies below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def counted(number: int, noun: str) -> str:
    """For a message, such as "1 file" or "3 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read ({error.strerror}): check its name and permissions.") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself
