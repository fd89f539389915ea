"""The split-off validation part: stratified, disjoint, complete, the same every time, and little moved by additions."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.datasets.dataset import DatasetError, LabelledPicture
from seekcam.datasets.splits import split_off

CLASS_IDS = ("ant", "bee", "cow", "doe")
COUNTS = st.lists(st.integers(0, 40), min_size=len(CLASS_IDS), max_size=len(CLASS_IDS))


def pictures(counts: list[int]) -> list[LabelledPicture]:
    return [
        LabelledPicture(Path(f"{label}_{i}.jpg"), label) for label, count in enumerate(counts) for i in range(count)
    ]


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.floats(0, 0.99), st.integers(0, 5))
def test_every_class_gives_its_share(counts: list[int], share: float, seed: int) -> None:
    given_pictures = pictures(counts)
    kept, split = split_off(given_pictures, CLASS_IDS, share, seed)
    assert Counter((*kept, *split)) == Counter(given_pictures)
    assert list(kept) == [picture for picture in given_pictures if picture in set(kept)]
    for label, count in enumerate(counts):
        taken = sum(picture.label == label for picture in split)
        if share == 0 or count < 2:
            assert taken == 0
        else:
            assert 1 <= taken < count
            assert taken == 1 or taken == count - 1 or abs(taken - share * count) <= 0.5
    assert split_off(given_pictures, CLASS_IDS, share, seed) == (kept, split)


@settings(deadline=None, max_examples=30)
@given(COUNTS, st.integers(0, 5))
def test_neither_order_nor_another_class_changes_who_is_chosen(counts: list[int], seed: int) -> None:
    given_pictures = pictures(counts)
    chosen = set(split_off(given_pictures, CLASS_IDS, 0.2, seed)[1])
    assert set(split_off(given_pictures[::-1], CLASS_IDS, 0.2, seed)[1]) == chosen
    first = [picture for picture in given_pictures if picture.label == 0]
    assert set(split_off(first, CLASS_IDS, 0.2, seed)[1]) == {picture for picture in chosen if picture.label == 0}


def test_one_more_picture_moves_one_other_at_most() -> None:
    for count in range(2, 60):
        before = set(split_off(pictures([count]), CLASS_IDS, 0.3, 0)[1])
        after = set(split_off(pictures([count + 1]), CLASS_IDS, 0.3, 0)[1])
        assert len(before - after) <= 1


def test_another_seed_is_another_part() -> None:
    given_pictures = pictures([40] * 4)
    assert split_off(given_pictures, CLASS_IDS, 0.5, 0) != split_off(given_pictures, CLASS_IDS, 0.5, 1)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(DatasetError, match="validation share"):
        split_off(pictures([4, 4]), CLASS_IDS, share, 0)
