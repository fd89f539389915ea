"""The gate between precisions: its numbers against NumPy's and against counted pixels, and what it lets through."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.export.gate import Look, LookMap, box_iou, compare, correlation

GRID = np.array([[0.0, 0.5], [0.25, 1.0]], np.float32)
BOX = (0.2, 0.2, 0.8, 0.8)
KINDS = ("plain", "spread", "objectness")
LOOK = Look(top=3, maps={kind: LookMap(GRID, BOX) for kind in KINDS})


def changed(kind: str, **values: Any) -> Look:
    """The look with something else about one kind of map."""
    return replace(LOOK, maps={**LOOK.maps, kind: replace(LOOK.maps[kind], **values)})


maps = st.lists(st.floats(-100, 100, width=32), min_size=9, max_size=9).map(
    lambda values: np.array(values, np.float32).reshape(3, 3)
)
edges = st.tuples(*[st.integers(0, 12)] * 4).filter(lambda e: e[0] < e[2] and e[1] < e[3])


@settings(deadline=None, max_examples=40)
@given(maps, maps)
def test_correlation_is_numpys(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    if min(np.ptp(one), np.ptp(other)) > 1e-3:
        wanted = np.corrcoef(one.ravel().astype(np.float64), other.ravel().astype(np.float64))[0, 1]
        assert correlation(one, other) == pytest.approx(wanted, abs=1e-4)
        assert correlation(one, 2 * one + 5) == pytest.approx(1, abs=1e-4)
    assert correlation(one, other) == pytest.approx(correlation(other, one))


def test_maps_without_shape_or_numbers() -> None:
    flat, broken = np.full_like(GRID, 0.5), np.array([[0, 1], [np.nan, 0]], np.float32)
    assert correlation(flat, flat + 1) == 1
    assert correlation(flat, GRID) == 0
    assert correlation(GRID, broken) == 0
    assert correlation(broken, broken) == 0


@settings(deadline=None, max_examples=40)
@given(edges, edges)
def test_iou_is_that_of_counted_pixels(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    masks = []
    for x0, y0, x1, y1 in (one, other):
        mask = np.zeros((12, 12), bool)
        mask[y0:y1, x0:x1] = True
        masks.append(mask)
    wanted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    first, second = ((x0 / 12, y0 / 12, x1 / 12, y1 / 12) for x0, y0, x1, y1 in (one, other))
    assert box_iou(first, second) == pytest.approx(wanted)


def test_a_box_that_only_one_has_overlaps_nothing() -> None:
    assert box_iou(None, None) == 1
    assert box_iou(BOX, None) == box_iou(None, BOX) == 0


def test_a_file_passes_against_itself() -> None:
    report = compare([LOOK] * 3, [LOOK] * 3)
    assert report.passes(margin=1)
    assert set(report.numbers().values()) == {1.0, 3}


def test_means_decide_and_the_worst_picture_is_told() -> None:
    # Half as wide, so half the area, in one of ten pictures: a mean of .95.
    narrow = replace(changed("spread", box=(0.2, 0.2, 0.5, 0.8)), top=4)
    report = compare([LOOK] * 10, [narrow] + [LOOK] * 9)
    assert report.box_iou["spread"].mean == pytest.approx(0.95)
    assert report.box_iou["spread"].worst == pytest.approx(0.5)
    assert report.top1_agreement == pytest.approx(0.9)
    assert report.passes()
    assert not report.passes(margin=0.6)
    assert "box IoU 1.000 (worst 1.000) plain, 0.950 (worst 0.500) spread, 1.000 (worst 1.000) objectness" in str(
        report
    )
    assert "same top class in 90.0% of 10 pictures" in str(report)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [{"grid": GRID.T}, {"box": (0.2, 0.2, 0.5, 0.8)}])
def test_any_one_measure_refuses(kind: str, values: dict[str, Any]) -> None:
    assert not compare([LOOK] * 4, [changed(kind, **values)] * 4).passes()


def test_only_kinds_that_both_files_make_are_compared() -> None:
    without_head = replace(LOOK, maps={kind: LOOK.maps[kind] for kind in ("plain", "spread")})
    assert set(compare([without_head], [LOOK]).correlation) == {"plain", "spread"}


def test_another_top_class_alone_does_not_refuse() -> None:
    assert compare([LOOK], [replace(LOOK, top=0)]).passes()


def test_a_value_that_is_no_number_refuses() -> None:
    broken = changed("plain", grid=np.full_like(GRID, np.nan), box=None)
    assert not compare([LOOK] * 2, [broken] * 2).passes()


def test_different_pictures_are_not_compared() -> None:
    with pytest.raises(ValueError, match="1 and 2 pictures"):
        compare([LOOK], [LOOK] * 2)
    with pytest.raises(ValueError, match="0 and 0"):
        compare([], [])
