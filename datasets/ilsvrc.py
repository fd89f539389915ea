"""ILSVRC's classification and localization task as it is published (Russakovsky et al., "ImageNet Large Scale Visual
Recognition Challenge", 2015).

`Data/CLS-LOC/train/ID/`, `Data/CLS-LOC/val/`, the XML files of val in `Annotations/CLS-LOC/val/` or, from Kaggle,
LOC_val_solution.csv, and LOC_synset_mapping.txt. The labelled val folder is the test part; the unlabelled test folder
is left alone, and so are the boxes of training pictures, which nothing here uses. Boxes name their first and last
pixel, counted from 0.
"""

from pathlib import Path

from seekcam.datasets.dataset import TEST, TRAIN, DatasetError, LabelledPicture, PictureSet
from seekcam.datasets.files import files_in, is_picture, pictures_below, sub_folders, text_lines
from seekcam.datasets.names import class_names, wordnet_names
from seekcam.datasets.pixel_box import AnnotatedPicture, parsed_box, pixel_box, within_their_files
from seekcam.datasets.voc import read_voc


def fits(root: Path) -> bool:
    """Whether a folder has this layout."""
    return any((root / "Data" / "CLS-LOC" / part).is_dir() for part in ("train", "val"))


def read_ilsvrc(root: Path) -> PictureSet:
    """Classes are the training folders in the order of their ids, which is the usual order of the 1000 classes.

    Raises:
        DatasetError: a val picture without annotation or of a class that is not trained, or a wrong file.
    """
    data = root / "Data" / "CLS-LOC"
    mapping = next((folder for folder in (root, root.parent) if (folder / "LOC_synset_mapping.txt").is_file()), root)
    train, val = data / "train", data / "val"
    folders = sub_folders(train) if train.is_dir() else []
    class_ids = tuple(folder.name for folder in folders) or tuple(wordnet_names(mapping))
    if not class_ids:
        raise DatasetError(f"{root} has neither training folders nor LOC_synset_mapping.txt: put one of them there.")
    labels = {class_id: label for label, class_id in enumerate(class_ids)}
    parts = {}
    if folders:
        parts[TRAIN] = tuple(
            LabelledPicture(path, label) for label, folder in enumerate(folders) for path in pictures_below(folder)
        )
    if val.is_dir():
        parts[TEST] = tuple(_labelled_val(val, root, mapping, labels))
    return PictureSet(root.name, root, "ilsvrc", class_names(class_ids, mapping), class_ids, parts)


def _labelled_val(val: Path, root: Path, mapping: Path, labels: dict[str, int]) -> list[LabelledPicture]:
    """Pictures of val in one folder, or sorted into folders of their classes."""
    xmls = root / "Annotations" / "CLS-LOC" / "val"
    table = mapping / "LOC_val_solution.csv"
    paths = [path for folder in (val, *sub_folders(val)) for path in files_in(folder) if is_picture(path.name)]
    from_table = {} if xmls.is_dir() or not table.is_file() else _from_table(table)
    pictures = []
    for path in sorted(paths, key=lambda path: path.name):
        if xmls.is_dir() and (xmls / f"{path.stem}.xml").is_file():
            entry = read_voc(xmls / f"{path.stem}.xml", path.name, first_pixel=0)
        elif path.stem in from_table:
            entry = from_table[path.stem]
        else:
            raise DatasetError(f"{path} has no annotation in {xmls} or {table.name}: add it or remove the picture.")
        class_id = entry.objects[0][0] if entry.objects else ""
        if class_id not in labels:
            raise DatasetError(f"{entry.where}: {class_id!r} is none of the {len(labels)} classes: add or remove it.")
        boxes = tuple(box for name, box in entry.objects if name == class_id)
        pictures.append(LabelledPicture(path, labels[class_id], boxes, entry.size))
    return within_their_files(pictures, lambda _: str(table if from_table else xmls))


def _from_table(table: Path) -> dict[str, AnnotatedPicture]:
    """Kaggle's table: a header, then "picture,ID x0 y0 x1 y1 ID x0 y0 x1 y1 ..."."""
    found = {}
    for where, line in list(text_lines(table))[1:]:
        picture, _, text = line.partition(",")
        words = text.split()
        if not words or len(words) % 5:
            raise DatasetError(f"{where}: this is not picture,ID x0 y0 x1 y1 ...: correct or remove it.")
        objects = []
        for start in range(0, len(words), 5):
            x0, y0, x1, y1 = parsed_box(words[start + 1 : start + 5], where)
            objects.append((words[start], pixel_box((x0, y0, x1 + 1, y1 + 1), None, where)))
        found[picture] = AnnotatedPicture(picture, where, tuple(objects))
    return found
