"""The clips that streams are judged in: their boxes are where the thing is, and the measures are what they say."""

from itertools import pairwise

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.localization.prediction import Rectangle
from seekcam.studies.clips.clip import Clip, interpolated, through_codec
from seekcam.studies.clips.clip_scores import NOWHERE, judge, paired
from seekcam.studies.clips.scenes import KINDS, Photograph, make_clip
from seekcam.studies.letterbox import COPIES, framed

BOX: Rectangle = (0.35, 0.3, 0.7, 0.75)
RED = (230, 20, 30)


def photograph(thing: bool = True) -> Photograph:
    """Something red on grey noise."""
    noise = np.random.default_rng(0).integers(90, 160, (200, 240, 1))
    pixels = np.repeat(noise, 3, axis=2).astype(np.uint8)
    if thing:
        pixels[60:150, 84:168] = RED
    return Photograph(pixels, BOX, 7)


def red_box(frame: NDArray[np.uint8]) -> Rectangle:
    red = (frame[..., 0].astype(int) - frame[..., 1]) > 80
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    height, width = red.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_box_of_a_made_clip_is_round_the_thing_in_every_frame(kind: str, number: int) -> None:
    clip = make_clip(kind, (photograph(), photograph(thing=False)), number)
    assert len(clip.frames) == len(clip.boxes) == 2 * clip.fps
    assert clip.label == 7
    for frame, box in zip(clip.frames, clip.boxes, strict=True):
        assert red_box(frame) == pytest.approx(box, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_clip_moves_and_is_the_same_when_made_again(kind: str) -> None:
    clip, again = (make_clip(kind, (photograph(), photograph(thing=False)), 3) for _ in range(2))
    assert clip.boxes == again.boxes
    assert all(np.array_equal(one, other) for one, other in zip(clip.frames, again.frames, strict=True))
    assert len(set(clip.boxes)) > len(clip.boxes) / 2


def test_the_codec_keeps_size_and_number_of_the_frames_and_leaves_its_marks() -> None:
    frames = [np.roll(np.asarray(skimage.data.chelsea())[:200, :300], i, axis=1) for i in range(10)]
    clip = Clip("a", "real", 25, frames, [BOX] * 10, 0)
    coded = through_codec(clip, crf=30)
    assert [frame.shape for frame in coded.frames] == [frame.shape for frame in frames]
    errors = [np.abs(one.astype(int) - other).mean() for one, other in zip(coded.frames, frames, strict=True)]
    assert 1 < np.mean(errors) < 12


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=2, max_size=5), st.integers(2, 9))
@settings(deadline=None)
def test_boxes_between_keys_lie_on_straight_lines(boxes: list[Rectangle], apart: int) -> None:
    keys = [(apart * i, box) for i, box in enumerate(boxes)]
    frames = interpolated(keys, apart * len(boxes))
    assert np.allclose([frames[number] for number, _ in keys], boxes)
    for (first, one), (_, other) in pairwise(keys):
        for step in range(apart):
            share = step / apart
            between = [(1 - share) * a + share * b for a, b in zip(one, other, strict=True)]
            assert frames[first + step] == pytest.approx(between, abs=1e-9)
    assert frames[-1] == pytest.approx(boxes[-1])


def test_boxes_that_are_right_and_still_score_100_and_0_and_a_lost_thing_costs_both() -> None:
    still = judge([BOX] * 4, [BOX] * 4)
    assert (still.iou, still.flicker) == pytest.approx((100, 0))
    lost = judge([BOX, NOWHERE, BOX, BOX], [BOX] * 4)
    assert (lost.iou, lost.flicker) == pytest.approx((75, 200 / 3))


def test_the_error_of_a_paired_difference_is_that_of_its_mean() -> None:
    gain = paired([3.0, 5.0, 4.0], [1.0, 1.0, 3.0])
    assert gain.mean == pytest.approx(7 / 3)
    assert gain.error == pytest.approx(np.std([2, 4, 1], ddof=1) / 3**0.5)


@pytest.mark.parametrize("kind", COPIES)
def test_a_framed_picture_lies_where_it_is_said_to_be(kind: str) -> None:
    inner, outer = COPIES[kind]
    copy, place = framed(np.full((100, 120, 3), 200, np.uint8), inner, outer, quality=90)
    bright = np.argwhere(copy.max(axis=2) > 100)
    (top, left), (bottom, right) = bright.min(axis=0), bright.max(axis=0) + 1
    assert copy.shape == (outer[1], outer[0], 3)
    assert (left / outer[0], top / outer[1], right / outer[0], bottom / outer[1]) == pytest.approx(place, abs=0.003)
