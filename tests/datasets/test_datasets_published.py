"""CUB-200-2011, Tiny ImageNet and ILSVRC, each rebuilt small in the layout it is published in."""

from pathlib import Path

import pytest

from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetError
from seekcam.datasets.read_pictures import read_pictures
from tests.helpers.picture_folders import save_picture, write_lines

IDS = ("n01440764", "n01443537")
XML = """<annotation><folder>val</folder><filename>{stem}</filename>
<size><width>50</width><height>40</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = """<object><name>{name}</name><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax>
</bndbox></object>"""


def write_cub(root: Path) -> Path:
    files = [f"{folder}/{i}.jpg" for folder in ("001.Black_footed_Albatross", "002.Crow") for i in range(3)]
    for file in files:
        save_picture(root / "images" / file, 60, 50)
    numbered = list(enumerate(files, 1))
    write_lines(root / "images.txt", [f"{number} {file}" for number, file in numbered])
    write_lines(root / "image_class_labels.txt", [f"{number} {int(file[2])}" for number, file in numbered])
    write_lines(root / "classes.txt", ["1 001.Black_footed_Albatross", "2 002.Crow"])
    write_lines(root / "train_test_split.txt", [f"{number} {int(number % 3 != 0)}" for number, _ in numbered])
    write_lines(root / "bounding_boxes.txt", [f"{number} {number}.0 5.0 20.0 30.0" for number, _ in numbered])
    return root


@pytest.mark.parametrize("wrapped", ["", "CUB_200_2011", "CUB_200_2011/CUB_200_2011"])
def test_cub_with_the_folders_that_archives_put_around_it(tmp_path: Path, wrapped: str) -> None:
    root = write_cub(tmp_path / wrapped)
    pictures = read_pictures(tmp_path, validation=0.5)
    assert (pictures.layout, pictures.classes) == ("cub", ("Black footed Albatross", "Crow"))
    assert {part: len(found) for part, found in pictures.parts.items()} == {TRAIN: 2, VALIDATION: 2, TEST: 2}
    third, sixth = pictures.parts[TEST]
    assert third.path == root / "images" / "001.Black_footed_Albatross" / "2.jpg"
    assert (third.label, third.boxes, third.size) == (0, ((3, 5, 23, 35),), (60, 50))
    assert (sixth.label, sixth.boxes) == (1, ((6, 5, 26, 35),))


@pytest.mark.parametrize("beside", [True, False])
def test_cub_with_its_segmentations(tmp_path: Path, beside: bool) -> None:
    root = write_cub(tmp_path / "CUB_200_2011")
    masks = (tmp_path if beside else root) / "segmentations"
    mask = save_picture(masks / "002.Crow" / "2.png")
    third, sixth = read_pictures(tmp_path).parts[TEST]
    assert (third.masks, sixth.masks) == ((), (mask,))


def test_cub_with_tables_that_do_not_fit(tmp_path: Path) -> None:
    root = write_cub(tmp_path)
    write_lines(root / "bounding_boxes.txt", ["1 1.0 5.0 20.0 30.0", "2 60.0 5.0 20.0 30.0"])
    with pytest.raises(DatasetError, match=r"the box \(60, 5, 80, 35\) lies outside the picture of 60 x 50"):
        read_pictures(root)
    write_lines(root / "bounding_boxes.txt", ["1 1.0 5.0 20.0"])
    with pytest.raises(DatasetError, match=r"bounding_boxes.txt:1: four numbers"):
        read_pictures(root)
    write_lines(root / "bounding_boxes.txt", ["1 1.0 5.0 0.0 9.0"])
    with pytest.raises(DatasetError, match=r"bounding_boxes.txt:1: the box .* empty"):
        read_pictures(root)
    write_lines(root / "bounding_boxes.txt", ["albatross"])
    with pytest.raises(DatasetError, match=r"bounding_boxes.txt:1: this is not a number and a value"):
        read_pictures(root)
    (root / "bounding_boxes.txt").unlink()
    write_lines(root / "image_class_labels.txt", ["1 1"])
    with pytest.raises(DatasetError, match=r"images.txt:2: picture 2 needs a class"):
        read_pictures(root)
    (root / "train_test_split.txt").unlink()
    with pytest.raises(DatasetError, match=r"train_test_split.txt is missing"):
        read_pictures(root)


def write_tiny_imagenet(root: Path) -> Path:
    write_lines(root / "wnids.txt", reversed(IDS))
    write_lines(root / "words.txt", [f"{IDS[0]}\ttench, Tinca tinca", f"{IDS[1]}\tgoldfish", "n00001740\tentity"])
    for class_id in IDS:
        for index in range(4):
            save_picture(root / "train" / class_id / "images" / f"{class_id}_{index}.JPEG", 64, 64)
        lines = [f"{class_id}_{index}.JPEG\t{index}\t0\t63\t{index + 1}" for index in range(9)]
        write_lines(root / "train" / class_id / f"{class_id}_boxes.txt", lines)
    for index in range(2):
        save_picture(root / "val" / "images" / f"val_{index}.JPEG", 64, 64)
    write_lines(
        root / "val" / "val_annotations.txt",
        [f"val_0.JPEG\t{IDS[0]}\t0\t32\t44\t62", f"val_1.JPEG\t{IDS[1]}\t7\t7\t7\t63"],
    )
    save_picture(root / "test" / "images" / "test_0.JPEG", 64, 64)
    return root


def test_tiny_imagenet(tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    pictures = read_pictures(tmp_path, validation=0.25)
    assert (pictures.layout, pictures.classes) == ("tiny-imagenet", ("goldfish", "tench"))
    assert pictures.class_ids == (IDS[1], IDS[0])
    assert {part: len(found) for part, found in pictures.parts.items()} == {TRAIN: 6, VALIDATION: 2, TEST: 2}
    first, second = pictures.parts[TEST]
    assert first.path == root / "val" / "images" / "val_0.JPEG"
    assert (first.label, first.boxes, first.size) == (1, ((0, 32, 45, 63),), (64, 64))
    assert (second.label, second.boxes) == (0, ((7, 7, 8, 64),))
    for picture in (*pictures.parts[TRAIN], *pictures.parts[VALIDATION]):
        index = int(picture.path.stem.split("_")[1])
        assert picture.boxes == ((index, 0, 64, index + 2),)


def test_tiny_imagenet_with_wrong_lines(tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path)
    source = root / "val" / "val_annotations.txt"
    for line, message in (
        (f"val_0.JPEG\t{IDS[0]}\t0\t32\t44", "val_annotations.txt:1: four numbers"),
        ("val_0.JPEG", "val_annotations.txt:1: '' is no class"),
        ("val_0.JPEG\tn09999999\t0\t32\t44\t62", "val_annotations.txt:1: 'n09999999' is no class"),
        (f"val_0.JPEG\t{IDS[0]}\t64\t32\t70\t62", "val_annotations.txt:1: the box .* outside the picture of 64 x 64"),
        (f"val_7.JPEG\t{IDS[0]}\t0\t32\t44\t62", "names 1 file not to be found, first val/images/val_7.JPEG"),
    ):
        write_lines(source, [line])
        with pytest.raises(DatasetError, match=message):
            read_pictures(root)


def write_ilsvrc(root: Path, *, kaggle: bool) -> Path:
    inner = root / "ILSVRC"
    for class_id in IDS:
        for index in range(4):
            save_picture(inner / "Data" / "CLS-LOC" / "train" / class_id / f"{class_id}_{index}.JPEG", 50, 40)
    val = {
        "ILSVRC2012_val_00000001": (IDS[1], [(0, 0, 49, 39), (3, 4, 3, 4)]),
        "ILSVRC2012_val_00000002": (IDS[0], [(5, 6, 60, 20)]),
    }
    for stem in val:
        save_picture(inner / "Data" / "CLS-LOC" / "val" / f"{stem}.JPEG", 50, 40)
    save_picture(inner / "Data" / "CLS-LOC" / "test" / "ILSVRC2012_test_00000001.JPEG")
    write_lines(root / "LOC_synset_mapping.txt", [f"{IDS[0]} tench, Tinca tinca", f"{IDS[1]} goldfish"])
    if kaggle:
        rows = [f"{stem}," + " ".join(f"{k} {a} {b} {c} {d}" for a, b, c, d in v) for stem, (k, v) in val.items()]
        write_lines(root / "LOC_val_solution.csv", ["ImageId,PredictionString", *rows])
    else:
        for stem, (class_id, boxes) in val.items():
            objects = "".join(OBJECT.format(*box, name=class_id) for box in boxes)
            path = inner / "Annotations" / "CLS-LOC" / "val" / f"{stem}.xml"
            write_lines(path, [XML.format(stem=stem, objects=objects)])
    return inner


@pytest.mark.parametrize("kaggle", [True, False])
@pytest.mark.parametrize("from_inside", [True, False])
def test_ilsvrc_with_its_xml_files_or_with_kaggles_table(tmp_path: Path, kaggle: bool, from_inside: bool) -> None:
    inner = write_ilsvrc(tmp_path, kaggle=kaggle)
    pictures = read_pictures(inner if from_inside else tmp_path, validation=0.25)
    assert (pictures.layout, pictures.classes, pictures.class_ids) == ("ilsvrc", ("tench", "goldfish"), IDS)
    assert {part: len(found) for part, found in pictures.parts.items()} == {TRAIN: 6, VALIDATION: 2, TEST: 2}
    first, second = pictures.parts[TEST]
    assert (first.label, first.boxes, first.size) == (1, ((0, 0, 50, 40), (3, 4, 4, 5)), (50, 40))
    assert (second.label, second.boxes, second.size) == (0, ((5, 6, 50, 21),), (50, 40))


def test_ilsvrc_with_val_sorted_into_classes(tmp_path: Path) -> None:
    inner = write_ilsvrc(tmp_path, kaggle=False)
    val = inner / "Data" / "CLS-LOC" / "val"
    for number, class_id in ((1, IDS[1]), (2, IDS[0])):
        (val / class_id).mkdir()
        (val / f"ILSVRC2012_val_0000000{number}.JPEG").rename(val / class_id / f"ILSVRC2012_val_0000000{number}.JPEG")
    assert [picture.label for picture in read_pictures(tmp_path).parts[TEST]] == [1, 0]


def test_ilsvrc_with_something_missing(tmp_path: Path) -> None:
    inner = write_ilsvrc(tmp_path, kaggle=False)
    xmls = inner / "Annotations" / "CLS-LOC" / "val"
    write_lines(
        xmls / "ILSVRC2012_val_00000002.xml", [XML.format(stem="x", objects=OBJECT.format(0, 0, 9, 9, name="n1"))]
    )
    with pytest.raises(DatasetError, match=r"00000002.xml: 'n1' is none of the 2 classes"):
        read_pictures(tmp_path)
    (xmls / "ILSVRC2012_val_00000002.xml").unlink()
    with pytest.raises(DatasetError, match=r"00000002.JPEG has no annotation"):
        read_pictures(tmp_path)


def test_boxes_for_a_layout_that_has_its_own_are_refused(tmp_path: Path) -> None:
    write_cub(tmp_path)
    with pytest.raises(DatasetError, match="has boxes of its own"):
        read_pictures(tmp_path, annotations=tmp_path / "boxes.json")
