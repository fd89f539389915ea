"""The overlay's message: what Python packs, the page's own parser reads; one SCTP chunk, whatever is in it."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass
from seekcam.streamer.viewers.outputs import MAX_MESSAGE
from seekcam.streamer.viewers.overlay_message import Stamps, pack
from tests.helpers.node import run_module

PARSE = """
const { parse } = await import(`${web}/overlay/message.js`);
tell(input.map((text) => {
  const bytes = Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));
  return parse(bytes.buffer);
}).map((message) => ({ ...message, sides: message.sides.map((side) => ({
  ...side, grids: side.grids.map((grid) => ({ ...grid, values: [...grid.values] })) })) })));
"""
STAMPS = Stamps(rtp=2**32 - 5, frame=77, pts=12.5, captured=1_790_000_000_123.25, sent=1_790_000_000_150.5, held=17.25)
TINY = 1.01 / 65535  # a step of u16, with a little for rounding


def class_map(index: int, side: tuple[int, int] = (14, 14), seed: int = 0) -> ClassMap:
    grid = np.random.default_rng(seed + index).random(side, np.float32)
    return ClassMap(index, f"class {index}", grid, 0.3 + index / 10_000, 0.9 / (1 + index))


def prediction(shown: int = 1, others: int = 4, side: tuple[int, int] = (14, 14), boxes: int = 1) -> Prediction:
    maps = tuple(class_map(index, side) for index in range(shown))
    return Prediction(
        model="efficientnet-lite0",
        method="cam",
        top=tuple(RankedClass(index, f"class {index}", 0.9 / (1 + index)) for index in range(5)),
        maps=maps,
        boxes=tuple(Box(m.index, m.name, 0.7, (0.1, 0.2, 0.75, 1.0)) for m in maps for _ in range(boxes)),
        others=tuple(class_map(100 + index, side) for index in range(others)),
        ms={"queue": 0.5, "prepare": 0.25, "infer": 8.5, "boxes": 1.0},
    )


def parsed(packed: Sequence[bytes]) -> list[dict[str, Any]]:
    """What the page reads of them."""
    result: list[dict[str, Any]] = run_module(PARSE, [base64.b64encode(message).decode() for message in packed])
    return result


def test_the_page_reads_what_was_packed() -> None:
    first = prediction(shown=2, others=1)
    second = replace(prediction(shown=1, others=0), model="oiseaux é", method="layercam", map="foreground")
    message = parsed([pack(replace(first, compare=second), STAMPS, MAX_MESSAGE)])[0]
    stamps = {name: message[name] for name in ("rtp", "frame", "pts", "captured", "sent", "held")}
    assert stamps == {name: getattr(STAMPS, name) for name in stamps}
    assert message["truncated"] is False
    for side, told in zip((first, second), message["sides"], strict=True):
        assert (told["model"], told["method"], told["map"]) == (side.model, side.method, side.map)
        assert told["shown"] == [shown.index for shown in side.maps]
        assert told["ms"] == side.ms
        assert [entry["class"] for entry in told["top"]] == [ranked.index for ranked in side.top]
        assert [entry["score"] for entry in told["top"]] == pytest.approx([r.score for r in side.top], abs=TINY)
        assert [entry["class"] for entry in told["boxes"]] == [box.index for box in side.boxes]
        assert told["boxes"][0]["box"] == pytest.approx(side.boxes[0].box, abs=TINY)
        for grid, wanted in zip(told["grids"], (*side.maps, *side.others), strict=True):
            assert (grid["class"], grid["rows"], grid["columns"]) == (wanted.index, 14, 14)
            assert grid["score"] == pytest.approx(wanted.score, abs=TINY)
            assert grid["threshold"] == pytest.approx(wanted.threshold, abs=TINY)
            values = np.array(grid["values"]).reshape(14, 14) / 255
            np.testing.assert_allclose(values, wanted.grid, atol=0.501 / 255)


def test_a_capture_that_is_not_known_yet_is_null() -> None:
    message = parsed([pack(prediction(), replace(STAMPS, captured=None), MAX_MESSAGE)])[0]
    assert message["captured"] is None


def test_not_sure_shows_nothing_and_keeps_the_ranking() -> None:
    side = parsed([pack(prediction(shown=0), STAMPS, MAX_MESSAGE)])[0]["sides"][0]
    assert (side["shown"], side["boxes"], len(side["top"])) == ([], [], 5)
    assert [grid["class"] for grid in side["grids"]] == [100, 101, 102, 103]


@given(
    shown=st.integers(0, 5),
    others=st.integers(0, 5),
    side=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    boxes=st.integers(0, 300),
    compared=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_a_message_is_one_chunk(shown: int, others: int, side: tuple[int, int], boxes: int, compared: bool) -> None:
    one = prediction(shown, others, side, boxes)
    assert len(pack(replace(one, compare=one if compared else None), STAMPS, MAX_MESSAGE)) <= MAX_MESSAGE


def test_what_is_left_out_is_told_and_the_first_map_stays() -> None:
    cases = {
        "five fine maps": prediction(shown=5, others=0, side=(20, 20)),
        "a map larger than a message": prediction(shown=1, others=0, side=(40, 40)),
        "hundreds of boxes": prediction(shown=1, others=0, boxes=300),
        "two large maps": replace(prediction(1, 0, (30, 30)), compare=prediction(1, 0, (30, 30))),
    }
    for name, message in zip(cases, parsed([pack(case, STAMPS, MAX_MESSAGE) for case in cases.values()]), strict=True):
        assert message["truncated"], name
        for side in message["sides"]:
            assert side["grids"][0]["class"] == 0, name
            assert side["boxes"][0]["class"] == 0, name


def test_a_coarser_map_looks_like_the_fine_one() -> None:
    blob = np.exp(-((np.mgrid[0:40, 0:40] - [[[12]], [[28]]]) ** 2).sum(0) / 60).astype(np.float32)
    large = replace(prediction(others=0), maps=(ClassMap(0, "blob", blob, 0.5, 0.9),))
    grid = parsed([pack(large, STAMPS, MAX_MESSAGE)])[0]["sides"][0]["grids"][0]
    assert 25 <= grid["rows"] < 40
    values = np.array(grid["values"]).reshape(grid["rows"], grid["columns"])
    peak = np.unravel_index(int(values.argmax()), values.shape)
    assert np.array(peak) / values.shape == pytest.approx([12 / 40, 28 / 40], abs=0.03)


def test_maps_that_are_no_numbers_become_empty() -> None:
    broken = ClassMap(0, "x", np.full((7, 7), np.nan, np.float32), float("nan"), 0.5)
    grid = parsed([pack(replace(prediction(), maps=(broken,)), STAMPS, MAX_MESSAGE)])[0]["sides"][0]["grids"][0]
    assert (set(grid["values"]), grid["threshold"]) == ({0}, 0)
