"""wsolevaluation's layout (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", 2020).

`metadata/PART/` with image_ids.txt, class_labels.txt, and where there are boxes or masks localization.txt and
image_sizes.txt; the pictures in `images/`. Parts are train, val and test, or train-weaksup, train-fullsup and test.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from seekcam.datasets.annotations import with_masks
from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetError, LabelledPicture, PictureSet
from seekcam.datasets.files import refuse_missing, sub_folders, text_lines, whole_number
from seekcam.datasets.localization_text import read_localization, read_sizes, separated
from seekcam.datasets.names import class_names, wordnet_names
from seekcam.datasets.pixel_box import AnnotatedPicture, Size, within_their_files

MOST_CLASSES = 100_000  # every class up to the highest number gets a name, whether it has pictures or not (ours)

_PARTS = {
    "train": TRAIN,
    "train-weaksup": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "train-fullsup": VALIDATION,
    "test": TEST,
}


def fits(root: Path) -> bool:
    """Whether a folder has this layout."""
    metadata = root / "metadata"
    return metadata.is_dir() and bool(_described(metadata))


def read_wsolevaluation(root: Path) -> PictureSet:
    """Class ids are the folders of the pictures where these are the classes, else WordNet's from synset_words.txt.

    Raises:
        DatasetError: a part of unknown name, a picture without a label, in two parts or not there, or a wrong line.
    """
    images = root / "images"
    parts: dict[str, list[LabelledPicture]] = {}
    owners: dict[str, Path] = {}
    for folder in _described(root / "metadata"):
        part = _PARTS.get(folder.name)
        if part is None or part in parts:
            raise DatasetError(f"{folder} must be named train, val or test, each of them once.")
        labels = _labels(folder, owners)
        parts[part] = _with_boxes(folder, {name: LabelledPicture(images / name, k) for name, k in labels.items()}, root)
    everything = [picture for pictures in parts.values() for picture in pictures]
    class_ids = _class_ids(everything, root)
    names = class_names(class_ids, root)
    return PictureSet(root.name, root, "wsolevaluation", names, class_ids, {k: tuple(v) for k, v in parts.items()})


def _described(metadata: Path) -> list[Path]:
    return [folder for folder in sub_folders(metadata) if (folder / "image_ids.txt").is_file()]


def _labels(folder: Path, owners: dict[str, Path]) -> dict[str, int]:
    """Picture names to labels, in the order of image_ids.txt; `owners` notes which names are taken."""
    classes: dict[str, int] = {}
    for where, (name, label) in separated(folder / "class_labels.txt", 2, "picture,class number"):
        number = whole_number(label)
        if number is None or number >= MOST_CLASSES:
            span = f"a number from 0 to {MOST_CLASSES - 1}"
            raise DatasetError(f"{where}: the class must be {span} and is {label!r}: correct or remove it.")
        classes[name] = number
    labels = {}
    for where, name in text_lines(folder / "image_ids.txt"):
        if name not in classes:
            raise DatasetError(f"{where}: {name} has no line in class_labels.txt: add one or remove it here.")
        if name in owners:
            raise DatasetError(f"{where}: {name} is named in {owners[name]} already: remove one of the two.")
        labels[name] = classes[name]
        owners[name] = folder / "image_ids.txt"
    return labels


def _with_boxes(folder: Path, pictures: Mapping[str, LabelledPicture], root: Path) -> list[LabelledPicture]:
    refuse_missing((picture.path for picture in pictures.values()), folder / "image_ids.txt", root)
    source = folder / "localization.txt"
    if not source.is_file():
        return list(pictures.values())
    sizes = read_sizes(folder / "image_sizes.txt")
    entries = {entry.picture: entry for entry in read_localization(source, sizes)}
    if unknown := [entry for name, entry in entries.items() if name not in pictures]:
        raise DatasetError(f"{unknown[0].where}: {unknown[0].picture} is not in image_ids.txt: add or remove it.")
    result = [_joined(picture, entries.get(name), sizes.get(name), root) for name, picture in pictures.items()]
    masks = (path for picture in result for path in (*picture.masks, picture.ignore) if path is not None)
    refuse_missing(masks, source, root)
    return within_their_files(result, lambda _: str(source))


def _joined(picture: LabelledPicture, entry: AnnotatedPicture | None, size: Size | None, root: Path) -> LabelledPicture:
    if entry is None:
        return picture
    boxes = tuple(box for _, box in entry.objects)
    return with_masks(
        LabelledPicture(picture.path, picture.label, boxes, size), entry, (root / "images", root / "masks", root)
    )


def _class_ids(pictures: list[LabelledPicture], root: Path) -> tuple[str, ...]:
    words = tuple(wordnet_names(root))
    highest = max((picture.label for picture in pictures), default=-1)
    if len(words) > highest:
        return words
    folders: dict[int, set[str]] = {}
    for picture in pictures:
        folders.setdefault(picture.label, set()).add(PurePosixPath(picture.path.as_posix()).parent.name)
    named = {label: next(iter(names)) for label, names in folders.items() if len(names) == 1}
    if len(named) == len(folders) == len(set(named.values())):
        return tuple(named.get(label, f"class {label}") for label in range(highest + 1))
    return tuple(f"class {label}" for label in range(highest + 1))
