"""`prefetch` against plain iteration, and against consumers and producers that stop early."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from seekcam.streamer.media.prefetch import prefetch


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("ahead", [1, 3])
def test_the_items_come_whole_and_in_order(count: int, ahead: int) -> None:
    assert list(prefetch(range(count), ahead)) == list(range(count))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    ahead = prefetch(items(), 1)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_no_more_than_asked_for_are_made_ahead_and_closing_stops_the_thread() -> None:
    made = []
    reached = threading.Event()

    def items() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            if number == 3:
                reached.set()
            yield number

    before = threading.active_count()
    with closing(prefetch(items(), 2)) as ready:
        assert next(ready) == 0
        assert reached.wait(10)  # one is out, two wait, and one is in the producer's hand
    assert len(made) <= 5
    assert threading.active_count() == before
