"""Results of one side and of two within a message and within a header: short enough, and as whole as fits."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass
from seekcam.streamer.http.localize_api import MAX_HEADER, header_json
from seekcam.streamer.viewers.json_message import brief
from seekcam.streamer.viewers.outputs import MAX_MESSAGE, result_message

NAMES = st.lists(st.text(min_size=1, max_size=600), min_size=1, max_size=5)


def side(names: list[str], boxes: int, compare: Prediction | None = None) -> Prediction:
    return Prediction(
        model="m",
        method="cam",
        top=tuple(RankedClass(i, name, 0.1) for i, name in enumerate(names)),
        maps=(ClassMap(0, names[0], np.zeros((14, 14), np.float32), 0.5, 0.1),),
        boxes=tuple(Box(0, names[0], 0.5, (0.1, 0.2, 0.3, 0.4)) for _ in range(boxes)),
        ms={"queue": 12.34, "prepare": 0.5, "infer": 123.45, "boxes": 0.44},
        compare=compare,
    )


def is_part(cut: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether `cut` has nothing that `whole` has not, and all of what is never left out."""
    kept = ("model", "method", "shown", "ms")
    tops = zip(cut["top"], whole["top"], strict=False)
    return (
        all(cut[name] == whole[name] for name in kept)
        and cut["boxes"] == whole["boxes"][: len(cut["boxes"])]
        and all(a["class"] == b["class"] and b["name"].startswith(a["name"]) for a, b in tops)
    )


@given(names=NAMES, others=st.none() | NAMES, boxes=st.integers(0, 40))
@settings(deadline=None, max_examples=60)
def test_a_result_fits_one_chunk_and_says_when_it_was_cut(
    names: list[str], others: list[str] | None, boxes: int
) -> None:
    prediction = side(names, boxes, None if others is None else side(others, 40 - boxes))
    whole = prediction.to_json(1.5, 3)
    text = result_message(prediction, 1.5, 3)
    sent = json.loads(text)
    assert len(text.encode()) <= MAX_MESSAGE
    if sent.pop("truncated", False):
        assert sent != whole
        assert is_part(sent, whole)
        assert others is None or is_part(sent["compare"], whole["compare"])
    else:
        assert sent == whole


def test_two_usual_results_fit_whole() -> None:
    cub = [f"{number:03}.Black_footed_Albatross" for number in range(5)]
    sent = json.loads(result_message(side(cub, 1, side(cub, 1)), 123.456789, 12345))
    assert "truncated" not in sent
    assert len(sent["top"]) == len(sent["compare"]["top"]) == 5


def test_the_fuller_side_loses_first() -> None:
    document = side(["a", "b"], 2, side(["a", "b"], 20)).to_json(0, 0)
    sent = json.loads(brief(document, len(json.dumps(document)) - 400))
    assert len(sent["boxes"]) == 2
    assert 2 < len(sent["compare"]["boxes"]) < 20
    assert len(document["compare"]["boxes"]) == 20  # what was given stays as it was


@given(count=st.integers(0, 400), name=st.text(max_size=20), compared=st.booleans())
@settings(deadline=None, max_examples=40)
def test_the_header_is_ascii_short_and_as_complete_as_fits(count: int, name: str, compared: bool) -> None:
    boxes = [{"class": 999, "score": 0.1234, "box": [0.1111, 0.2222, 0.3333, index / 1000]} for index in range(count)]
    document: dict[str, Any] = {"model": "m", "top": [{"class": 1, "name": name, "score": 1.0}], "boxes": boxes}
    if compared:
        document["compare"] = dict(document)
    line = header_json(document)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= MAX_HEADER
    read = json.loads(line)
    assert read["top"] == document["top"]
    assert read["boxes"] == boxes[: len(read["boxes"])]
    whole = json.dumps(document, separators=(",", ":"))
    assert read.get("truncated", False) == (len(whole) > MAX_HEADER)
    assert compared == ("compare" in read)


def test_even_the_longest_names_of_two_sides_fit_a_header() -> None:
    names = ["\U0001f408" * 200] * 5
    line = header_json(side(names, 400, side(names, 400)).to_json(0, 0))
    assert len(line) <= MAX_HEADER
    assert json.loads(line)["compare"]["top"]
