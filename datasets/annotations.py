"""Boxes and masks for a folder of pictures: given or found, in any of the three formats, joined to their pictures."""

import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seekcam.datasets.coco import read_coco
from seekcam.datasets.dataset import DatasetError, LabelledPicture
from seekcam.datasets.files import files_below, files_in, refuse_missing, sub_folders
from seekcam.datasets.localization_text import read_localization, read_sizes
from seekcam.datasets.matching import matched
from seekcam.datasets.pixel_box import AnnotatedPicture, within_their_files
from seekcam.datasets.voc import read_voc

logger = logging.getLogger(__name__)

FOLDERS = ("annotations", "annotation", "labels", "xml", "xmls")  # without pictures, they are no class folders

_COCO_NAME = re.compile(r"_?annotations.*\.json|instances_.*\.json", re.IGNORECASE)


def read_annotations(source: Path) -> list[AnnotatedPicture]:
    """What was given: a COCO JSON, a folder of Pascal VOC XMLs (or one), or a wsolevaluation localization.txt.

    Raises:
        DatasetError: none of these, or a file that is wrong.
    """
    if source.is_dir():
        if xmls := _xmls(files_below(source)):
            return [read_voc(path, str(path)) for path in xmls]
        raise DatasetError(f"{source} holds no Pascal VOC files (.xml): give their folder, or a .json or .txt file.")
    if not source.exists():
        raise DatasetError(f"There is no {source} to take boxes from: check the name.")
    match source.suffix.lower():
        case ".json":
            found = read_coco(source)
        case ".txt":
            found = read_localization(source, read_sizes(source.with_name("image_sizes.txt")))
        case ".xml":
            found = [read_voc(source, source.name)]
        case _:
            raise DatasetError(f"{source} has no boxes that we read: give a COCO .json, VOC .xml or localization.txt.")
    # With the file's own folder in front, pictures of the same name in other folders are told apart.
    return [replace(entry, picture=str(source.parent / entry.picture)) for entry in found]


def find_annotations(folders: Sequence[Path], pictures: Sequence[Path]) -> list[AnnotatedPicture]:
    """What lies in its usual place, of the first format that is there.

    COCO JSON in one of `folders` or its annotations folder; Pascal VOC XMLs in an annotations folder or beside the
    `pictures`; localization.txt in one of `folders` or its annotations folder.

    Raises:
        DatasetError: a file that is wrong.
    """
    beside = [inner for folder in folders for inner in sub_folders(folder) if inner.name.lower() in FOLDERS]
    files = [path for folder in (*folders, *beside) for path in files_in(folder)]
    if found := [path for path in files if _COCO_NAME.fullmatch(path.name)]:
        return [entry for path in found for entry in read_annotations(path)]
    stems = {(path.parent, path.stem) for path in pictures}
    parents = sorted({path.parent for path in pictures})
    xmls = [path for folder in beside for path in _xmls(files_below(folder))]
    xmls += [path for folder in parents for path in _xmls(files_in(folder)) if (folder, path.stem) in stems]
    if xmls:
        return [read_voc(path, str(path)) for path in dict.fromkeys(xmls)]
    return [entry for path in files if path.name == "localization.txt" for entry in read_annotations(path)]


def annotated(
    pictures: Sequence[LabelledPicture],
    annotations: Sequence[AnnotatedPicture],
    names: Sequence[frozenset[str]],
    root: Path,
    source: Path,
) -> list[LabelledPicture]:
    """The same pictures with their boxes and masks.

    Args:
        pictures: in any order.
        annotations: of these and perhaps of other pictures.
        names: what each class may be called in the annotations. Boxes of other classes than the picture's own are left
            out, unless the annotations name none of the classes at all.
        root: folder that the pictures lie in; the paths of masks begin there, in its parent or where `source` lies.
        source: the annotation file or folder, for messages.

    Raises:
        DatasetError: annotations that fit no picture or several, a missing mask, or a box outside its picture.
    """
    owned = matched(annotations, [picture.path for picture in pictures], root)
    if annotations and not owned:
        first = annotations[0]
        raise DatasetError(f"{first.where}: {first.picture} is not in {root}, nor is any other picture named there.")
    wanted = [frozenset(folded(name) for name in of_class) for of_class in names]
    known = frozenset[str]().union(*wanted)
    any_known = any(folded(name) in known for entry in annotations for name, _ in entry.objects)

    def of_own_class(name: str, label: int) -> bool:
        return not any_known or not name or folded(name) in wanted[label]

    def joined(picture: LabelledPicture) -> LabelledPicture:
        for entry in owned.get(picture.path, ()):
            boxes = tuple(box for name, box in entry.objects if of_own_class(name, picture.label))
            picture = replace(picture, boxes=picture.boxes + boxes, size=picture.size or entry.size)
            picture = with_masks(picture, entry, (source if source.is_dir() else source.parent, root, root.parent))
        return picture

    strange = [name for path in owned for entry in owned[path] for name, _ in entry.objects if name]
    strange = [name for name in strange if any_known and folded(name) not in known]
    if strange:
        # Legitimate where pictures show more than what is looked for; a misspelt class is told by it.
        logger.warning("%s: boxes of no class here are left out: %d, first %r.", source, len(strange), strange[0])
    result = [joined(picture) for picture in pictures]
    refuse_missing((path for picture in result for path in (*picture.masks, *_ignored(picture))), source, root)
    return within_their_files(result, lambda path: owned[path][0].where)


def with_masks(picture: LabelledPicture, entry: AnnotatedPicture, folders: Sequence[Path]) -> LabelledPicture:
    """The picture with the masks of `entry`, in the first of `folders` that has them (in the first if none has)."""
    if not entry.masks:
        return picture
    folder = next((folder for folder in folders if (folder / entry.masks[0]).is_file()), folders[0])
    masks = tuple(folder / mask for mask in entry.masks)
    return replace(
        picture, masks=picture.masks + masks, ignore=picture.ignore or (folder / entry.ignore if entry.ignore else None)
    )


def folded(name: str) -> str:
    """A class name for comparison: small letters, blanks for underscores, one Unicode form."""
    return unicodedata.normalize("NFC", name).casefold().replace("_", " ").strip()


def _ignored(picture: LabelledPicture) -> tuple[Path, ...]:
    return (picture.ignore,) if picture.ignore else ()


def _xmls(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() == ".xml"]
