"""Boxes of annotation files as `PixelBox`: in the picture, and not empty.

Formats count pixels differently. A `PixelBox` spans from x0 to x1 as lengths do, so that the whole picture is
(0, 0, width, height); files that name the first and the last pixel of the object (inclusive corners) get 1 added.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seekcam.datasets.dataset import DatasetError, LabelledPicture, PixelBox
from seekcam.datasets.readable import MAX_PIXELS, available_cores, in_threads
from seekcam.localization.errors import UserError
from seekcam.localization.pictures import picture_size

logger = logging.getLogger(__name__)

Size = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class AnnotatedPicture:
    """What an annotation file says of one picture."""

    picture: str  # as the file names it: a path, or the end of one
    where: str  # place in the annotation file, for messages
    objects: tuple[tuple[str, PixelBox], ...] = ()  # the name of the class, or "" where there is none, and its box
    size: Size | None = None
    masks: tuple[str, ...] = ()  # paths as the file names them
    ignore: str | None = None


def pixel_box(corners: tuple[float, float, float, float], size: Size | None, where: str) -> PixelBox:
    """(x0, y0, x1, y1), x1 and y1 exclusive, cut at the edges of the picture.

    Raises:
        DatasetError: nothing of the box is in the picture; `where` begins the message.
    """
    x0, y0, x1, y1 = corners
    width, height = size or (float("inf"), float("inf"))
    cut = (max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height))
    # Written so that NaN fails too.
    if not (x0 < x1 and y0 < y1):
        raise DatasetError(f"{where}: the box {_numbers(corners)} is empty or reversed: correct or remove it.")
    if not (cut[0] < cut[2] and cut[1] < cut[3]):
        of = f" of {size[0]} x {size[1]} pixels" if size else ""
        raise DatasetError(f"{where}: the box {_numbers(corners)} lies outside the picture{of}: correct or remove it.")
    return cut


def parsed_box(texts: Sequence[str], where: str) -> tuple[float, float, float, float]:
    """Four numbers from the text of an annotation file.

    Raises:
        DatasetError: not four, or no numbers.
    """
    try:
        first, second, third, fourth = (float(text) for text in texts)
    except ValueError:
        raise DatasetError(f"{where}: four numbers are expected for a box and there is {','.join(texts)!r}.") from None
    return first, second, third, fourth


def within_their_files(pictures: Sequence[LabelledPicture], place: Callable[[Path], str]) -> list[LabelledPicture]:
    """The same pictures; boxes that came without a picture size are cut at the edges of the file, from its header.

    A file that cannot be read keeps its boxes: it is named where pictures are read. `place` says for messages where the
    boxes of a picture come from.

    Raises:
        DatasetError: a box lies outside its picture.
    """
    open_ended = [picture for picture in pictures if picture.boxes and picture.size is None]
    sizes = dict(
        zip(
            (picture.path for picture in open_ended),
            in_threads(_size, (picture.path for picture in open_ended), available_cores()),
            strict=True,
        )
    )
    result = [_within(picture, sizes.get(picture.path), place) for picture in pictures]
    cut = [after for before, after in zip(pictures, result, strict=True) if _is_cut(before.boxes, after.boxes)]
    if cut:
        logger.warning(
            "%s: boxes of %d of %d pictures reach beyond them and are cut, the first in %s. Are they for pictures of "
            "another size?",
            place(cut[0].path),
            len(cut),
            len(open_ended),
            cut[0].path,
        )
    return result


def _is_cut(before: Sequence[PixelBox], after: Sequence[PixelBox]) -> bool:
    # An edge that is off by one comes from another way to count pixels.
    return any(abs(a - b) > 1 for old, new in zip(before, after, strict=True) for a, b in zip(old, new, strict=True))


def _within(picture: LabelledPicture, size: Size | None, place: Callable[[Path], str]) -> LabelledPicture:
    if size is None:
        return picture
    where = f"{place(picture.path)}, picture {picture.path}"
    return replace(picture, boxes=tuple(pixel_box(box, size, where) for box in picture.boxes), size=size)


def _size(path: Path) -> Size | None:
    try:
        return picture_size(path, MAX_PIXELS)
    except UserError:
        return None


def _numbers(corners: Sequence[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in corners)})"
