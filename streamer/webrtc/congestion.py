"""Data channels of aiortc's that lost messages hold up for less time."""

from typing import Any

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH

from seekcam.streamer.webrtc.upstream import source_hash, warn_once

# SHA-256 of the upstream source that this was written for (aiortc 1.16).
SCTP_SOURCES = {
    RTCSctpTransport._transmit: "aa8941d5f8f020e8b4e438e02084533dd78399da498638a013025252e5fe8115",
    RTCSctpTransport._update_rto: "a1e7afb18886a1017f94c777a46cecc5afdc16e31aaaa98690b6f8d795007c99",
    RTCSctpTransport._receive_sack_chunk: "4b35ccf1372cdec8705f378a04de43d9c4ad5675afae09781eddd69ecdb473b1",
    RTCSctpTransport._t3_expired: "0e759bf4b1b2d8c8afa3d656a8f34839c974d0104cb66f895a9a9d266f6499af",
}

MIN_WINDOW = 8 * USERDATA_MAX_LENGTH  # bytes of messages that may be under way, whatever was lost before
MIN_RTO_S = 0.4  # messages that nothing was heard of for so long count as lost
UNHEARD_RTO_S = 0.8  # the same after a timeout, until the round trip is measured again


def outlast_losses(sctp: RTCSctpTransport) -> bool:
    """Have lost messages hold up the ones behind them for less time.

    After a loss, upstream lets four full messages be under way, and one after a timeout; where nothing is heard of any
    of them, nothing more goes out for a second (RFC 9260). On a path that loses 10 % that happens every few seconds.
    Here eight may be under way, and the timeout is shorter. What is more still waits, so that a narrow path gets no
    more than it takes.

    Returns False, and leaves the transport alone, when upstream is not what this was written for.
    """
    if any(source_hash(thing) != known for thing, known in SCTP_SOURCES.items()):
        warn_once("This aiortc controls congestion in another way than 1.16: lost results hold up the next.")
        return False
    inner: Any = sctp
    upstream_transmit, upstream_update, upstream_expired = inner._transmit, inner._update_rto, inner._t3_expired

    async def transmit() -> None:
        inner._cwnd = max(inner._cwnd, MIN_WINDOW)
        await upstream_transmit()

    def update_rto(round_trip: float) -> None:
        upstream_update(round_trip)
        inner._rto = max(MIN_RTO_S, min(inner._srtt + 4 * inner._rttvar, inner._rto))

    def t3_expired() -> None:
        # Nothing is measured of messages that were given up, so a path that has become slower would never be noticed.
        inner._rto = max(UNHEARD_RTO_S, inner._rto)
        upstream_expired()

    inner._transmit, inner._update_rto, inner._t3_expired = transmit, update_rto, t3_expired
    return True
