"""Scores of pictures whose answers are known in advance, and of photographs against the streaming pipeline."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from seekcam.datasets.dataset import DatasetError, LabelledPicture, PictureSet, PixelBox
from seekcam.evaluation.metrics import BoxAccuracy, best_iou, box_ious, score_map
from seekcam.evaluation.scores import Scores
from seekcam.evaluation.scoring import best_fixed_threshold, chosen_part, score_model
from seekcam.localization.boxes import find_boxes
from seekcam.localization.errors import SettingsError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture, save_picture
from seekcam.localization.pipeline import localize
from seekcam.localization.settings import AnalysisSettings
from tests.helpers.labelled_pictures import NAMES, SIDE, Answer, ObedientModel, picture_set

WHOLE: PixelBox = (0, 0, SIDE, SIDE)
LEFT: PixelBox = (8, 12, 28, 44)  # 20 % of the picture
RIGHT: PixelBox = (32, 12, 52, 44)
SMALL: PixelBox = (24, 24, 44, 44)  # 13 %

ANSWERS = (
    Answer(label=0, top=0, top_box=LEFT, boxes=(LEFT,)),  # everything right
    Answer(label=1, top=1, top_box=LEFT, boxes=(RIGHT,)),  # right class, box beside the object
    Answer(label=2, top=3, top_box=LEFT, other_box=RIGHT, boxes=(RIGHT,)),  # wrong class; the true one's box is right
    Answer(label=0, top=0, top_box=SMALL, boxes=(SMALL,), logit=0),  # right, but seven classes are equally likely
    Answer(label=6, top=5, top_box=LEFT, other_box=RIGHT, boxes=(RIGHT,)),  # the true class comes last of seven
    Answer(label=4, top=4, top_box=RIGHT, boxes=(LEFT, RIGHT)),  # one of two objects is found
    Answer(label=1, top=1, top_box=LEFT),  # nobody has drawn the box
    Answer(label=1, top=2, top_box=LEFT),
)


def scored(folder: Path, answers: tuple[Answer, ...] = ANSWERS, **settings: object) -> Scores:
    return score_model(ObedientModel(), picture_set(folder, answers), AnalysisSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["spread", "plain"])
def test_scores_are_the_shares_counted_by_hand(tmp_path: Path, kind: str) -> None:
    found = scored(tmp_path, map=kind).to_json()
    assert found["images"] == 8
    assert found["boxed_images"] == 6
    assert found["top1_clas"] == pytest.approx(100 * 5 / 8)  # 0, 1, 3, 5, 6
    assert found["top5_clas"] == pytest.approx(100 * 7 / 8)  # all but 4
    assert found["gt_known_loc"] == pytest.approx(100 * 5 / 6, abs=0.01)  # all but 1
    assert found["top1_loc"] == pytest.approx(100 * 2 / 6, abs=0.01)  # 0 and 5; 3 is not sure
    assert found["top1_loc_without_min_score"] == pytest.approx(100 * 3 / 6)
    assert found["top5_loc"] == pytest.approx(100 * 4 / 6, abs=0.01)  # 0, 2, 3, 5
    assert found["not_sure"] == pytest.approx(100 / 8)
    assert found["gt_known_loc_at_best_threshold"] == pytest.approx(100 * 5 / 6, abs=0.01)
    assert found["top1_loc_at_best_threshold"] == pytest.approx(100 * 2 / 6, abs=0.01)
    assert found["max_box_acc"] == pytest.approx(100 * 5 / 6, abs=0.01)
    assert found["pxap"] is None
    assert found["threshold"] == ("otsu" if kind == "spread" else 0.5)
    assert (found["model"], found["method"], found["map"], found["box"]) == ("obedient", "cam", kind, "largest")
    assert (found["precision"], found["provider"], found["part"]) == ("fp32", "cpu", "test")


def test_each_picture_keeps_its_own_answers(tmp_path: Path) -> None:
    images = scored(tmp_path).images
    assert [image.top1 for image in images] == [True, True, False, True, False, True, True, False]
    assert [image.top5 for image in images] == [True, True, True, True, False, True, True, True]
    assert [image.sure for image in images] == [True, True, True, False, True, True, True, True]
    assert [image.gt_known for image in images] == [True, False, True, True, True, True, False, False]
    assert [image.top1_loc for image in images] == [True, False, False, False, False, True, False, False]
    assert [len(image.boxes) for image in images] == [1, 1, 1, 0, 1, 1, 1, 1]
    for image, answer in zip(images, ANSWERS, strict=True):
        held = np.array(answer.top_box if answer.top == answer.label else answer.other_box) / SIDE
        if answer.other_box != WHOLE or answer.top == answer.label:
            assert image.held_boxes[0] == pytest.approx(held, abs=0.04)  # interpolation moves an edge by half a cell
        assert image.held_iou == pytest.approx(best_iou(image.held_boxes, image.truths))


def test_one_run_of_the_graph_answers_for_every_picture(tmp_path: Path) -> None:
    model = ObedientModel()
    calls: list[tuple[int, int]] = []
    pictures = picture_set(tmp_path, ANSWERS * 3)
    score_model(model, pictures, on_progress=lambda done, total: calls.append((done, total)))
    assert model.batches == [16, 8]
    assert calls == [(done, 24) for done in range(1, 25)]


def test_objects_are_told_apart_by_their_size_and_class(tmp_path: Path) -> None:
    scores = scored(tmp_path)
    sizes = {group.name: (group.images, round(group.gt_known_loc or 0)) for group in scores.by_size}
    assert sizes == {"under 15 %": (1, 100), "15 to 35 %": (5, 80)}
    classes = {group.name: (group.images, group.boxed, group.top1_loc) for group in scores.by_class}
    assert classes == {
        "ant": (2, 2, 50.0), "bee": (3, 1, 0.0), "cat": (1, 1, 0.0), "eel": (1, 1, 100.0), "gnu": (1, 1, 0.0),
    }  # fmt: skip


def test_the_best_threshold_is_found_by_trying_each(tmp_path: Path) -> None:
    # Around the object the map is at .4: below that the box is the whole picture.
    answers = tuple(Answer(label=0, top=0, top_box=box, boxes=(box,), halo=102) for box in (LEFT, SMALL, RIGHT))
    model = ObedientModel()
    pictures = picture_set(tmp_path, (*answers, Answer(label=0, top=0, top_box=(0, 0, 4, 4), boxes=(WHOLE,))))
    scores = score_model(model, pictures, AnalysisSettings(map="plain", threshold=0.2))
    listed = pictures.parts["test"]
    right = {}
    for hundredth in range(101):
        count = 0
        for picture in listed:
            (shown,) = localize(model, read_picture(picture.path, 10**6), AnalysisSettings(map="plain")).maps
            boxes = [box for box, _ in find_boxes(shown.grid, "largest", hundredth / 100)]
            count += best_iou(boxes, [[v / SIDE for v in box] for box in picture.boxes]) >= 0.5
        right[hundredth / 100] = count
    best = max(right.values())
    assert scores.best_threshold is not None
    assert right[scores.best_threshold] == best
    assert scores.to_json()["gt_known_loc_at_best_threshold"] == pytest.approx(100 * best / 4)
    alone = best_fixed_threshold(model, pictures)
    assert alone is not None
    assert (alone.threshold, alone.gt_known_loc, alone.images) == (scores.best_threshold, 100 * best / 4, 4)


def test_the_benchmarks_measures_take_the_true_classs_map_and_its_files_boxes(tmp_path: Path) -> None:
    scores = scored(tmp_path, map="plain")
    accuracy = BoxAccuracy()
    for answer in ANSWERS:
        if answer.boxes:
            grid = np.zeros((14, 14), np.float32)
            x0, y0, x1, y1 = (int(v) // 4 for v in (answer.top_box if answer.top == answer.label else answer.other_box))
            grid[y0:y1, x0:x1] = 1
            truths = [[4 * x0, 4 * y0, 4 * (x1 - 1), 4 * (y1 - 1)] for x0, y0, x1, y1 in answer.boxes]  # last pixels
            accuracy.add(box_ious(score_map(grid), np.array(truths, np.int64)))
    assert scores.max_box_acc == pytest.approx(100 * accuracy.max_box_acc)
    assert scores.max_box_acc_v2 == pytest.approx(100 * accuracy.max_box_acc_v2)


def test_masks_give_pixel_precision(tmp_path: Path) -> None:
    pictures = picture_set(tmp_path, ANSWERS[:2])
    first, second = pictures.parts["test"]
    mask = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask[12:44, 8:28] = 255  # LEFT
    save_picture(mask, tmp_path / "mask.png")
    with_mask = replace(first, masks=(tmp_path / "mask.png",))
    missing = replace(second, masks=(tmp_path / "gone.png",))
    scores = score_model(ObedientModel(), replace(pictures, parts={"test": (with_mask, missing)}))
    assert scores.pxap is not None
    assert scores.pxap > 95
    ((path, reason),) = scores.skipped
    assert path == second.path
    assert "gone.png" in reason


def test_top_five_is_left_out_of_a_model_with_five_classes(tmp_path: Path) -> None:
    pictures = picture_set(tmp_path, ANSWERS[:2], NAMES[:5])
    assert not {"top5_clas", "top5_loc"} & score_model(ObedientModel(NAMES[:5]), pictures).to_json().keys()


def test_without_boxes_only_the_classification_is_scored(tmp_path: Path) -> None:
    scores = scored(tmp_path, ANSWERS[6:])
    found = scores.to_json()
    assert found["top1_clas"] == 50.0
    missing = ("top1_loc", "top5_loc", "gt_known_loc", "gt_known_loc_at_best_threshold", "top1_loc_at_best_threshold",
               "max_box_acc", "max_box_acc_v2", "mean_iou", "best_threshold")  # fmt: skip
    assert all(found[key] is None for key in missing)
    assert scores.sentences == ("None of these pictures has an annotated box: only the classification is scored.",)
    assert best_fixed_threshold(ObedientModel(), picture_set(tmp_path, ANSWERS[6:])) is None


def test_a_picture_that_cannot_be_read_is_named_and_skipped(tmp_path: Path) -> None:
    pictures = picture_set(tmp_path, ANSWERS[:3])
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    scores = score_model(ObedientModel(), pictures)
    assert [image.picture.path.name for image in scores.images] == ["0.png", "2.png"]
    assert "1.png" in scores.sentences[-1]
    for name in ("0.png", "2.png"):
        (tmp_path / name).write_text("hello")
    with pytest.raises(DatasetError, match="None of the 3 pictures can be read"):
        score_model(ObedientModel(), pictures)


def test_pictures_of_classes_that_the_model_lacks_are_counted_or_refused(tmp_path: Path) -> None:
    pictures = picture_set(tmp_path, ANSWERS, ("ant", "bee", "owl", "dog", "eel", "fox", "gnu", "yak"))
    scores = score_model(ObedientModel(), pictures)
    assert scores.left_out == (("owl", 1),)
    assert len(scores.images) == 7
    assert "1 picture is left out" in scores.sentences[1]
    strange = replace(pictures, classes=("a", "b", "c", "d", "eel", "f", "g", "h"), class_ids=tuple("abcdefgh"))
    with pytest.raises(DatasetError, match="only 1 of these 8 pictures; it lacks a, b, c, g"):
        score_model(ObedientModel(), strange)
    with pytest.raises(DatasetError, match="none of the classes"):
        score_model(ObedientModel(), replace(pictures, classes=tuple("abcdefgh"), class_ids=tuple("abcdefgh")))


def test_a_limit_takes_pictures_from_the_whole_part(tmp_path: Path) -> None:
    scores = score_model(ObedientModel(), picture_set(tmp_path, ANSWERS), limit=4)
    assert [image.picture.path.name for image in scores.images] == ["0.png", "2.png", "4.png", "6.png"]


def test_a_study_may_change_the_pictures_before_they_are_seen(tmp_path: Path) -> None:
    pictures = picture_set(tmp_path, ANSWERS[:1])

    def flipped(
        frame: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], _: LabelledPicture
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        changed = frame[:, ::-1].copy()
        changed[0, :2] = frame[0, :2]
        return changed

    assert score_model(ObedientModel(), pictures).images[0].gt_known
    assert not score_model(ObedientModel(), pictures, alter=flipped).images[0].gt_known


def test_the_part_that_is_scored(tmp_path: Path) -> None:
    listed = picture_set(tmp_path, ANSWERS[:3]).parts["test"]
    every = PictureSet(
        "drawn",
        tmp_path,
        "folder",
        NAMES,
        NAMES,
        dict(zip(("train", "validation", "test"), ((p,) for p in listed), strict=True)),
    )
    assert chosen_part(every) == ("test", listed[2:])
    without_test = replace(every, parts={k: v for k, v in every.parts.items() if k != "test"})
    assert chosen_part(without_test) == ("validation", listed[1:2])
    assert chosen_part(replace(every, parts={"train": listed})) == ("all", listed)
    assert chosen_part(every, "all") == ("all", listed)
    assert chosen_part(every, "train") == ("train", listed[:1])
    with pytest.raises(DatasetError, match="no part 'test': choose of train, validation, all"):
        chosen_part(without_test, "test")


def test_a_box_maker_that_draws_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="box none"):
        scored(tmp_path, box="none")


@pytest.mark.parametrize(
    "settings", [AnalysisSettings(), AnalysisSettings(map="plain"), AnalysisSettings(box="two_stage")]
)
def test_what_is_scored_is_what_streams(default_model_path: Path, tmp_path: Path, settings: AnalysisSettings) -> None:
    model = LocalizationModel(default_model_path, "cpu")
    photographs = {"Egyptian cat": data.chelsea(), "espresso": data.coffee(), "tabby": data.chelsea()[:, 100:]}
    listed = []
    for number, (name, pixels) in enumerate(photographs.items()):
        save_picture(np.asarray(pixels), tmp_path / f"{name}.png")
        size = (pixels.shape[1], pixels.shape[0])
        listed.append(LabelledPicture(tmp_path / f"{name}.png", number, ((0, 0, *size),), size))
    names = tuple(photographs)
    scores = score_model(
        model, PictureSet("photographs", tmp_path, "folder", names, names, {"test": tuple(listed)}), settings
    )
    for image, (name, pixels) in zip(scores.images, photographs.items(), strict=True):
        streamed = localize(model, np.asarray(pixels), settings)
        held = localize(model, np.asarray(pixels), replace(settings, classes=(name,)))
        # A batch of three sums in another order than one picture does: a map may differ in its last digits.
        assert [c.index for c in image.top] == [c.index for c in streamed.top]
        np.testing.assert_allclose(image.boxes, [b.box for b in streamed.boxes], atol=0.01)
        np.testing.assert_allclose(image.held_boxes, [b.box for b in held.boxes], atol=0.01)
        assert image.top1 == (streamed.top[0].name == name)
