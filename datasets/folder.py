"""The plain layout: one folder for each class, or train, val and test folders that each have one for each class."""

import os
from collections.abc import Iterable
from pathlib import Path

from seekcam.datasets.annotations import FOLDERS, annotated, find_annotations, read_annotations
from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetError, LabelledPicture, PictureSet
from seekcam.datasets.files import files_in, is_picture, pictures_below, sub_folders
from seekcam.datasets.names import class_names

PART_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}

_Found = dict[str, dict[str, list[Path]]]  # part -> class folder's name -> pictures


def read_folder(root: Path, annotations: Path | None = None) -> PictureSet:
    """Classes are the folders in the order of their names, and pictures may lie in folders of these.

    Args:
        root: the folder; what is unpacked into a folder of its own, once or twice, is found too.
        annotations: boxes, see `annotations.read_annotations`; None looks for them in their usual places.

    Raises:
        DatasetError: no class folders, an empty one, one class in two training folders, or annotations that are wrong.
    """
    top = _unwrapped(root)
    folders = _parts(top) or {TRAIN: top}
    found = {part: _classes(folder) for part, folder in folders.items()}
    _refuse_without_pictures(found, root)
    class_ids = tuple(sorted({name for classes in found.values() for name in classes}))
    _refuse_unwritable(class_ids)
    names = class_names(class_ids, top)
    labels = {name: label for label, name in enumerate(class_ids)}
    pictures = {
        part: [LabelledPicture(path, labels[name]) for name, paths in classes.items() for path in paths]
        for part, classes in found.items()
    }
    everything = [picture for of_part in pictures.values() for picture in of_part]
    if annotations is not None:
        entries = read_annotations(annotations)
    else:
        places = list(dict.fromkeys((root, top, *folders.values())))
        entries = find_annotations(places, [picture.path for picture in everything])
    if entries:
        called = [frozenset(pair) for pair in zip(names, class_ids, strict=True)]
        joined = iter(annotated(everything, entries, called, root, annotations or root))
        pictures = {part: [next(joined) for _ in of_part] for part, of_part in pictures.items()}
    parts = {part: tuple(of_part) for part, of_part in pictures.items()}
    return PictureSet(root.name, root, "folder", names, class_ids, parts)


def _unwrapped(folder: Path) -> Path:
    """The folder with the classes or parts in it, where archives have put others around it."""
    for _ in range(3):
        inner = [path for path in sub_folders(folder) if path.name.lower() not in FOLDERS]
        if len(inner) != 1 or inner[0].name.lower() in PART_NAMES:
            break
        if _has_pictures(folder) or _has_pictures(inner[0]) or not sub_folders(inner[0]):
            break
        folder = inner[0]
    return folder


def _parts(folder: Path) -> dict[str, Path]:
    """The folder of each part, if there are any: they hold class folders.

    Raises:
        DatasetError: two folders for the same part.
    """
    found: dict[str, Path] = {}
    others = []
    for path in sub_folders(folder):
        part = PART_NAMES.get(path.name.lower())
        if part is None:
            others.append(path)
        elif sub_folders(path):
            if part in found:
                raise DatasetError(f"{found[part]} and {path} are both the {part} part: keep one of them.")
            found[part] = path
    # "train" may be a class beside "bus"; "train" and "val" are none, whatever else lies there.
    if len(found) == 1 and any(_has_pictures(path) for path in (*found.values(), *others)):
        return {}
    return found


def _classes(folder: Path) -> dict[str, list[Path]]:
    found = {path.name: pictures_below(path) for path in sub_folders(folder)}
    return {name: paths for name, paths in found.items() if paths or name.lower() not in FOLDERS}


def _refuse_without_pictures(found: _Found, root: Path) -> None:
    if not any(paths for classes in found.values() for paths in classes.values()):
        loose = any(is_picture(path.name) for path in files_in(root))
        what = "holds pictures but no folders of classes" if loose else "holds no pictures (JPEG, PNG, WebP, BMP, GIF)"
        raise DatasetError(f"{root} {what}: put the pictures of each class into a folder of its own there.")
    for part, classes in found.items():
        for name, paths in classes.items():
            if not paths:
                of = f" of the {part} part" if len(found) > 1 else ""
                raise DatasetError(f"The class folder {name}{of} holds no pictures: add some or remove the folder.")


def _refuse_unwritable(names: Iterable[str]) -> None:
    """Class names go into model files and tables, which are UTF-8; old archives unpack to names that are not."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DatasetError(f"The class folder {os.fsencode(name)!r} has no UTF-8 name: rename it.") from None


def _has_pictures(folder: Path) -> bool:
    return any(is_picture(path.name) for path in files_in(folder))
