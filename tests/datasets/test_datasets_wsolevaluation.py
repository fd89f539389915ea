"""wsolevaluation's layout, as CUB, ILSVRC and OpenImages have it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetError
from seekcam.datasets.read_pictures import read_pictures
from tests.helpers.picture_folders import save_picture, write_lines

BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross")


def write_part(
    root: Path, part: str, labels: dict[str, int], tables: Mapping[str, list[str]] = MappingProxyType({})
) -> None:
    """The files of a part, with its pictures; `tables` are the lines of further ones, such as localization."""
    metadata = root / "metadata" / part
    write_lines(metadata / "image_ids.txt", labels)
    write_lines(metadata / "class_labels.txt", [f"{name},{label}" for name, label in labels.items()])
    for name, lines in tables.items():
        write_lines(metadata / f"{name}.txt", lines)
    for name in labels:
        save_picture(root / "images" / name, 40, 30)


def write_birds(root: Path, part: str, count: int, **tables: list[str]) -> None:
    labels = {f"{folder}/{part}_{i}.jpg": label for label, folder in enumerate(BIRDS) for i in range(count)}
    write_part(root, part, labels, tables)


def refusal(root: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        read_pictures(root)
    return str(caught.value)


def test_boxes_are_in_pixels_of_the_stated_size_with_the_last_one_inside(tmp_path: Path) -> None:
    first, second = f"{BIRDS[0]}/test_0.jpg", f"{BIRDS[1]}/test_0.jpg"
    sizes = [f"{first},400,300", f"{second},400,300"]
    lines = [f"{first},10,20,10,29", f"{second},-5,0,399,299", f"{second},0,0,500,10"]
    write_birds(tmp_path, "test", 1, localization=lines, image_sizes=sizes)
    pictures = read_pictures(tmp_path)
    assert pictures.layout == "wsolevaluation"
    assert pictures.classes == ("Black footed Albatross", "Laysan Albatross")
    assert pictures.class_ids == BIRDS
    one, two = pictures.parts[TEST]
    assert (one.boxes, one.size) == (((10, 20, 11, 30),), (400, 300))
    assert (two.boxes, two.size) == (((0, 0, 400, 300), (0, 0, 400, 11)), (400, 300))


def test_without_stated_sizes_the_file_itself_is_measured(tmp_path: Path) -> None:
    write_birds(tmp_path, "test", 1, localization=[f"{BIRDS[0]}/test_0.jpg,1,2,99,99"])
    one, two = read_pictures(tmp_path).parts[TEST]
    assert (one.boxes, one.size) == (((1, 2, 40, 30),), (40, 30))
    assert (two.boxes, two.size) == ((), None)


def test_the_original_names_of_parts(tmp_path: Path) -> None:
    for part, count in (("train-weaksup", 3), ("train-fullsup", 2), ("test", 1)):
        write_birds(tmp_path, part, count)
    counts = {part: len(found) for part, found in read_pictures(tmp_path).parts.items()}
    assert counts == {TRAIN: 6, VALIDATION: 4, TEST: 2}


def test_a_validation_part_is_split_off_where_there_is_none(tmp_path: Path) -> None:
    write_birds(tmp_path, "train", 10)
    write_birds(tmp_path, "test", 1)
    pictures = read_pictures(tmp_path, validation=0.2)
    assert {part: len(found) for part, found in pictures.parts.items()} == {TRAIN: 16, VALIDATION: 4, TEST: 2}


def test_classes_in_the_order_of_synset_words(tmp_path: Path) -> None:
    write_part(tmp_path, "test", {"val/a.JPEG": 2, "val/b.JPEG": 0})
    words = ["n01440764 tench, Tinca tinca", "n01443537 goldfish", "n02012849 crane"]
    write_lines(tmp_path / "synset_words.txt", words)
    pictures = read_pictures(tmp_path)
    assert pictures.classes == ("tench", "goldfish", "crane")
    assert pictures.class_ids == ("n01440764", "n01443537", "n02012849")
    assert [picture.label for picture in pictures.parts[TEST]] == [2, 0]


def test_classes_without_names_are_numbered(tmp_path: Path) -> None:
    write_part(tmp_path, "test", {"val/a.jpg": 2, "val/b.jpg": 0})
    assert read_pictures(tmp_path).classes == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize("place", ["images", "masks", "."])
def test_masks_with_and_without_ignored_regions(tmp_path: Path, place: str) -> None:
    lines = ["test/a.jpg,m/a0.png,m/a_ignore.png", "test/a.jpg,m/a1.png,", "test/b.jpg,m/b0.png,"]
    write_part(tmp_path, "test", {"test/a.jpg": 0, "test/b.jpg": 1}, {"localization": lines})
    folder = tmp_path / place / "m"
    for name in ("a0", "a1", "a_ignore", "b0"):
        save_picture(folder / f"{name}.png")
    a, b = read_pictures(tmp_path).parts[TEST]
    assert [path.resolve() for path in a.masks] == [folder / "a0.png", folder / "a1.png"]
    assert a.ignore is not None
    assert a.ignore.resolve() == folder / "a_ignore.png"
    assert ([path.resolve() for path in b.masks], b.ignore) == ([folder / "b0.png"], None)
    assert a.boxes == b.boxes == ()


def test_wrong_files_are_named_with_their_line(tmp_path: Path) -> None:
    first, second = (f"{folder}/test_0.jpg" for folder in BIRDS)
    size = [f"{first},40,30"]
    for lines, sizes, message in (
        (
            [f"{first},1,2,3,4", f"{first},40,2,45,9"],
            size,
            "localization.txt:2: the box .* outside the picture",
        ),
        ([f"{first},1,2,3,4", "", f"{first},9,2,3,4"], size, "localization.txt:3: the box .* empty or reversed"),
        ([f"{first},1,2,3,4", f"{first},50,2,60,4"], [], "localization.txt.*outside the picture of 40 x 30"),
        ([f"{first},1,2,3"], [], "localization.txt:1: neither picture,x0,y0,x1,y1 nor"),
        ([f"{first},1,2,3,.."], [], "localization.txt:1: four numbers"),
        ([f"{second}x,1,2,3,4"], [], "localization.txt:1: .* is not in image_ids.txt"),
        ([f"{first},gone.png,"], [], "localization.txt names 1 file not to be found, first .*gone.png"),
        ([f"{first},1,2,3,4"], [f"{first},40"], "image_sizes.txt:1: this is not picture,width,height"),
        ([f"{first},1,2,3,4"], [f"{first},40,0"], "image_sizes.txt:1: width and height"),
    ):
        write_birds(tmp_path, "test", 1, localization=lines, image_sizes=sizes)
        with pytest.raises(DatasetError, match=message):
            read_pictures(tmp_path)


def test_lists_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_part(tmp_path / "a", "test", {"x/a.jpg": 0, "y/b.jpg": 1, "y/c.jpg": 1})
    for name in ("b", "c"):
        (tmp_path / "a" / "images" / "y" / f"{name}.jpg").unlink()
    assert "image_ids.txt names 2 files not to be found, first images/y/b.jpg" in refusal(tmp_path / "a")

    write_part(tmp_path / "b", "test", {"x/a.jpg": 0, "y/b.jpg": 1})
    write_lines(tmp_path / "b" / "metadata" / "test" / "class_labels.txt", ["x/a.jpg,0"])
    assert "image_ids.txt:2: y/b.jpg has no line in class_labels.txt" in refusal(tmp_path / "b")
    write_lines(tmp_path / "b" / "metadata" / "test" / "class_labels.txt", ["x/a.jpg,0", "y/b.jpg,bird"])
    assert "class_labels.txt:2: the class must be a number" in refusal(tmp_path / "b")

    write_lines(tmp_path / "b" / "metadata" / "test" / "class_labels.txt", ["x/a.jpg,0", "y/b.jpg,30000000"])
    assert "class_labels.txt:2: the class must be a number from 0 to 99999" in refusal(tmp_path / "b")

    for part in ("train", "test"):
        write_part(tmp_path / "c", part, {"x/a.jpg": 0, "y/b.jpg": 1})
    assert "is named in" in refusal(tmp_path / "c")

    write_part(tmp_path / "d", "holdout", {"x/a.jpg": 0, "y/b.jpg": 1})
    assert "must be named train, val or test" in refusal(tmp_path / "d")

    (tmp_path / "e" / "metadata" / "test").mkdir(parents=True)
    (tmp_path / "e" / "metadata" / "test" / "image_ids.txt").write_bytes(b"\xff\xfe")
    write_lines(tmp_path / "e" / "metadata" / "test" / "class_labels.txt", ["a.jpg,0"])
    assert "is not UTF-8 text" in refusal(tmp_path / "e")
