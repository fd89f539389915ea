"""The study of small things: its frames show what they say, and its table counts what it should."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.studies.small_frames import FRAMES, LARGEST, SHARES, panned, still, thing_of
from seekcam.studies.small_things import Outcome, report

RED, GREY = (255, 0, 0), (90, 90, 90)


def photograph(box: tuple[int, int, int, int], size: tuple[int, int] = (200, 160)) -> NDArray[np.uint8]:
    """Red in the box and black round it, [height, width, 3]."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[box[1] : box[3], box[0] : box[2]] = RED
    return picture


def background() -> NDArray[np.uint8]:
    return np.full((300, 400, 3), GREY, np.uint8)


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(0, 100), st.integers(0, 80), st.integers(20, 90), st.integers(20, 70)),
)
@settings(deadline=None, max_examples=30)
def test_a_made_frame_has_its_thing_where_it_says_and_small(seed: int, place: tuple[int, int, int, int]) -> None:
    x, y, width, height = place
    box = (x, y, x + width, y + height)
    scene = still(thing_of(photograph(box), box), background(), np.random.default_rng(seed))
    rows, columns = scene.picture.shape[:2]
    assert columns <= LARGEST[0] + 1
    assert rows <= LARGEST[1] + 1
    x0, y0, x1, y1 = scene.truth
    assert 0 < (x1 - x0) * (y1 - y0) <= SHARES[1] + 0.02
    red = (scene.picture[..., 0] > 200) & (scene.picture[..., 1] < 60)
    seen = [np.flatnonzero(red.any(axis)) for axis in (0, 1)]
    found = (seen[0][0] / columns, seen[1][0] / rows, (seen[0][-1] + 1) / columns, (seen[1][-1] + 1) / rows)
    assert found == pytest.approx(scene.truth, abs=2.5 / min(rows, columns))


def test_a_panned_clip_moves_and_grows() -> None:
    box = (60, 40, 120, 100)
    scenes = list(panned(thing_of(photograph(box), box), background(), np.random.default_rng(1)))
    sizes = [(s.truth[2] - s.truth[0]) * (s.truth[3] - s.truth[1]) for s in scenes]
    assert len(scenes) == FRAMES
    assert sizes == sorted(sizes)
    assert scenes[0].truth[:2] != scenes[-1].truth[:2]
    assert all(not np.array_equal(a.picture, b.picture) for a, b in pairwise(scenes))


def test_the_table_has_a_line_for_each_size_that_occurs_twice() -> None:
    outcomes = [
        Outcome(0.01, (0, 0, 0.2), (1, 0, 0.6), 1, (10, 20)),
        Outcome(0.015, (0, 0, 0.2), (0, 0, 0.4), 1, (10, 20)),
        Outcome(0.2, (1, 1, 0.8), (1, 1, 0.8), 0, (10, 10)),
    ]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in report(outcomes).splitlines()[2:]]
    assert [line[:5] for line in lines] == [
        ["under 2 %", "2", "0.0", "50.0", "+50.0 ± 50.0"],
        ["all", "3", "33.3", "66.7", "+33.3 ± 33.3"],
    ]
    assert lines[0][6:8] == ["**+30.0 ± 10.0**", "100 %"]
