"""Which picture an annotation means: annotation files name pictures by their file alone, or with some of their folders.

The names are compared from the end: the more folders agree, the better. Suffixes count last, since Pascal VOC's files
have another one than their pictures. Names are compared in one Unicode form, as file systems differ in it.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from seekcam.datasets.dataset import DatasetError
from seekcam.datasets.files import shown
from seekcam.datasets.pixel_box import AnnotatedPicture

_Agreement = tuple[int, bool]


def matched(
    annotations: Sequence[AnnotatedPicture], pictures: Sequence[Path], root: Path
) -> dict[Path, list[AnnotatedPicture]]:
    """The annotations of each picture that has any; those of pictures which are not there are left out.

    Raises:
        DatasetError: an annotation fits several pictures equally well.
    """
    by_stem: dict[str, list[tuple[Path, tuple[str, ...]]]] = {}
    for path in pictures:
        parts = _parts(path.relative_to(root).as_posix())
        by_stem.setdefault(PurePosixPath(parts[-1]).stem, []).append((path, parts))
    found: dict[Path, list[tuple[_Agreement, AnnotatedPicture]]] = {}
    for entry in annotations:
        wanted = _parts(entry.picture)
        candidates = by_stem.get(PurePosixPath(wanted[-1]).stem, ()) if wanted else ()
        fits = [(_agreement(wanted, parts), path) for path, parts in candidates]
        highest = max((fit for fit, _ in fits), default=(0, False))
        best = [path for fit, path in fits if fit == highest]
        if len(best) > 1:
            raise DatasetError(
                f"{entry.where}: {entry.picture} can be {shown(best[0], root)} or {shown(best[1], root)}: "
                "name the picture with its folder."
            )
        for path in best:
            found.setdefault(path, []).append((highest, entry))
    # "dog/1.jpg" also fits cat/1.jpg where there is no such dog, but not as well as "cat/1.jpg" does.
    best_of = {path: max(fit for fit, _ in entries) for path, entries in found.items()}
    return {path: [entry for fit, entry in entries if fit == best_of[path]] for path, entries in found.items()}


def _agreement(wanted: tuple[str, ...], parts: tuple[str, ...]) -> _Agreement:
    """How many folders agree, counted from the file upwards, and whether the file's suffix does too."""
    folders = 0
    for ours, theirs in zip(reversed(wanted[:-1]), reversed(parts[:-1]), strict=False):
        if ours != theirs:
            break
        folders += 1
    return folders, wanted[-1] == parts[-1]


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).parts
