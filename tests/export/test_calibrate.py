"""The threshold in the card is the best one there is on the pictures it names; samples are apart and reproducible."""

from pathlib import Path

import numpy as np
import pytest

from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetError, PictureSet
from seekcam.export.calibrate import Material, calibrated, material, two_samples
from seekcam.localization.model import read_card
from seekcam.localization.pictures import read_picture
from seekcam.localization.pipeline import fit_picture, localize
from seekcam.localization.settings import AnalysisSettings
from tests.helpers.exported import NAMES, PICTURES, boxed_folder, open_file, tiny_recipe
from tests.helpers.networks import SIDE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boxed_folder(tmp_path_factory.mktemp("data") / "animals")


def right_boxes(path: Path, pictures: PictureSet, part: str, threshold: float) -> int:
    """How many pictures have a box of IoU .5 or more at `threshold`, each localized on its own."""
    model, right = open_file(path), 0
    for picture in pictures.parts[part]:
        settings = AnalysisSettings(classes=(pictures.classes[picture.label],), map="plain", threshold=threshold)
        boxes = localize(model, read_picture(picture.path, 10**6), settings).boxes
        if not boxes:
            continue
        (x0, y0, x1, y1), truth = boxes[0].box, np.array(picture.boxes[0]) / SIDE
        inside = max(min(x1, truth[2]) - max(x0, truth[0]), 0) * max(min(y1, truth[3]) - max(y0, truth[1]), 0)
        union = (x1 - x0) * (y1 - y0) + (truth[2] - truth[0]) * (truth[3] - truth[1]) - inside
        right += inside / union >= 0.5
    return right


def test_no_other_threshold_is_better_on_the_validation_part(small_model_path: Path, folder: Path) -> None:
    source = Material(folder, given=False, validation=0.3)
    counts: list[tuple[int, int]] = []
    card, why = calibrated(open_file(small_model_path), source, lambda done, total: counts.append((done, total)))
    assert (why, card.threshold_split) == ("", "9 pictures of the validation part of animals")
    assert counts[-1] == (9, 9)
    pictures = source.read()
    best = right_boxes(small_model_path, pictures, VALIDATION, card.threshold)
    others = [right_boxes(small_model_path, pictures, VALIDATION, threshold) for threshold in np.arange(0.05, 1, 0.15)]
    assert best >= max(others)
    assert best > min(others), "pictures that tell no threshold from another prove nothing"


def test_what_cannot_be_calibrated_says_why(small_model_path: Path, tmp_path: Path) -> None:
    model = open_file(small_model_path)
    unboxed = boxed_folder(tmp_path / "unboxed", boxes=False)
    assert calibrated(model, Material(unboxed, given=True)) == (
        model.card,
        f"the validation part of {unboxed} has no boxes",
    )
    whole = Material(unboxed, given=False, validation=0)
    assert calibrated(model, whole)[1] == f"{unboxed} has no validation part"
    (tmp_path / "empty").mkdir()
    assert "empty" in calibrated(model, Material(tmp_path / "empty", given=False))[1]
    with pytest.raises(DatasetError):
        calibrated(model, Material(tmp_path / "empty", given=True))


def test_a_threshold_found_on_training_pictures_says_so(small_model_path: Path, folder: Path) -> None:
    card, why = calibrated(open_file(small_model_path), Material(folder, given=True, validation=0))
    used = f"{3 * PICTURES} pictures of all parts of animals, which may have been trained on"
    assert (why, card.threshold_split) == ("", used)


def test_pictures_are_those_given_or_those_of_the_training(folder: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe().to_dict()
    assert material(None, None, str(folder), recipe) == Material(folder, False, None, 0.3, 0)
    assert material(tmp_path, None, str(folder), recipe) == Material(tmp_path, True, None, 0.3, 0)
    assert material(None, None, str(tmp_path / "gone"), recipe) is None
    assert material(None, None, "", None) is None


def test_samples_are_apart_and_the_same_each_time(small_model_path: Path, folder: Path) -> None:
    card = read_card(small_model_path)
    split = Material(folder, given=False, validation=0.3).read()
    everything = PictureSet("one", folder, "folder", NAMES, NAMES, {TEST: sum(split.parts.values(), ())})
    for pictures, sizes in ((split, (21, 9)), (everything, (15, 15))):
        first, second = two_samples(pictures, card)
        assert (len(first), len(second)) == sizes
        assert first.shape[1:] == (SIDE, SIDE, 3)
        assert not {frame.tobytes() for frame in first} & {frame.tobytes() for frame in second}
        again = two_samples(pictures, card)
        np.testing.assert_array_equal(again[0], first)
        np.testing.assert_array_equal(again[1], second)
    ranges = {fit_picture(read_picture(p.path, 10**6), card).tobytes() for p in split.parts[TRAIN]}
    assert {frame.tobytes() for frame in two_samples(split, card)[0]} == ranges


def test_unreadable_pictures_are_passed_over_until_none_is_left(small_model_path: Path, tmp_path: Path) -> None:
    card = read_card(small_model_path)
    folder = boxed_folder(tmp_path / "animals")
    (folder / NAMES[0] / "0.png").write_bytes(b"no picture")
    (folder / "localization.txt").unlink()
    pictures = Material(folder, given=False, validation=0.3).read()
    assert sum(len(sample) for sample in two_samples(pictures, card)) == 3 * PICTURES - 1
    for path in folder.glob("*/*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="too few pictures that can be read"):
        two_samples(pictures, card)
