"""What a sender's RTCP reports say of its clock, which aiortc keeps to itself."""

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket

from seekcam.streamer.webrtc.upstream import source_hash, warn_once

# SHA-256 of the upstream source that this was written for (aiortc 1.16).
HANDLE_RTCP_SOURCE = "ec9f46214c3495b24a29f83538540c9e3ec788db183e3dad2078877549b4788c"


def on_sender_report(receiver: RTCRtpReceiver, callback: Callable[[int, int], None]) -> bool:
    """Have `callback(ntp, rtp)` called for each sender report about this receiver's track; it must not raise.

    `ntp` is the sender's wall clock (64 bits, RFC 3550) at the instant that its RTP timestamp `rtp` (32 bits) names.
    Returns False, and never calls, when upstream is not what this was written for.
    """
    if source_hash(RTCRtpReceiver._handle_rtcp_packet) != HANDLE_RTCP_SOURCE:
        warn_once("This aiortc handles sender reports in another way than 1.16: frames have no capture time.")
        return False
    inner: Any = receiver
    handle = inner._handle_rtcp_packet

    async def handle_and_tell(packet: AnyRtcpPacket) -> None:
        await handle(packet)
        # The retransmissions are a stream of their own, with another clock.
        if isinstance(packet, RtcpSrPacket) and packet.ssrc not in inner._RTCRtpReceiver__rtx_ssrc:
            callback(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)

    inner._handle_rtcp_packet = handle_and_tell
    return True
