"""The second look at a small thing, taken: by a model that must come closer to see."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seekcam.evaluation.metrics import iou
from seekcam.localization.card import ModelCard
from seekcam.localization.model import LocalizationModel, RawOutputs
from seekcam.localization.pipeline import FrameRequest, cut_picture, fit_picture, localize, localize_batch
from seekcam.localization.prediction import Prediction, Rectangle
from seekcam.localization.second_look import (
    EVERY,
    SecondLooks,
)
from seekcam.localization.settings import AnalysisSettings, BoxMaker, resolve

SIDE = 56  # pixels of the model's input
CELLS = 14
PICTURE = (360, 640)  # height and width


def overlap(one: Rectangle, other: Rectangle) -> float:
    return float(iou([one], [other])[0, 0])


class NearSighted(LocalizationModel):
    """Sees red: a sharp map where much of the picture is red, and else a blur round it.

    Always class 1, whose map is `spread`; it counts its runs.
    """

    def __init__(self) -> None:
        self.card = ModelCard(
            name="near-sighted",
            classes=("ant", "bee"),
            class_ids=("0", "1"),
            input_size=SIDE,
            map_size=CELLS,
            spread_size=CELLS,
            features=1,
            mapped=2,
            objectness={"cut": 0.5},
        )
        self.provider = "cpu"
        self.runs = 0

    def run(
        self,
        frames: NDArray[np.uint8],
        classes: NDArray[np.int64],
        methods: NDArray[np.int64],
        outputs: Sequence[str] | None = None,
    ) -> RawOutputs:
        self.runs += 1
        chosen = np.where(classes < 0, np.array([1, 0]), classes)
        spread = np.zeros((len(frames), 2, CELLS, CELLS), np.float32)
        for number, frame in enumerate(frames):
            red = cv2.resize(frame[..., 0] / np.float32(255), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
            if red.mean() < 0.06:
                red = cv2.dilate((red > 0.05).astype(np.float32), np.ones((3, 3), np.uint8))
            spread[number, chosen[number] == 1] = red
        logits = np.tile(np.array([0, 9], np.float32), (len(frames), 1))
        known = {"logits": logits, "chosen": chosen, "spread": spread, "maps": spread}
        return {name: known[name] for name in outputs or known}


def drawn(box: Rectangle) -> NDArray[np.uint8]:
    height, width = PICTURE
    picture = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    picture[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width), 0] = 255
    return picture


def test_a_thing_too_small_for_the_first_look_is_bounded_by_the_second() -> None:
    truth = (0.45, 0.5, 0.57, 0.65)
    model = NearSighted()
    picture = drawn(truth)
    request = FrameRequest(resolve(AnalysisSettings(), model.card))
    (once,) = localize_batch(model, [fit_picture(picture, model.card)], [request])
    twice = localize(model, picture)
    assert overlap(once.boxes[0].box, truth) < 0.5
    assert overlap(twice.boxes[0].box, truth) > 0.85
    assert model.runs == 3
    assert twice.top == once.top
    assert twice.ms["infer"] > 0
    (shown,) = twice.maps
    fine = cv2.resize(shown.grid, (640, 360), interpolation=cv2.INTER_LINEAR) >= shown.threshold
    rows, columns = np.nonzero(fine)
    span = (columns.min() / 640, rows.min() / 360, (columns.max() + 1) / 640, (rows.max() + 1) / 360)
    assert overlap(span, truth) > 0.7  # the map shows what the box says, as far as its cells allow


def test_a_large_thing_is_looked_at_once() -> None:
    model = NearSighted()
    localize(model, drawn((0.1, 0.1, 0.8, 0.9)))
    assert model.runs == 1


@pytest.mark.parametrize("changes", [{"map": "plain"}, {"box": "components"}, {"box": "none"}])
def test_what_it_was_not_measured_for_is_looked_at_once(changes: dict[str, BoxMaker]) -> None:
    model = NearSighted()
    localize(model, drawn((0.45, 0.5, 0.57, 0.65)), AnalysisSettings(**changes))  # type: ignore[arg-type]
    assert model.runs == 1


def test_a_stream_keeps_what_it_saw_between_two_second_looks() -> None:
    model, looks = NearSighted(), SecondLooks()
    analysis = resolve(AnalysisSettings(), model.card)
    scores = []
    for number in range(30):
        left = 0.2 + number / 100
        truth = (left, 0.5, left + 0.12, 0.65)
        picture = drawn(truth)
        request = FrameRequest(analysis, pts=number / 30, looks=looks)
        cut = partial(cut_picture, picture, model.card)
        (prediction,) = localize_batch(model, [fit_picture(picture, model.card)], [request], [cut])
        scores.append(overlap(prediction.boxes[0].box, truth))
    assert model.runs <= 30 + 30 // EVERY
    assert min(scores) > 0.5
    assert np.mean(scores) > 0.7


def test_a_stream_that_is_taken_up_again_goes_on_the_same() -> None:
    truths = [(0.2 + n / 100, 0.5, 0.32 + n / 100, 0.65) for n in range(24)]
    model = NearSighted()
    analysis = resolve(AnalysisSettings(), model.card)

    def follow(numbers: range, looks: SecondLooks) -> list[Rectangle]:
        found_boxes = []
        for number in numbers:
            picture = drawn(truths[number])
            request = FrameRequest(analysis, pts=number / 24, looks=looks)
            cut = partial(cut_picture, picture, model.card)
            (prediction,) = localize_batch(model, [fit_picture(picture, model.card)], [request], [cut])
            found_boxes.append(prediction.boxes[0].box)
        return found_boxes

    whole = follow(range(24), SecondLooks())
    for stop in (1, 5, 8, 13):
        before, after = SecondLooks(), SecondLooks()
        begun = follow(range(stop), before)
        after.restore(before.state())
        assert begun + follow(range(stop, 24), after) == whole


@pytest.mark.parametrize("batches", [[10], [4, 3, 3], [1] * 10])
def test_a_batch_of_streams_and_pictures_looks_again_together_and_sees_what_each_alone_would(
    batches: list[int],
) -> None:
    model = NearSighted()
    analysis = resolve(AnalysisSettings(), model.card)
    # Two streams of four frames each, a large thing, and a picture on its own.
    truths = [(0.2 + n / 50, 0.5, 0.32 + n / 50, 0.65) for n in range(8)]
    truths += [(0.1, 0.1, 0.8, 0.9), (0.45, 0.5, 0.57, 0.65)]

    def follow(sizes: list[int]) -> list[Prediction]:
        one, two = SecondLooks(), SecondLooks()
        looks = [*[one, two] * 4, None, None]
        places, predictions = list(range(len(truths))), []
        for size in sizes:
            batch, places = places[:size], places[size:]
            pictures = [drawn(truths[n]) for n in batch]
            predictions += localize_batch(
                model,
                [fit_picture(picture, model.card) for picture in pictures],
                [FrameRequest(analysis, pts=n // 2 / 10, looks=looks[n]) for n in batch],
                [partial(cut_picture, picture, model.card) for picture in pictures],
            )
        return predictions

    alone, together = follow([1] * len(truths)), follow(batches)
    assert [p.boxes for p in together] == [p.boxes for p in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.maps[0].grid, other.maps[0].grid)


def test_second_looks_of_one_batch_are_one_more_run() -> None:
    model = NearSighted()
    picture = drawn((0.45, 0.5, 0.57, 0.65))
    request = FrameRequest(resolve(AnalysisSettings(), model.card))
    requests = [replace(request, looks=SecondLooks()) for _ in range(6)]
    cut = partial(cut_picture, picture, model.card)
    found_again = localize_batch(model, [fit_picture(picture, model.card)] * 6, requests, [cut] * 6)
    assert model.runs == 2
    assert all(overlap(prediction.boxes[0].box, (0.45, 0.5, 0.57, 0.65)) > 0.85 for prediction in found_again)
