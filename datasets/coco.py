"""Boxes from a COCO JSON file (Lin et al., "Microsoft COCO: Common Objects in Context", 2014).

`bbox` is [x, y, width, height] in pixels, fractions allowed, from the picture's top left corner. Crowds (`iscrowd`) are
left out: their box is of no single object.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekcam.datasets.dataset import DatasetError, PixelBox
from seekcam.datasets.files import read_text
from seekcam.datasets.pixel_box import AnnotatedPicture, Size, pixel_box

_LISTS = ("images", "annotations", "categories")


def read_coco(path: Path) -> list[AnnotatedPicture]:
    """One `AnnotatedPicture` for each picture of the file that has a box.

    Raises:
        DatasetError: not JSON, not COCO, or a box that is empty or outside its picture.
    """
    document = _document(path)
    categories = {entry["id"]: str(entry["name"]) for entry in _checked(path, document, "categories", ("id", "name"))}
    pictures = {entry["id"]: entry for entry in _checked(path, document, "images", ("id", "file_name"))}
    objects: dict[Any, list[tuple[str, PixelBox]]] = {}
    for entry in _checked(path, document, "annotations", ("image_id", "category_id", "bbox")):
        where = f"{path}, annotation {entry.get('id', '?')}"
        if entry.get("iscrowd"):
            continue
        if entry["image_id"] not in pictures:
            raise DatasetError(f"{where}: no picture has the id {entry['image_id']!r}: correct or remove it.")
        if entry["category_id"] not in categories:
            raise DatasetError(f"{where}: no category has the id {entry['category_id']!r}: correct or remove it.")
        picture = pictures[entry["image_id"]]
        box = _box(entry["bbox"], _size(picture), f"{where}, picture {picture['file_name']}")
        objects.setdefault(entry["image_id"], []).append((categories[entry["category_id"]], box))
    return [
        AnnotatedPicture(str(pictures[key]["file_name"]), str(path), tuple(found), _size(pictures[key]))
        for key, found in objects.items()
    ]


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: this is not JSON ({error.msg}): correct or remove it.") from None
    except (ValueError, RecursionError):
        raise DatasetError(f"{path} is no COCO file: its numbers are too long or its lists too deep.") from None
    if not isinstance(document, dict) or not all(isinstance(document.get(name), list) for name in _LISTS):
        raise DatasetError(f"{path} is no COCO file: it needs the lists images, annotations and categories.")
    return document


def _checked(path: Path, document: Mapping[str, Any], name: str, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    entries = document[name]
    for index, entry in enumerate(entries):
        fields = entry if isinstance(entry, dict) else {}
        for key in needed:
            if key not in fields or (key.endswith("id") and not isinstance(fields[key], int | str)):
                raise DatasetError(f"{path}: entry {index} of {name} has no usable {key!r}: correct or remove it.")
    return list(entries)


def _size(picture: Mapping[str, Any]) -> Size | None:
    width, height = picture.get("width"), picture.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0 else None


def _box(bbox: object, size: Size | None, where: str) -> PixelBox:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(isinstance(value, int | float) for value in bbox):
        raise DatasetError(f"{where}: bbox must be four numbers [x, y, width, height]: correct or remove it.")
    try:
        x, y, width, height = map(float, bbox)
    except OverflowError:
        raise DatasetError(f"{where}: the bbox has a number that is too long: correct or remove it.") from None
    return pixel_box((x, y, x + width, y + height), size, where)
