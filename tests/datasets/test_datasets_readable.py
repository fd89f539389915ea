"""Unreadable pictures are named and left out; order is kept, and large sets are looked at by their headers only."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from seekcam.datasets.dataset import LabelledPicture
from seekcam.datasets.readable import in_threads, readable
from tests.helpers.picture_folders import save_photographs


@pytest.fixture
def pictures(tmp_path: Path) -> list[LabelledPicture]:
    """Nine photographs: the second no picture at all, the fourth cut short, the sixth gone, the eighth a folder."""
    paths = save_photographs(tmp_path, 9)
    paths[1].write_bytes(b"no picture")
    paths[3].write_bytes(paths[3].read_bytes()[:-3000])
    paths[5].unlink()
    paths[7].unlink()
    paths[7].mkdir()
    return [LabelledPicture(path, index) for index, path in enumerate(paths)]


@pytest.mark.parametrize("threads", [1, 3])
def test_each_unreadable_file_is_named_with_its_reason(pictures: list[LabelledPicture], threads: int) -> None:
    calls: list[tuple[int, int]] = []
    kept, skipped = readable(pictures, lambda done, total: calls.append((done, total)), threads=threads)
    assert [picture.label for picture in kept] == [0, 2, 4, 6, 8]
    assert [path.name for path, _ in skipped] == ["001.png", "003.png", "005.png", "007.png"]
    for (path, reason), words in zip(skipped, ("not a picture", "damaged", "no file", "a folder"), strict=True):
        assert words in reason
        assert str(path) in reason
    assert calls == [(done, 9) for done in range(1, 10)]


def test_of_large_sets_only_headers_are_read(pictures: list[LabelledPicture]) -> None:
    kept, skipped = readable(pictures, decode_at_most=8)
    assert [picture.label for picture in kept] == [0, 2, 3, 4, 6, 8]
    assert len(skipped) == 3


def test_a_picture_that_claims_too_much_is_left_out(tmp_path: Path) -> None:
    Image.new("1", (20_000, 6_000)).save(tmp_path / "huge.png")
    kept, skipped = readable([LabelledPicture(tmp_path / "huge.png", 0)], decode_at_most=0)
    assert kept == ()
    assert "20000 x 6000 pixels" in skipped[0][1]


def test_no_pictures_are_no_error() -> None:
    assert readable([]) == ((), ())


def test_results_come_in_order_and_few_are_queued() -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(500):
            taken += 1
            yield number

    results = in_threads(lambda value: value * 2, numbers(), 2)
    assert next(results) == 0
    assert taken < 100
    assert list(results) == [value * 2 for value in range(1, 500)]


def test_an_error_ends_the_work_and_the_threads() -> None:
    def fail(value: int) -> int:
        if value == 5:
            raise ZeroDivisionError
        return value

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(in_threads(fail, range(100), 2))
    assert threading.active_count() == before
