"""The one JSON form of a prediction, as the contract spells it."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass

SEEN = Prediction(
    model="toy",
    method="cam",
    top=(RankedClass(283, "Persian cat", 0.876543), RankedClass(281, "tabby", 0.05)),
    maps=(ClassMap(283, "Persian cat", np.ones((7, 7), np.float32), 0.3, 0.876543),),
    boxes=(Box(283, "Persian cat", 0.71234567, (0.1, 0.2, 1 / 3, 1.0)),),
    ms={"infer": 4.98765},
)


def test_the_json_form_is_the_contracts() -> None:
    assert SEEN.to_json(pts=1.23456789, frame=37) == {
        "pts": 1.234568,
        "frame": 37,
        "model": "toy",
        "method": "cam",
        "map": "spread",
        "shown": [283],
        "top": [
            {"class": 283, "name": "Persian cat", "score": 0.8765},
            {"class": 281, "name": "tabby", "score": 0.05},
        ],
        "boxes": [{"class": 283, "score": 0.7123, "box": [0.1, 0.2, 0.3333, 1.0]}],
        "ms": {"infer": 4.99},
    }


def test_the_json_form_survives_json() -> None:
    document = SEEN.to_json(0, 0)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_not_sure_shows_no_class_and_keeps_the_ranking() -> None:
    unsure = Prediction("toy", "cam", SEEN.top)
    assert SEEN.sure
    assert not unsure.sure
    document = unsure.to_json(0, 0)
    assert document["shown"] == document["boxes"] == []
    assert len(document["top"]) == 2
    assert document["ms"] == {}


def test_a_prediction_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SEEN.model = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Prediction("toy", "cam", ()).ms["infer"] = 1.0  # type: ignore[index]
