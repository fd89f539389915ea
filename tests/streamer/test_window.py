"""The sliding second, on a clock that the test turns."""

import statistics

from hypothesis import given
from hypothesis import strategies as st

from seekcam.streamer.window import Window


@given(
    gaps=st.lists(st.floats(0, 0.6), min_size=1, max_size=30),
    values=st.lists(st.floats(0, 100), min_size=30, max_size=30),
)
def test_rate_and_medians_are_those_of_the_last_second(gaps: list[float], values: list[float]) -> None:
    now = 0.0
    window = Window(lambda: now)
    added: list[tuple[float, float]] = []
    for gap, value in zip(gaps, values, strict=False):
        now += gap
        window.add({"infer": value})
        added.append((now, value))
    recent = [value for when, value in added if when >= now - 1]
    assert window.rate() == len(recent)
    assert window.medians() == {"infer": statistics.median(recent)}


def test_silence_empties_the_window() -> None:
    now = 0.0
    window = Window(lambda: now)
    window.add({"infer": 1.0})
    now = 5.0
    assert window.rate() == 0
    assert window.medians() == {}
