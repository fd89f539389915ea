"""CUB-200-2011 as it is published (Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", 2011).

Tables of numbered pictures: images.txt, image_class_labels.txt, train_test_split.txt, classes.txt, bounding_boxes.txt
(x, y, width, height in pixels); pictures in `images/`, masks in `segmentations/` there or beside the folder.
"""

from pathlib import Path

from seekcam.datasets.dataset import TEST, TRAIN, DatasetError, LabelledPicture, PictureSet
from seekcam.datasets.files import refuse_missing, text_lines
from seekcam.datasets.names import class_names
from seekcam.datasets.pixel_box import parsed_box, pixel_box, within_their_files


def fits(root: Path) -> bool:
    """Whether a folder has this layout."""
    return (root / "images.txt").is_file() and (root / "image_class_labels.txt").is_file()


def read_cub(root: Path) -> PictureSet:
    """Training and test part as published.

    Raises:
        DatasetError: a table that lacks a picture, a wrong line, a picture that is not there, or a box outside its own.
    """
    files = _table(root / "images.txt")
    labels = _table(root / "image_class_labels.txt")
    trained = _table(root / "train_test_split.txt")
    boxes = _table(root / "bounding_boxes.txt") if (root / "bounding_boxes.txt").is_file() else {}
    classes = _table(root / "classes.txt")
    order = {number: label for label, number in enumerate(classes)}
    masks = next((path for path in (root / "segmentations", root.parent / "segmentations") if path.is_dir()), None)
    refuse_missing((root / "images" / file for _, file in files.values()), root / "images.txt", root)
    parts: dict[str, list[LabelledPicture]] = {TRAIN: [], TEST: []}
    for number, (where, file) in files.items():
        if number not in labels or labels[number][1] not in order or number not in trained:
            raise DatasetError(f"{where}: picture {number} needs a class in classes.txt and a part: add or remove it.")
        found: tuple[tuple[float, float, float, float], ...] = ()
        if number in boxes:
            place, text = boxes[number]
            x, y, width, height = parsed_box(text.split(), place)
            found = (pixel_box((x, y, x + width, y + height), None, place),)
        mask = (masks / file).with_suffix(".png") if masks else None
        picture = LabelledPicture(
            root / "images" / file,
            order[labels[number][1]],
            found,
            masks=(mask,) if mask is not None and mask.is_file() else (),
        )
        parts[TRAIN if trained[number][1] == "1" else TEST].append(picture)
    class_ids = tuple(name for _, name in classes.values())
    names = class_names(class_ids, root)
    source = root / "bounding_boxes.txt"
    checked = {part: tuple(within_their_files(found, lambda _: str(source))) for part, found in parts.items() if found}
    return PictureSet(root.name, root, "cub", names, class_ids, checked)


def _table(path: Path) -> dict[str, tuple[str, str]]:
    """Lines "number rest" as number -> (place, rest)."""
    table = {}
    for where, line in text_lines(path):
        number, _, rest = line.partition(" ")
        if not number.isdecimal() or not rest.strip():
            raise DatasetError(f"{where}: this is not a number and a value: correct or remove it.")
        table[number] = (where, rest.strip())
    return table
