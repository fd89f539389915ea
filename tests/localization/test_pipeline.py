"""From picture to prediction on real photographs, against the graph's own outputs put together by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from seekcam.localization.boxes import two_stage_threshold
from seekcam.localization.card import MapKind
from seekcam.localization.class_tracker import ClassTracker
from seekcam.localization.errors import SettingsError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pipeline import STEADIED, FrameRequest, fit_picture, localize, localize_batch, normalised
from seekcam.localization.prediction import Prediction
from seekcam.localization.region import box_in_frame
from seekcam.localization.settings import AnalysisSettings, resolve
from seekcam.localization.steady import TIME_CONSTANT, Steady


@pytest.fixture(scope="module")
def model(default_model_path: Path) -> LocalizationModel:
    return LocalizationModel(default_model_path, "cpu")


@pytest.fixture(scope="module")
def chelsea() -> NDArray[np.uint8]:
    return np.asarray(data.chelsea())


def request(model: LocalizationModel, **settings: object) -> FrameRequest:
    return FrameRequest(resolve(AnalysisSettings(**settings), model.card))  # type: ignore[arg-type]


def same(one: Prediction, other: Prediction) -> bool:
    return (
        [c.index for c in one.top] == [c.index for c in other.top]
        and [b.index for b in one.boxes] == [b.index for b in other.boxes]
        and all(np.allclose(a.box, b.box, atol=0.01) for a, b in zip(one.boxes, other.boxes, strict=True))
        and all(np.allclose(a.grid, b.grid, atol=1e-3) for a, b in zip(one.maps, other.maps, strict=True))
    )


def test_a_cat_is_found_where_it_is(model: LocalizationModel, chelsea: NDArray[np.uint8]) -> None:
    prediction = localize(model, chelsea)
    assert prediction.top[0].name == "Egyptian cat"
    assert sum(c.score for c in prediction.top) <= 1 + 1e-6
    (box,) = prediction.boxes
    x0, y0, x1, y1 = box.box
    assert x0 < 0.3 < 0.7 < x1  # the cat's face fills the middle of the picture
    assert y0 < 0.3 < 0.7 < y1


@pytest.mark.parametrize(("top", "bottom", "left", "right"), [(60, 60, 0, 0), (0, 0, 90, 90), (40, 40, 70, 70)])
def test_black_bars_are_left_out_and_the_answer_is_of_the_whole_picture(
    model: LocalizationModel, chelsea: NDArray[np.uint8], top: int, bottom: int, left: int, right: int
) -> None:
    framed = np.pad(chelsea, ((top, bottom), (left, right), (0, 0)))
    height, width = framed.shape[:2]
    region = (left / width, top / height, 1 - right / width, 1 - bottom / height)
    plain, barred = localize(model, chelsea), localize(model, framed)
    assert barred.top == plain.top
    assert barred.boxes[0].box == pytest.approx(box_in_frame(plain.boxes[0].box, region))
    heat = cv2.resize(barred.maps[0].grid, (width, height), interpolation=cv2.INTER_NEAREST)
    assert heat[: top // 2].max(initial=0) == heat[:, : left // 2].max(initial=0) == 0


def test_a_region_is_fitted_as_the_picture_that_it_is(model: LocalizationModel, chelsea: NDArray[np.uint8]) -> None:
    height, width = chelsea.shape[:2]
    fitted = fit_picture(chelsea, model.card, (50 / width, 30 / height, 250 / width, 280 / height))
    assert np.array_equal(fitted, fit_picture(np.ascontiguousarray(chelsea[30:280, 50:250]), model.card))


@pytest.mark.parametrize("kind", ["objectness", "foreground", "spread", "plain"])
def test_a_stream_steadies_the_maps_that_have_a_constant_cut_and_no_others(
    model: LocalizationModel, chelsea: NDArray[np.uint8], kind: MapKind
) -> None:
    steady = Steady()
    fitted = [fit_picture(np.ascontiguousarray(p), model.card) for p in (chelsea, chelsea[:, 40:])]
    analysis = request(model, map=kind, classes=("Egyptian cat",)).analysis
    requests = [FrameRequest(analysis, None, i / 30, steady=steady) for i in range(2)]
    stream = [localize_batch(model, [frame], [asked])[0] for frame, asked in zip(fitted, requests, strict=True)]
    alone = [localize_batch(model, [frame], [FrameRequest(analysis)])[0] for frame in fitted]
    assert same(stream[0], alone[0])
    assert np.array_equal(stream[1].maps[0].grid, alone[1].maps[0].grid) is (kind in ("spread", "plain"))
    if kind in STEADIED:
        old = np.exp(-1 / 30 / TIME_CONSTANT)
        expected = old * alone[0].maps[0].grid + (1 - old) * alone[1].maps[0].grid
        assert np.allclose(stream[1].maps[0].grid, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "output", "threshold"),
    [
        ("objectness", "spread", "threshold"),
        ("spread", "affinity", "affinity_threshold"),
        ("plain", "maps", ""),
        ("foreground", "objectness", ""),
    ],
)
def test_the_map_and_its_threshold_are_the_graphs(
    model: LocalizationModel, chelsea: NDArray[np.uint8], kind: MapKind, output: str, threshold: str
) -> None:
    fitted = fit_picture(chelsea, model.card)
    raw = model.run(fitted[None], np.full((1, model.card.mapped), -1, np.int64), np.zeros(1, np.int64))
    (shown,) = localize(model, chelsea, AnalysisSettings(map=kind)).maps
    wanted = raw[output][0, 0]
    if kind == "plain":
        wanted = (wanted - wanted.min()) / (wanted.max() - wanted.min())
    np.testing.assert_allclose(shown.grid, wanted, atol=1e-5)
    own = {"plain": model.card.threshold, "foreground": model.card.cut}
    assert shown.threshold == pytest.approx(float(raw[threshold][0, 0]) if threshold else own[kind], abs=1e-5)


def test_the_box_score_is_the_mean_of_the_map_inside(model: LocalizationModel, chelsea: NDArray[np.uint8]) -> None:
    prediction = localize(model, chelsea)
    (shown,), (box,) = prediction.maps, prediction.boxes
    fine = cv2.resize(shown.grid, (224, 224), interpolation=cv2.INTER_LINEAR)
    x0, y0, x1, y1 = (round(v * 224) for v in box.box)
    assert box.score == pytest.approx(float(fine[y0:y1, x0:x1].mean()), abs=0.02)


@pytest.mark.parametrize("kind", ["spread", "plain"])
def test_the_threshold_of_a_two_stage_box_is_the_one_that_bounds_it(
    model: LocalizationModel, chelsea: NDArray[np.uint8], kind: str
) -> None:
    fitted = fit_picture(chelsea, model.card)
    raw = model.run(fitted[None], np.full((1, model.card.mapped), -1, np.int64), np.zeros(1, np.int64))
    wish = AnalysisSettings(map=kind, box="two_stage", threshold=0.9)  # type: ignore[arg-type]
    prediction = localize(model, chelsea, wish)
    (shown,), (box,) = prediction.maps, prediction.boxes
    features = np.asarray(raw["features"][0], np.float32)
    assert shown.threshold == pytest.approx(two_stage_threshold(shown.grid, features))
    assert shown.threshold != 0.9
    fine = cv2.resize(shown.grid, (224, 224), interpolation=cv2.INTER_LINEAR)
    stats = cv2.connectedComponentsWithStats((fine > shown.threshold * fine.max()).view(np.uint8))[2]
    x, y, w, h = max(stats[1:].tolist(), key=lambda row: row[cv2.CC_STAT_AREA])[:4]
    assert box.box == pytest.approx((x / 224, y / 224, (x + w) / 224, (y + h) / 224))


def test_a_batch_of_different_wishes_equals_them_one_by_one(
    model: LocalizationModel, chelsea: NDArray[np.uint8]
) -> None:
    pictures = [fit_picture(p, model.card) for p in (chelsea, np.asarray(data.coffee()), chelsea)]
    requests = [
        request(model),
        request(model, map="plain", method="layercam", classes=("cup", "espresso")),
        request(model, box="two_stage", classes=(281,), threshold=0.4, min_score=0.9),
    ]
    together = localize_batch(model, pictures, requests)
    alone = [localize_batch(model, [p], [r])[0] for p, r in zip(pictures, requests, strict=True)]
    assert all(same(a, b) for a, b in zip(together, alone, strict=True))
    assert [m.name for m in together[1].maps] == ["cup", "espresso"]
    assert [m.index for m in together[2].maps] == [281]


def test_nothing_is_asserted_below_min_score_but_the_ranking_stays(
    model: LocalizationModel, chelsea: NDArray[np.uint8]
) -> None:
    unsure = localize(model, chelsea, AnalysisSettings(min_score=0.99))
    assert (unsure.sure, unsure.maps, unsure.boxes) == (False, (), ())
    assert unsure.top[0].name == "Egyptian cat"
    assert unsure.to_json(0, 0)["shown"] == []
    chosen = localize(model, chelsea, AnalysisSettings(min_score=0.99, classes=("lynx",)))
    assert [m.name for m in chosen.maps] == ["lynx"]  # who names a class wants to see it


def test_the_held_class_is_mapped_while_the_ranking_stays_true(
    model: LocalizationModel, chelsea: NDArray[np.uint8]
) -> None:
    tracker = ClassTracker()
    tracker.update(np.eye(1000, dtype=np.float32)[282] * 40, 0.0)  # something has made it hold "tiger cat"
    analysis = resolve(AnalysisSettings(min_score=0), model.card)
    prediction = localize_batch(model, [fit_picture(chelsea, model.card)], [FrameRequest(analysis, tracker, 0.001)])[0]
    assert [m.name for m in prediction.maps] == ["tiger cat"]
    assert prediction.top[0].name == "Egyptian cat"
    alone = localize(model, chelsea, AnalysisSettings(classes=(282,)))
    np.testing.assert_allclose(prediction.maps[0].grid, alone.maps[0].grid, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (AnalysisSettings(method="gradcan"), "did you mean 'gradcam'"),
        (AnalysisSettings(classes=("Persian kat",)), "Persian cat"),
        (AnalysisSettings(classes=(1000,)), "classes 0 to 999"),
        (AnalysisSettings(classes=(1, 2, 3, 4, 5, 6)), "maps 5 classes at once"),
    ],
)
def test_what_the_model_does_not_have_is_refused(
    model: LocalizationModel, chelsea: NDArray[np.uint8], settings: AnalysisSettings, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        localize(model, chelsea, settings)


@pytest.mark.parametrize("grid", [np.zeros((3, 3)), np.full((3, 3), 2.5), np.full((3, 3), np.nan)])
def test_a_map_without_a_shape_becomes_zeros(grid: NDArray[np.float64]) -> None:
    assert not normalised(grid.astype(np.float32)).any()
