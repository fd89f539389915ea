"""How often somebody may ask, against a count over every window of time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seekcam.streamer.viewers.rate_limit import TokenBucket


@given(
    waits=st.lists(st.floats(0, 2, allow_subnormal=False), max_size=60),
    rate=st.floats(0.5, 20),
    burst=st.integers(1, 8),
)
def test_no_stretch_of_time_has_more_than_the_burst_and_the_rate(waits: list[float], rate: float, burst: int) -> None:
    now, allowed = 0.0, []
    bucket = TokenBucket(rate, burst, lambda: now)
    for wait in waits:
        now += wait
        if bucket.take():
            allowed.append(now)
    for i, begin in enumerate(allowed):
        for count, end in enumerate(allowed[i:], start=1):
            assert count <= burst + rate * (end - begin) + 1e-6


@given(burst=st.integers(1, 8), rate=st.floats(0.5, 20))
def test_whoever_keeps_to_the_rate_is_never_refused(burst: int, rate: float) -> None:
    times = [number * 1.001 / rate for number in range(50)]
    now = 0.0
    bucket = TokenBucket(rate, burst, lambda: now)
    assert all(bucket.take() for _ in range(burst))
    assert not bucket.take()
    for before, after in pairwise(times):
        now += after - before
        assert bucket.take()
