"""When a camera captured a frame, by the sender's own wall clock.

An RTP timestamp alone counts from an unknown instant. The sender's RTCP reports name pairs of NTP and RTP time for the
same instant (RFC 3550, 6.4.1), which is enough to date every frame.
"""

RTP_TICKS_PER_MS = 90  # video's RTP clock is 90 kHz (RFC 3551, 5)
NTP_ERA_S = 1 << 32
UNIX_EPOCH_S = 2_208_988_800  # 1970-01-01 in seconds of NTP, which begins with 1900


class CaptureClock:
    """Turns RTP timestamps of one video sender into its wall clock, by its newest report."""

    def __init__(self) -> None:
        self._newest: tuple[float, int] | None = None  # Unix milliseconds, RTP timestamp

    def report(self, ntp: int, rtp: int) -> None:
        """Take a sender report.

        Args:
            ntp: 64-bit NTP time, 32.32 fixed point; 0 is from a sender that has no wall clock (yet) and is left out.
            rtp: 32-bit RTP timestamp of the same instant.
        """
        if ntp:
            self._newest = unix_ms(ntp), rtp

    def captured_ms(self, rtp: int) -> float | None:
        """The sender's Unix time in milliseconds when it captured the frame of this RTP timestamp.

        None before the first report. Frames may be up to 6 h older or newer than the newest report.
        """
        if self._newest is None:
            return None
        reported_ms, reported_rtp = self._newest
        return reported_ms + ticks_between(reported_rtp, rtp) / RTP_TICKS_PER_MS


def ticks_between(earlier: int, later: int) -> int:
    """From one 32-bit RTP timestamp to another, which start again at 0; negative where `later` is the earlier one."""
    return (later - earlier + (1 << 31)) % (1 << 32) - (1 << 31)


def unix_ms(ntp: int) -> float:
    """Unix milliseconds of a 64-bit NTP time between 1968 and 2104 (RFC 4330, 3: a clear first bit is the next era)."""
    seconds, fraction = ntp >> 32, ntp & 0xFFFFFFFF
    if seconds < NTP_ERA_S // 2:
        seconds += NTP_ERA_S
    return (seconds - UNIX_EPOCH_S) * 1e3 + fraction * 1e3 / NTP_ERA_S
