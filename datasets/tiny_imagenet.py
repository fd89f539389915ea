"""Tiny ImageNet as it is published (Stanford's course CS231n): 200 WordNet classes in pictures of 64 x 64.

`train/ID/images/` with `train/ID/ID_boxes.txt`, `val/images/` with `val/val_annotations.txt`, wnids.txt, words.txt. The
labelled val folder is the test part; `test/` has no labels and is left alone. Boxes name their first and last pixel:
none ends beyond 63, and hundreds are one pixel wide.
"""

from pathlib import Path

from seekcam.datasets.dataset import TEST, TRAIN, DatasetError, LabelledPicture, PictureSet, PixelBox
from seekcam.datasets.files import pictures_below, refuse_missing, text_lines
from seekcam.datasets.names import class_names
from seekcam.datasets.pixel_box import parsed_box, pixel_box

_SIZE = (64, 64)  # of every picture


def fits(root: Path) -> bool:
    """Whether a folder has this layout."""
    return (root / "wnids.txt").is_file() and ((root / "train").is_dir() or (root / "val").is_dir())


def read_tiny_imagenet(root: Path) -> PictureSet:
    """Classes in the order of wnids.txt; training pictures are those that are there.

    Raises:
        DatasetError: a wrong line, an unknown class, a val picture that is not there, or a box outside its picture.
    """
    class_ids = tuple(line for _, line in text_lines(root / "wnids.txt"))
    labels = {class_id: label for label, class_id in enumerate(class_ids)}
    parts: dict[str, list[LabelledPicture]] = {}
    if (root / "train").is_dir():
        parts[TRAIN] = [picture for class_id in class_ids for picture in _training(root, class_id, labels[class_id])]
    if (root / "val" / "val_annotations.txt").is_file():
        parts[TEST] = _labelled_val(root, labels)
    names = class_names(class_ids, root)
    return PictureSet(root.name, root, "tiny-imagenet", names, class_ids, {k: tuple(v) for k, v in parts.items()})


def _training(root: Path, class_id: str, label: int) -> list[LabelledPicture]:
    folder, table = root / "train" / class_id, root / "train" / class_id / f"{class_id}_boxes.txt"
    if not folder.is_dir():
        return []  # refused later, with the other classes that have no pictures
    boxes: dict[str, list[PixelBox]] = {}
    for where, line in text_lines(table) if table.is_file() else ():
        name, *corners = line.split()
        boxes.setdefault(name, []).append(_box(corners, where))
    return [LabelledPicture(path, label, tuple(boxes.get(path.name, ())), _SIZE) for path in pictures_below(folder)]


def _labelled_val(root: Path, labels: dict[str, int]) -> list[LabelledPicture]:
    source = root / "val" / "val_annotations.txt"
    pictures = []
    for where, line in text_lines(source):
        name, class_id, *corners = [*line.split(), ""][:6]
        if class_id not in labels:
            raise DatasetError(f"{where}: {class_id!r} is no class of wnids.txt: correct or remove it.")
        pictures.append(
            LabelledPicture(root / "val" / "images" / name, labels[class_id], (_box(corners, where),), _SIZE)
        )
    refuse_missing((picture.path for picture in pictures), source, root)
    return pictures


def _box(corners: list[str], where: str) -> PixelBox:
    x0, y0, x1, y1 = parsed_box(corners, where)
    return pixel_box((x0, y0, x1 + 1, y1 + 1), _SIZE, where)
