"""The plain layout: what is a class, what is a part, what is passed over, and what is refused by name."""

import os
import unicodedata
from pathlib import Path

import pytest

from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetError, PictureSet
from seekcam.datasets.read_pictures import read_pictures
from tests.helpers.picture_folders import save_classes, save_picture, write_lines
from tests.helpers.plain_user import needs_posix, plain_user


def names_of(pictures: PictureSet, part: str) -> list[str]:
    return [picture.path.name for picture in pictures.parts[part]]


def refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        read_pictures(folder)
    return str(caught.value)


def test_one_folder_for_each_class_is_enough(tmp_path: Path) -> None:
    save_classes(tmp_path / "pets", {"cat": 10, "dog": 20})
    pictures = read_pictures(tmp_path / "pets")
    assert (pictures.name, pictures.layout, pictures.root) == ("pets", "folder", tmp_path / "pets")
    assert pictures.classes == pictures.class_ids == ("cat", "dog")
    assert {part: len(found) for part, found in pictures.parts.items()} == {TRAIN: 27, VALIDATION: 3}
    for found in pictures.parts.values():
        assert all(picture.path.parent.name == pictures.class_ids[picture.label] for picture in found)
        assert all(picture.path.is_file() for picture in found)


def test_a_relative_path_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_classes(tmp_path / "pets", {"cat": 2, "dog": 2})
    monkeypatch.chdir(tmp_path / "pets" / "cat")
    assert read_pictures(Path("..")).name == "pets"
    monkeypatch.chdir(tmp_path / "pets")
    assert read_pictures(Path()).name == "pets"


@pytest.mark.parametrize("validation_name", ["val", "valid", "Validation"])
def test_parts_of_ones_own_are_kept(tmp_path: Path, validation_name: str) -> None:
    for part, count in (("train", 4), (validation_name, 2), ("test", 3)):
        save_classes(tmp_path / part, {"cat": count, "dog": count})
    pictures = read_pictures(tmp_path, validation=0.5)
    assert {part: len(found) for part, found in pictures.parts.items()} == {TRAIN: 8, VALIDATION: 4, TEST: 6}
    assert pictures.classes == ("cat", "dog")


def test_a_train_folder_alone_gives_a_validation_part(tmp_path: Path) -> None:
    save_classes(tmp_path / "train", {"cat": 4, "dog": 4})
    save_classes(tmp_path / "test", {"cat": 1})
    counts = {part: len(found) for part, found in read_pictures(tmp_path).parts.items()}
    assert counts == {TRAIN: 6, VALIDATION: 2, TEST: 1}


def test_a_test_folder_alone_is_only_scored(tmp_path: Path) -> None:
    save_classes(tmp_path / "test", {"cat": 2, "dog": 2})
    assert set(read_pictures(tmp_path).parts) == {TEST}


def test_unlabelled_test_pictures_are_left_alone(tmp_path: Path) -> None:
    save_classes(tmp_path / "train", {"cat": 2, "dog": 2})
    save_picture(tmp_path / "test" / "1.jpg")
    assert set(read_pictures(tmp_path).parts) == {TRAIN, VALIDATION}


def test_train_may_be_a_class_beside_bus(tmp_path: Path) -> None:
    save_classes(tmp_path, {"train": 3, "bus": 3})
    assert read_pictures(tmp_path, validation=0).classes == ("bus", "train")


def test_train_and_val_are_parts_whatever_else_lies_there(tmp_path: Path) -> None:
    for part in ("train", "val"):
        save_classes(tmp_path / part, {"cat": 3, "dog": 3})
    save_picture(tmp_path / "train" / "overview.jpg")
    save_classes(tmp_path, {"preview": 2})
    pictures = read_pictures(tmp_path)
    assert pictures.classes == ("cat", "dog")
    assert {part: len(found) for part, found in pictures.parts.items()} == {TRAIN: 6, VALIDATION: 6}


@pytest.mark.skipif(os.name == "nt", reason="names of files are Unicode there")
def test_a_class_folder_whose_name_cannot_be_written_is_refused(tmp_path: Path) -> None:
    save_classes(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "dog").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    assert "The class folder b'caf\\xe9' has no UTF-8 name: rename it." in refusal(tmp_path)


def test_folders_around_the_classes_are_entered(tmp_path: Path) -> None:
    save_classes(tmp_path / "pets-main" / "images", {"cat": 2, "dog": 2})
    pictures = read_pictures(tmp_path)
    assert pictures.classes == ("cat", "dog")
    assert pictures.name == tmp_path.name


def test_pictures_in_folders_of_a_class_belong_to_it(tmp_path: Path) -> None:
    save_classes(tmp_path, {"cat": 1, "dog": 1})
    save_picture(tmp_path / "cat" / "monday" / "morning" / "a.png")
    found = read_pictures(tmp_path, validation=0).parts[TRAIN]
    assert [picture.label for picture in found if picture.path.name == "a.png"] == [0]


def test_what_is_no_picture_is_passed_over(tmp_path: Path) -> None:
    save_classes(tmp_path, {"cat": 1, "dog": 1})
    save_picture(tmp_path / "cat" / "loud.jpg").rename(tmp_path / "cat" / "LOUD.JPEG")
    for name in ("notes.txt", ".hidden.jpg", "Thumbs.db", "film.mp4"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    save_classes(tmp_path / ".cache", {"bird": 2})
    (tmp_path / "annotations").mkdir()
    pictures = read_pictures(tmp_path, validation=0)
    assert pictures.classes == ("cat", "dog")
    assert names_of(pictures, TRAIN) == ["LOUD.JPEG", "cat_0.jpg", "dog_0.jpg"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    save_classes(tmp_path, {"cat": 2, "dog": 1})
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat", target_is_directory=True)
    (tmp_path / "cat" / "self").symlink_to(tmp_path / "cat" / "self")
    assert len(read_pictures(tmp_path, validation=0).parts[TRAIN]) == 3


def test_names_in_any_script(tmp_path: Path) -> None:
    save_classes(tmp_path, {"猫": 2, unicodedata.normalize("NFD", "Bär"): 2, "0007.red_panda": 2})
    pictures = read_pictures(tmp_path, validation=0)
    assert "猫" in pictures.classes
    assert pictures.classes[0] == "red panda"
    assert pictures.class_ids[0] == "0007.red_panda"


def test_folders_that_would_share_a_name_keep_their_own(tmp_path: Path) -> None:
    save_classes(tmp_path, {"1.cat": 1, "2.cat": 1})
    assert read_pictures(tmp_path, validation=0).classes == ("1.cat", "2.cat")


def test_wordnet_folders_are_named_by_a_list_beside_them(tmp_path: Path) -> None:
    save_classes(tmp_path, {"n01440764": 1, "n01443537": 1})
    write_lines(tmp_path / "synset_words.txt", ["n01440764 tench, Tinca tinca", "n01443537 goldfish, a fish"])
    assert read_pictures(tmp_path, validation=0).classes == ("tench", "goldfish")


def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path: Path) -> None:
    assert "There is no folder" in refusal(tmp_path / "nowhere")
    assert "is a file" in refusal(write_lines(tmp_path / "pets.zip", []))
    (tmp_path / "none" / "cat").mkdir(parents=True)
    assert "holds no pictures" in refusal(tmp_path / "none")
    save_picture(tmp_path / "loose" / "a.jpg")
    assert "no folders of classes" in refusal(tmp_path / "loose")
    save_classes(tmp_path / "one", {"cat": 2})
    assert "single class, 'cat'" in refusal(tmp_path / "one")
    save_classes(tmp_path / "empty", {"cat": 2, "dog": 2, "emu": 0})
    assert "class folder emu holds no pictures" in refusal(tmp_path / "empty")
    save_classes(tmp_path / "untrained" / "train", {"cat": 2, "dog": 2})
    save_classes(tmp_path / "untrained" / "test", {"cat": 2, "emu": 2})
    assert "no training pictures of the class 'emu'" in refusal(tmp_path / "untrained")
    save_classes(tmp_path / "twice" / "val", {"cat": 2, "dog": 2})
    save_classes(tmp_path / "twice" / "valid", {"cat": 2, "dog": 2})
    assert "both the validation part" in refusal(tmp_path / "twice")


def test_a_folder_of_several_data_sets_is_not_guessed_at(tmp_path: Path) -> None:
    for name in ("birds", "cars"):
        write_lines(tmp_path / name / "metadata" / "test" / "image_ids.txt", ["a.jpg"])
    assert "several data sets" in refusal(tmp_path)


@needs_posix
def test_a_folder_that_may_not_be_read() -> None:
    with plain_user() as folder:
        save_classes(folder, {"cat": 1, "dog": 1})
        (folder / "dog").chmod(0)
        try:
            assert "cannot be read" in refusal(folder)
        finally:
            (folder / "dog").chmod(0o700)
