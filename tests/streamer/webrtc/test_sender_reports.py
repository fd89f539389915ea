"""Which frame of the sender's a decoded frame is, and when it was captured: against what a real sender sent."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCRtpReceiver
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket

from seekcam.streamer.webrtc import jitter_buffer, sender_reports, upstream
from seekcam.streamer.webrtc.camera_decoder import CameraDecoder
from tests.helpers.pairs import GREYS, Greys, grey_level, pair

VP8 = RTCRtpCodecParameters("video/VP8", clockRate=90_000, payloadType=96)


def receiver() -> RTCRtpReceiver:
    """A video receiver that is connected to nothing."""
    transport: Any = SimpleNamespace(
        state="connected",
        _stats_id="transport",
        _get_stats=dict,
        _register_rtp_receiver=lambda *_: None,
        _unregister_rtp_receiver=lambda *_: None,
    )
    made = RTCRtpReceiver("video", transport)
    made._track = RemoteStreamTrack("video")
    return made


def report(ssrc: int) -> RtcpSrPacket:
    return RtcpSrPacket(
        ssrc=ssrc,
        sender_info=RtcpSenderInfo(ntp_timestamp=(7 << 32) + ssrc, rtp_timestamp=ssrc, packet_count=1, octet_count=1),
    )


def test_upstream_is_what_the_adaptation_was_written_for() -> None:
    assert upstream.source_hash(RTCRtpReceiver._handle_rtcp_packet) == sender_reports.HANDLE_RTCP_SOURCE


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_a_frame_has_the_timestamp_of_its_packets_and_each_report_is_told(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []  # timestamp and level
    told: list[tuple[int, int]] = []
    decoder = CameraDecoder(lambda frame, _, rtp: seen.append((rtp, grey_level(frame))), lambda _: None)

    def receive(receiver: RTCRtpReceiver) -> None:
        assert jitter_buffer.release_early(receiver, decoder)
        assert sender_reports.on_sender_report(receiver, lambda ntp, rtp: told.append((ntp, rtp)))

    try:
        async with pair(Greys(), monkeypatch, codec, receive) as peers:
            await peers.until(lambda: len(seen) >= 2 * GREYS and told and told[-1][0])
    finally:
        decoder.close()
    sent = list(dict.fromkeys(packet.timestamp for packet in peers.packets))  # of frame 0, 1, 2, ...
    assert [sent.index(rtp) % GREYS for rtp, _ in seen] == [level for _, level in seen]
    reports = [packet.sender_info for packet in peers.reports if isinstance(packet, RtcpSrPacket)]
    assert told == [(info.ntp_timestamp, info.rtp_timestamp) for info in reports][: len(told)]
    assert told[-1][1] in sent


async def test_reports_about_retransmissions_are_left_out_and_upstream_has_its_own() -> None:
    made, told = receiver(), list[tuple[int, int]]()
    encoding = RTCRtpDecodingParameters(ssrc=1, payloadType=96, rtx=RTCRtpRtxParameters(ssrc=2))
    await made.receive(RTCRtpReceiveParameters(codecs=[VP8], encodings=[encoding]))
    assert sender_reports.on_sender_report(made, lambda ntp, rtp: told.append((ntp, rtp)))
    for ssrc in (1, 2):
        await made._handle_rtcp_packet(report(ssrc))
    stats = await made.getStats()
    await made.stop()
    assert told == [((7 << 32) + 1, 1)]
    assert "remote-outbound-rtp" in {entry.type for entry in stats.values()}


async def test_an_unknown_upstream_is_left_alone_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.warn_once.cache_clear()
    made, told = receiver(), list[int]()
    monkeypatch.setattr(sender_reports, "HANDLE_RTCP_SOURCE", "of another version")
    for _ in range(2):
        assert not sender_reports.on_sender_report(made, lambda ntp, _: told.append(ntp))
    await made._handle_rtcp_packet(report(1))
    assert told == []
    assert len(caplog.records) == 1
