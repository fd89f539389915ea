"""RTP timestamps as the sender's wall clock, against datetime's own arithmetic."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.webrtc.capture_clock import CaptureClock, unix_ms

NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 4_100_000_000_000_000).map(lambda us: UNIX_EPOCH + timedelta(microseconds=us))  # until 2099


def ntp_of(instant: datetime) -> int:
    """The 64 bits of a sender report; from 2036 on the seconds begin anew."""
    since = instant - NTP_EPOCH
    seconds, fraction = divmod(since, timedelta(seconds=1))
    return ((seconds % (1 << 32)) << 32) | (fraction.microseconds << 32) // 1_000_000


@given(instant=INSTANTS)
@settings(deadline=None)
def test_ntp_time_is_unix_time_across_the_turn_of_its_era(instant: datetime) -> None:
    expected = (instant - UNIX_EPOCH) / timedelta(milliseconds=1)
    assert abs(unix_ms(ntp_of(instant)) - expected) < 0.01


@given(
    instant=INSTANTS,
    reported=st.integers(0, (1 << 32) - 1),
    milliseconds=st.integers(-23_000_000, 23_000_000),
)
@settings(deadline=None)
def test_a_frame_is_dated_by_its_distance_from_the_report(instant: datetime, reported: int, milliseconds: int) -> None:
    """Also where the 32 bits wrap between the two."""
    clock = CaptureClock()
    clock.report(ntp_of(instant), reported)
    captured = clock.captured_ms((reported + 90 * milliseconds) % (1 << 32))
    expected = (instant - UNIX_EPOCH) / timedelta(milliseconds=1) + milliseconds
    assert captured is not None
    assert abs(captured - expected) < 0.01


def test_nothing_is_known_before_the_first_report_and_of_a_sender_without_a_clock() -> None:
    clock = CaptureClock()
    assert clock.captured_ms(5) is None
    clock.report(0, 5)
    assert clock.captured_ms(5) is None


def test_the_newest_report_counts() -> None:
    clock = CaptureClock()
    first, second = (datetime(2026, 5, 4, 12, 0, s, tzinfo=UTC) for s in (0, 1))
    clock.report(ntp_of(first), 0)
    clock.report(ntp_of(second), 7_000)
    clock.report(0, 0)
    assert clock.captured_ms(7_000) == second.timestamp() * 1e3
