"""Boxes and masks from wsolevaluation's text files (Choe et al., "Evaluating Weakly Supervised Object Localization
Methods Right", 2020).

`localization.txt` has a line for each box, "picture,x0,y0,x1,y1" in pixels from 0 with the last one belonging to the
object, or for each mask, "picture,mask,ignore", where ignore may be empty; `image_sizes.txt` says what the boxes are
measured in, "picture,width,height".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from seekcam.datasets.dataset import DatasetError
from seekcam.datasets.files import text_lines, whole_number
from seekcam.datasets.pixel_box import AnnotatedPicture, Size, parsed_box, pixel_box

_NUMBER = r"\s*[-+]?[\d.]+(?:e[-+]?\d+)?\s*"
_BOX = re.compile(f"(.+?),({_NUMBER}),({_NUMBER}),({_NUMBER}),({_NUMBER})", re.IGNORECASE)


def read_localization(path: Path, sizes: Mapping[str, Size]) -> list[AnnotatedPicture]:
    """One `AnnotatedPicture` for each picture of the file, its boxes or masks together.

    Raises:
        DatasetError: a line of neither form, or a box that is empty or outside its picture.
    """
    found: dict[str, AnnotatedPicture] = {}
    for where, line in text_lines(path):
        box = _BOX.fullmatch(line)
        fields = line.split(",")
        if box is not None:
            picture = box[1]
            known = found.get(picture) or AnnotatedPicture(picture, where, size=sizes.get(picture))
            x0, y0, x1, y1 = parsed_box(box.groups()[1:], where)
            inside = pixel_box((x0, y0, x1 + 1, y1 + 1), known.size, where)
            found[picture] = replace(known, objects=(*known.objects, ("", inside)))
        elif len(fields) == 3 and fields[0] and fields[1]:
            picture, mask, ignore = fields
            known = found.get(picture) or AnnotatedPicture(picture, where)
            found[picture] = replace(known, masks=(*known.masks, mask), ignore=known.ignore or ignore or None)
        else:
            raise DatasetError(f"{where}: neither picture,x0,y0,x1,y1 nor picture,mask,ignore: correct or remove it.")
    return list(found.values())


def read_sizes(path: Path) -> dict[str, Size]:
    """Width and height in pixels of each picture in an `image_sizes.txt`; nothing where there is no such file.

    Raises:
        DatasetError: a line that is not picture,width,height.
    """
    if not path.is_file():
        return {}
    sizes = {}
    for where, (picture, width, height) in separated(path, 3, "picture,width,height"):
        size = whole_number(width), whole_number(height)
        if not (size[0] and size[1]):
            raise DatasetError(f"{where}: width and height must be whole numbers above 0: correct or remove it.")
        sizes[picture] = (size[0], size[1])
    return sizes


def separated(path: Path, count: int, form: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of `count` fields, separated by commas of which the first field may have more, and their places.

    Raises:
        DatasetError: a line that has fewer.
    """
    for where, line in text_lines(path):
        fields = [field.strip() for field in line.rsplit(",", count - 1)]
        if len(fields) != count or not fields[0]:
            raise DatasetError(f"{where}: this is not {form}: correct or remove it.")
        yield where, fields
