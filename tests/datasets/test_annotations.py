"""Boxes in three formats, found or given, for the pictures of a plain folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.datasets.coco import read_coco
from seekcam.datasets.dataset import TRAIN, DatasetError, LabelledPicture, PixelBox
from seekcam.datasets.localization_text import read_localization
from seekcam.datasets.pixel_box import pixel_box
from seekcam.datasets.read_pictures import read_pictures
from seekcam.datasets.voc import read_voc
from tests.helpers.picture_folders import save_picture, write_lines

WIDTH, HEIGHT = 60, 40
# Entities that stand for ten others each: a few lines that would become gigabytes.
ENTITIES = "".join(f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(9))
BILLION_LAUGHS = f"<!DOCTYPE annotation [<!ENTITY a0 'ha'>{ENTITIES}]><annotation>&a9;</annotation>"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two cats and a dog; each picture's name is unique."""
    for name in ("cat/a.jpg", "cat/b.jpg", "Great_Dane/c.jpg"):
        save_picture(tmp_path / "pets" / name, WIDTH, HEIGHT)
    return tmp_path / "pets"


def write_coco(path: Path, objects: Sequence[tuple[str, str, Sequence[float]]], **picture: object) -> Path:
    """COCO: (file name, category, [x, y, width, height]) for each box; `picture` goes into every image entry."""
    files, names = (list(dict.fromkeys(column)) for column in ([o[0] for o in objects], [o[1] for o in objects]))
    document = {
        "images": [{"id": i, "file_name": file, **picture} for i, file in enumerate(files)],
        "categories": [{"id": i + 7, "name": name} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": files.index(file), "category_id": names.index(name) + 7, "bbox": box}
            for i, (file, name, box) in enumerate(objects)
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def write_voc(path: Path, objects: list[tuple[str, tuple[int, int, int, int]]], *, size: bool = True) -> Path:
    lines = ["<?xml version='1.0' encoding='utf-8'?>", "<annotation><filename>somewhere/else.jpg</filename>"]
    if size:
        lines.append(f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>")
    for name, (x0, y0, x1, y1) in objects:
        corners = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        lines.append(f"<object><name>{escape(name)}</name><bndbox>{corners}</bndbox></object>")
    return write_lines(path, [*lines, "</annotation>"])


def boxes(folder: Path, annotations: Path | None = None) -> dict[str, tuple[PixelBox, ...]]:
    found = read_pictures(folder, validation=0, annotations=annotations).parts[TRAIN]
    return {picture.path.name: picture.boxes for picture in found}


def refusal(folder: Path, annotations: Path | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        read_pictures(folder, annotations=annotations)
    return str(caught.value)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_the_three_formats_say_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("formats")
    expected = []
    for _ in range(data.draw(st.integers(1, 3))):
        x0, y0 = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
        expected.append((x0, y0, data.draw(st.integers(x0 + 1, WIDTH)), data.draw(st.integers(y0 + 1, HEIGHT))))
    # Written from pixel spans by each format's own definition.
    coco = write_coco(folder / "a.json", [("a.jpg", "cat", [x0, y0, x1 - x0, y1 - y0]) for x0, y0, x1, y1 in expected])
    voc = write_voc(folder / "a.xml", [("cat", (x0 + 1, y0 + 1, x1, y1)) for x0, y0, x1, y1 in expected])
    text = write_lines(folder / "a.txt", [f"a.jpg,{x0},{y0},{x1 - 1},{y1 - 1}" for x0, y0, x1, y1 in expected])
    for found in (read_coco(coco)[0], read_voc(voc, "a.jpg"), read_localization(text, {})[0]):
        assert [box for _, box in found.objects] == expected


@settings(deadline=None, max_examples=100)
@given(*[st.integers(-20, 80)] * 4)
def test_a_box_is_cut_to_the_pixels_it_shares_with_the_picture(x0: int, y0: int, x1: int, y1: int) -> None:
    shared = {(x, y) for x in range(x0, x1) for y in range(y0, y1) if 0 <= x < WIDTH and 0 <= y < HEIGHT}
    if not shared:
        with pytest.raises(DatasetError, match=r"here: the box \(.*\) .*: correct or remove it\."):
            pixel_box((x0, y0, x1, y1), (WIDTH, HEIGHT), "here")
    else:
        left, top, right, bottom = map(int, pixel_box((x0, y0, x1, y1), (WIDTH, HEIGHT), "here"))
        assert {(x, y) for x in range(left, right) for y in range(top, bottom)} == shared


@pytest.mark.parametrize("place", ["annotations.json", "instances_val.json", "_annotations.coco.json"])
@pytest.mark.parametrize("folder", ["", "annotations"])
def test_coco_is_found(pets: Path, place: str, folder: str) -> None:
    write_coco(pets / folder / place, [("a.jpg", "cat", [1.5, 2, 10, 9.25]), ("c.jpg", "great dane", [0, 0, 99, 9])])
    assert boxes(pets) == {"a.jpg": ((1.5, 2, 11.5, 11.25),), "b.jpg": (), "c.jpg": ((0, 0, 60, 9),)}


@pytest.mark.parametrize("folder", ["cat", "Annotations", "Annotations/cat"])
def test_voc_is_found(pets: Path, folder: str) -> None:
    write_voc(pets / folder / "a.xml", [("cat", (1, 1, WIDTH, HEIGHT)), ("cat", (0, 5, 5, 5))])
    assert boxes(pets)["a.jpg"] == ((0, 0, WIDTH, HEIGHT), (0, 4, 5, 5))


def test_localization_text_is_found(pets: Path) -> None:
    write_lines(pets / "localization.txt", ["cat/b.jpg,0,0,3,4", "cat/b.jpg,5.5,6,70,8"])
    write_lines(pets / "image_sizes.txt", ["cat/b.jpg,120,80"])
    found = {picture.path.name: picture for picture in read_pictures(pets, validation=0).parts[TRAIN]}
    assert (found["b.jpg"].boxes, found["b.jpg"].size) == (((0, 0, 4, 5), (5.5, 6, 71, 9)), (120, 80))
    assert (found["a.jpg"].boxes, found["a.jpg"].size) == ((), None)


def test_masks_in_a_plain_folder(pets: Path, tmp_path: Path) -> None:
    mask = save_picture(tmp_path / "boxes" / "m" / "a.png")
    source = write_lines(tmp_path / "boxes" / "localization.txt", ["cat/a.jpg,m/a.png,"])
    picture = read_pictures(pets, validation=0, annotations=source).parts[TRAIN][1]
    assert (picture.path.name, picture.masks, picture.ignore) == ("a.jpg", (mask,), None)
    mask.unlink()
    assert "names 1 file not to be found" in refusal(pets, annotations=source)


def test_given_annotations_go_before_those_that_lie_there(pets: Path, tmp_path: Path) -> None:
    write_coco(pets / "annotations.json", [("a.jpg", "cat", [0, 0, 1, 1])])
    given_file = write_coco(tmp_path / "mine.json", [("pictures/cat/a.jpg", "cat", [2, 2, 2, 2])])
    assert boxes(pets, annotations=given_file)["a.jpg"] == ((2, 2, 4, 4),)
    write_voc(tmp_path / "xml" / "deep" / "a.xml", [("cat", (4, 4, 5, 5))])
    assert boxes(pets, annotations=tmp_path / "xml")["a.jpg"] == ((3, 3, 5, 5),)
    assert boxes(pets, annotations=tmp_path / "xml" / "deep" / "a.xml")["a.jpg"] == ((3, 3, 5, 5),)


def test_boxes_that_do_not_fit_are_told(pets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fitting = [("a.jpg", "cat", [0, 0, 5, 5]), ("c.jpg", "Great Dane", [0, 0, WIDTH + 1, HEIGHT])]
    assert boxes(pets, annotations=write_coco(tmp_path / "mine.json", fitting))
    assert caplog.text == ""
    assert boxes(pets, annotations=write_coco(tmp_path / "mine.json", [*fitting, ("b.jpg", "Sparrow", [0, 0, 5, 5])]))
    assert "mine.json: boxes of no class here are left out: 1, first 'Sparrow'." in caplog.text
    caplog.clear()
    assert boxes(pets, annotations=write_coco(tmp_path / "mine.json", [("a.jpg", "cat", [10, 10, 900, 900])]))
    assert "boxes of 1 of 1 pictures reach beyond them and are cut, the first in" in caplog.text
    assert "a.jpg. Are they for pictures of another size?" in caplog.text


def test_only_boxes_of_the_pictures_own_class_count(pets: Path) -> None:
    names = ("CAT", "great_dane", "sofa")
    write_coco(pets / "annotations.json", [("c.jpg", name, [i, i, 5, 5]) for i, name in enumerate(names)])
    assert boxes(pets)["c.jpg"] == ((1, 1, 6, 6),)


def test_all_boxes_count_where_no_class_is_named_as_here(pets: Path) -> None:
    write_coco(pets / "annotations.json", [("c.jpg", "object", [0, 0, 5, 5]), ("a.jpg", "thing", [1, 1, 5, 5])])
    assert boxes(pets) == {"a.jpg": ((1, 1, 6, 6),), "b.jpg": (), "c.jpg": ((0, 0, 5, 5),)}


def test_crowds_have_no_box(pets: Path) -> None:
    path = write_coco(pets / "annotations.json", [("a.jpg", "cat", [0, 0, 5, 5]), ("a.jpg", "cat", [1, 1, 5, 5])])
    document = json.loads(path.read_text())
    document["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(document))
    assert boxes(pets)["a.jpg"] == ((1, 1, 6, 6),)


def test_pictures_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("cat/1.jpg", "dog/1.jpg"):
            save_picture(tmp_path / part / name, WIDTH, HEIGHT)
        step = 1 if part == "train" else 3
        objects = [("cat/1.jpg", "cat", [step, 0, 9, 9]), ("dog/1.jpg", "dog", [step + 1, 0, 9, 9])]
        write_coco(tmp_path / part / "_annotations.coco.json", objects)
    pictures = read_pictures(tmp_path, validation=0)
    starts = {part: [picture.boxes[0][0] for picture in found] for part, found in pictures.parts.items()}
    assert starts == {"train": [1, 2], "test": [3, 4]}


def test_a_picture_is_not_given_the_boxes_of_one_that_is_not_there(pets: Path) -> None:
    write_lines(pets / "localization.txt", ["cat/a.jpg,0,0,3,4", "dog/a.jpg,5,6,7,8"])
    assert boxes(pets)["a.jpg"] == ((0, 0, 4, 5),)


def test_a_name_that_fits_two_pictures_is_refused(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "dog/1.jpg"):
        save_picture(tmp_path / name)
    write_coco(tmp_path / "annotations.json", [("1.jpg", "cat", [0, 0, 5, 5])])
    assert "can be cat/1.jpg or dog/1.jpg: name the picture with its folder" in refusal(tmp_path)


def test_annotations_of_other_pictures_only_are_refused(pets: Path) -> None:
    write_coco(pets / "annotations.json", [("z.jpg", "cat", [0, 0, 5, 5])])
    assert "z.jpg is not in" in refusal(pets)


@pytest.mark.parametrize(
    ("bbox", "picture", "message"),
    [
        (
            [WIDTH, 0, 5, 5],
            {},
            r"annotations.json, picture .*a.jpg: the box \(60, 0, 65, 5\) lies outside",
        ),
        ([WIDTH, 0, 5, 5], {"width": 60, "height": 40}, "annotation 0, picture a.jpg: the box .* lies outside"),
        ([5, 5, 0, 5], {}, "the box .* is empty or reversed: correct or remove it"),
        ([5, 5, -2, 5], {}, "the box .* is empty or reversed"),
        ([5, 5, float("nan"), 5], {}, "the box .* is empty or reversed"),
        ([5, 5, 5], {}, "bbox must be four numbers"),
        (["5", 5, 5, 5], {}, "bbox must be four numbers"),
        ([5, 5, 10**400, 5], {}, "has a number that is too long"),
    ],
)
def test_a_coco_box_that_cannot_be_is_named(pets: Path, bbox: list[Any], picture: dict[str, int], message: str) -> None:
    write_coco(pets / "annotations.json", [("a.jpg", "cat", bbox)], **picture)
    with pytest.raises(DatasetError, match=message):
        read_pictures(pets)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [],\n]', r"annotations.json:2: this is not JSON"),
        ("[]", "is no COCO file"),
        ('{"images": 1, "annotations": [], "categories": []}', "is no COCO file"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "entry 0 of images has no usable 'file_name'"),
        ('{"images": [{"id": [], "file_name": ""}], "annotations": [], "categories": []}', "no usable 'id'"),
        ('{"images": [7], "annotations": [], "categories": []}', "entry 0 of images has no usable 'id'"),
        ("[" * 100_000, "is no COCO file"),
        (f'{{"images": [{"9" * 5000}]}}', "is no COCO file"),
        (
            '{"images": [], "categories": [], "annotations": [{"image_id": 3, "category_id": 1, "bbox": []}]}',
            "no picture has the id 3",
        ),
    ],
)
def test_a_file_that_is_not_coco(pets: Path, text: str, message: str) -> None:
    (pets / "annotations.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_pictures(pets)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>\n<object></annotation>", "a.xml:2: this is not XML"),
        ("<svg/>", "begins with <svg>"),
        ("<annotation><object><name>cat</name></object></annotation>", "has no <bndbox>"),
        ("<annotation><object><bndbox/></object></annotation>", "has no <name>"),
        ("<annotation><object><name>cat</name><bndbox/></object></annotation>", "object cat: four numbers"),
        ("<?xml version='1.0' encoding='gbk'?><annotation/>", "in an encoding that cannot be read"),
        ("<?xml version='1.0' encoding='none'?><annotation/>", "in an encoding that cannot be read"),
        (BILLION_LAUGHS, "a.xml:.* this is not XML"),
    ],
)
def test_a_file_that_is_not_voc(pets: Path, text: str, message: str) -> None:
    write_lines(pets / "cat" / "a.xml", [text])
    with pytest.raises(DatasetError, match=message):
        read_pictures(pets)


def test_a_voc_box_outside_its_picture_is_named(pets: Path) -> None:
    for size in (True, False):
        write_voc(pets / "cat" / "a.xml", [("cat", (1, HEIGHT + 1, 9, HEIGHT + 9))], size=size)
        assert "lies outside the picture of 60 x 40 pixels: correct or remove it." in refusal(pets)


def test_what_was_given_must_be_there_and_of_a_known_kind(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no Pascal VOC files" in refusal(pets, annotations=tmp_path / "empty")
    assert "There is no" in refusal(pets, annotations=tmp_path / "gone.json")
    assert "has no boxes that we read" in refusal(pets, annotations=save_picture(tmp_path / "a.png"))


def test_a_picture_that_cannot_be_read_keeps_its_boxes(pets: Path) -> None:
    (pets / "cat" / "a.jpg").write_bytes(b"no picture")
    write_coco(pets / "annotations.json", [("a.jpg", "cat", [0, 0, 500, 5])])
    found = read_pictures(pets, validation=0).parts[TRAIN][1]
    assert found == LabelledPicture(pets / "cat" / "a.jpg", 1, ((0, 0, 500, 5),))
