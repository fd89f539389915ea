"""Two sides next to each other: each half is what the side alone would be, with its name in the corner."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.card import METHODS, MapKind
from seekcam.localization.painting.layout import captions, lay_out
from seekcam.localization.painting.overlay import FILE, LIVE, PICTURE, Limit, paint_i420, paint_rgb
from seekcam.localization.settings import PaintSettings
from tests.helpers.node import run_module
from tests.localization.painting.test_overlay import HEAT_ONLY, NOT_SURE, bump, cat, planes, seen

LEFT = seen(bump(0.3, 0.3), box=None)
RIGHT = replace(seen(bump(0.7, 0.6)), model="another", method="finercam")
PAIR = replace(LEFT, compare=RIGHT)


@pytest.mark.parametrize("mirror", [False, True])
def test_each_half_is_what_the_side_alone_would_be(mirror: bool) -> None:
    picture, paint = cat(), replace(HEAT_ONLY, mirror=mirror)
    pair = paint_rgb(picture, PAIR, paint)
    assert pair.shape == (240, 640, 3)
    for number, side in enumerate((LEFT, RIGHT)):
        half = pair[:, number * 320 : (number + 1) * 320]
        alone = paint_rgb(picture, side, paint)
        assert np.array_equal(half[:200, 4:-4], alone[:200, 4:-4])  # but for the seam, and the name at the bottom
        assert not np.array_equal(half[200:, :150], alone[200:, :150])
    assert pair[:, 319:321].max() < 40, "a dark seam parts them"


def test_the_picture_itself_is_left_as_it_is() -> None:
    picture = cat()
    before, planes_before = picture.copy(), planes(picture)
    given_planes = planes(picture)
    paint_rgb(picture, PAIR, PaintSettings())
    paint_i420(*given_planes, PAIR, PaintSettings())
    assert np.array_equal(picture, before)
    for one, other in zip(given_planes, planes_before, strict=True):
        assert np.array_equal(one, other)


def test_video_planes_show_what_rgb_shows() -> None:
    picture = cat()
    direct = paint_i420(*planes(picture), PAIR, PaintSettings())
    by_rgb = planes(paint_rgb(picture, PAIR, PaintSettings()))
    for one, other in zip(direct, by_rgb, strict=True):
        assert one.shape == other.shape
        assert np.abs(one.astype(int) - other).mean() < 2


def test_the_names_stand_at_the_bottom_left_even_without_labels() -> None:
    placed = lay_out(RIGHT, PaintSettings(labels=False), 320, 240, captions(LEFT, RIGHT)[1])
    (name,) = placed.labels
    assert name.text == "another · finercam"
    assert name.x < 20
    assert 200 < name.y < 240 - name.plate.height
    assert lay_out(NOT_SURE, PaintSettings(), 320, 240, "m").labels[1].text == "not sure"


NAMES = """
const { captions } = await import(`${web}/overlay/captions.js`);
tell(input.map(([first, second]) => captions(first, second)));
"""


def test_a_caption_names_what_tells_the_sides_apart_in_the_page_as_here() -> None:
    kinds: tuple[MapKind, ...] = ("objectness", "spread")
    sides = [
        replace(LEFT, model=model, method=method, map=kind)
        for model in ("birds", "oiseaux é")
        for method in METHODS[:2]
        for kind in kinds
    ]
    pairs = list(itertools.product(sides, repeat=2))
    here = [captions(*pair) for pair in pairs]
    for (first, second), (left, right) in zip(pairs, here, strict=True):
        names = [(side.model, side.method, side.map) for side in (first, second)]
        assert (left == right) == (names[0] == names[1])
        told = [set(side.split(" · ")) for side in (left, right)]
        assert not told[0] & told[1] or names[0] == names[1]
        assert told[0] <= set(names[0])
        assert told[1] <= set(names[1])
    assert captions(LEFT, replace(LEFT, map="foreground")) == ("spread", "foreground")
    assert captions(LEFT, LEFT) == (LEFT.model, LEFT.model)
    given_names = [[{n: getattr(side, n) for n in ("model", "method", "map")} for side in pair] for pair in pairs]
    assert run_module(NAMES, given_names) == [list(pair) for pair in here]


def test_a_box_down_to_the_corner_keeps_its_label_clear_of_the_name() -> None:
    wide = seen(bump(0.5, 0.5), box=(0, 0.9, 1, 1))
    name, label = lay_out(wide, PaintSettings(), 320, 240, "another").labels
    assert label.y + label.plate.height <= name.y or label.x >= name.x + name.plate.width


@pytest.mark.parametrize(
    ("limit", "given_size", "half"),
    [
        (LIVE, (640, 480), (640, 480)),
        (LIVE, (1280, 720), (960, 540)),
        (LIVE, (1920, 1080), (960, 540)),
        (FILE, (1920, 1080), (1920, 1080)),
        (PICTURE, (451, 301), (451, 301)),
    ],
)
def test_usual_sizes(limit: Limit, given_size: tuple[int, int], half: tuple[int, int]) -> None:
    assert limit.half(*given_size) == half


@given(width=st.integers(1, 9000), height=st.integers(1, 9000), limit=st.sampled_from((LIVE, FILE, PICTURE)))
@settings(deadline=None, max_examples=100)
def test_a_pair_is_never_larger_than_its_limit(width: int, height: int, limit: Limit) -> None:
    w, h = limit.half(width, height)
    if (w, h) == (width, height):
        assert max(2 * w, h) <= limit.side
        assert 2 * w * h <= limit.pixels
        return
    assert w % 2 == h % 2 == 0
    assert max(2 * w, h) <= limit.side or min(w, h) == 2
    assert 2 * w * h <= limit.pixels
    if min(w, h) > 40:
        assert w / h == pytest.approx(width / height, rel=0.06)
        assert max(2 * w, h) > 0.95 * limit.side or 2 * w * h > 0.85 * limit.pixels, "no smaller than it must be"


@given(half_width=st.integers(1, 60), half_height=st.integers(1, 60), side=st.integers(4, 100), mirror=st.booleans())
@settings(deadline=None, max_examples=40)
def test_any_size_is_painted(half_width: int, half_height: int, side: int, mirror: bool) -> None:
    limit, paint = Limit(side, 10_000), PaintSettings(mirror=mirror)
    width, height = 2 * half_width, 2 * half_height
    w, h = limit.half(width, height)
    assert paint_rgb(np.zeros((height, width, 3), np.uint8), PAIR, paint, limit).shape == (h, 2 * w, 3)
    chroma = np.full((half_height, half_width), 128, np.uint8)
    y, u, v = paint_i420(np.zeros((height, width), np.uint8), chroma, chroma, PAIR, paint, limit)
    assert (y.shape, u.shape, v.shape) == ((h, 2 * w), (h // 2, w), (h // 2, w))
