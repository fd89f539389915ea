"""The bit rate of returned video: its bounds, and when it changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.webrtc.bitrate import (
    FULL,
    HD,
    INTERVAL_S,
    SHORTFALLS,
    SMALL,
    STEP,
    VGA,
    BitrateBounds,
    SteadyBitrate,
    bitrate_bounds,
)
from tests.helpers.rtp_packets import Clock

SIZES = [(320, 240), (640, 480), (1280, 720)]


class Sender:
    """A 640x480 stream at eight frames a second (an exact fraction), one second after its first."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bitrate = SteadyBitrate(self.clock)
        self.send(1)

    def send(self, seconds: float, allowed: int | None = None, needs: int = 10_000_000) -> list[int]:
        """The rates of that time's frames; `needs` is what the pictures would take, in bits a second."""
        if allowed is not None:
            self.bitrate.allow(allowed)
        rates = []
        for _ in range(int(seconds * 8)):
            self.clock.now += 1 / 8
            rates.append(self.bitrate.rate(640, 480))
            self.bitrate.sent(min(rates[-1], needs) // 64)
        return rates


@pytest.mark.parametrize(
    ("size", "bounds"),
    [
        ((320, 240), SMALL),
        ((640, 480), VGA),
        ((480, 640), VGA),
        ((1280, 720), HD),
        ((720, 1280), HD),
        ((1920, 1080), HD),
    ],
)
def test_larger_pictures_get_more(size: tuple[int, int], bounds: BitrateBounds) -> None:
    assert bitrate_bounds(*size) == bounds
    assert SteadyBitrate().rate(*size) == bounds.start


@given(allowed=st.lists(st.integers(0, 50_000_000), max_size=30), size=st.sampled_from(SIZES), fill=st.floats(0.05, 1))
@settings(deadline=None, max_examples=100)
def test_the_rate_stays_within_its_bounds_and_changes_for_a_reason(
    allowed: list[int], size: tuple[int, int], fill: float
) -> None:
    clock = Clock()
    bitrate, bounds = SteadyBitrate(clock), bitrate_bounds(*size)
    rate, changed = bitrate.rate(*size), clock.now
    for bits in allowed:
        clock.now += 0.5
        bitrate.allow(bits)
        newer = bitrate.rate(*size)
        assert bounds.least <= newer <= bounds.most
        if newer != rate:
            assert newer == bounds.clamp(bits)
            if newer > rate:
                assert newer >= (1 + STEP) * rate
                assert fill >= FULL - 0.01
                assert clock.now - changed >= INTERVAL_S
            else:
                assert newer < 0.9 * rate * fill
            rate, changed = newer, clock.now
        bitrate.sent(int(newer * fill / 16))


def test_a_rise_needs_a_quarter_more_and_three_seconds() -> None:
    sender = Sender()
    sender.send(60, allowed=2_000_000)
    assert set(sender.send(60, allowed=2_400_000)) == {2_000_000}
    assert sender.send(1 / 8, allowed=2_500_000) == [2_500_000]
    frames = int(INTERVAL_S * 8)
    assert sender.send(4, allowed=3_500_000) == (frames - 1) * [2_500_000] + (33 - frames) * [3_500_000]


def test_a_picture_that_needs_no_more_gets_no_more() -> None:
    sender = Sender()
    assert set(sender.send(30, allowed=4_000_000, needs=1_500_000)) == {VGA.start}


def test_a_quiet_picture_keeps_its_rate_though_the_receiver_has_seen_no_more_than_it_needs() -> None:
    sender = Sender()
    sender.send(2, needs=400_000)
    assert set(sender.send(30, allowed=450_000, needs=400_000)) == {VGA.start}


def test_a_picture_that_is_quiet_no_longer_falls_to_what_is_allowed() -> None:
    sender = Sender()
    sender.send(10, allowed=700_000, needs=400_000)
    assert sender.send(1)[-1] == 700_000


@pytest.mark.parametrize(("share", "seconds"), SHORTFALLS)
def test_the_larger_a_shortfall_the_sooner_it_counts(share: float, seconds: float) -> None:
    sender = Sender()
    sender.send(20)
    allowed = int(VGA.start * (1 - share) * 0.99)
    frames = int(seconds * 8)
    assert sender.send(seconds + 1, allowed) == frames * [VGA.start] + 8 * [allowed]


def test_a_dip_of_the_estimate_that_passes_changes_nothing() -> None:
    sender = Sender()
    sender.send(20)
    for allowed in (2_130_000, 2_220_000, 2_400_000):  # 85 %, and up by 8 % a second
        assert set(sender.send(1, allowed)) == {VGA.start}


def test_there_is_no_falling_below_the_least() -> None:
    sender = Sender()
    sender.send(20)
    assert set(sender.send(20, allowed=10_000)) == {VGA.least}


def test_another_size_has_its_own_bounds_at_once() -> None:
    """The encoder is built anew for it in any case."""
    bitrate = SteadyBitrate(Clock())
    assert bitrate.rate(640, 480) == VGA.start
    assert bitrate.rate(1280, 720) == HD.start
    bitrate.allow(300_000)
    assert bitrate.rate(640, 480) == VGA.most  # nothing was wrong at that rate
    assert bitrate.rate(320, 240) == SMALL.most
