"""Which frame of the sender's a decoded frame is, and when it was captured: against what a real sender sent."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import pytest
from aiortc import RTCRtpReceiver
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack, TimestampMapper
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import rtc
from tests.pairs import GREYS, Greys, grey_level, pair

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


def frame_at(pts: int | None, time_base: Fraction = Fraction(1, 90_000)) -> av.VideoFrame:
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.pts, frame.time_base = pts, time_base
    return frame


def report(ssrc: int) -> RtcpSrPacket:
    return RtcpSrPacket(
        ssrc=ssrc,
        sender_info=RtcpSenderInfo(ntp_timestamp=(7 << 32) + ssrc, rtp_timestamp=ssrc, packet_count=1, octet_count=1),
    )


def test_upstream_is_what_the_adaptations_were_written_for() -> None:
    assert rtc.source_hash(TimestampMapper) == rtc.TIMESTAMP_MAPPER_SOURCE
    assert rtc.source_hash(RTCRtpReceiver._handle_rtcp_packet) == rtc.HANDLE_RTCP_SOURCE


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_a_frame_has_the_timestamp_of_its_packets_and_each_report_is_told(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int | None] = []
    told: list[tuple[int, int]] = []
    async with pair(
        Greys(),
        monkeypatch,
        codec,
        on_frame=lambda receiver, frame: seen.append(rtc.rtp_timestamp(receiver, frame)),
        on_receiver=lambda receiver: rtc.on_sender_report(receiver, lambda ntp, rtp: told.append((ntp, rtp))),
    ) as peers:
        await peers.until(lambda: len(peers.frames) >= 2 * GREYS and told and told[-1][0])
        sent = list(dict.fromkeys(packet.timestamp for packet in peers.packets))  # of frame 0, 1, 2, ...
        levels = [sent.index(stamp) % GREYS for stamp in seen if stamp is not None]
        assert levels == [grey_level(frame) for frame in peers.frames]
        reports = [packet.sender_info for packet in peers.reports if isinstance(packet, RtcpSrPacket)]
        assert told == [(info.ntp_timestamp, info.rtp_timestamp) for info in reports][: len(told)]
        assert told[-1][1] in sent


@given(first=st.integers(0, (1 << 32) - 1), steps=st.lists(st.integers(1, 1 << 31), max_size=8))
@settings(deadline=None, max_examples=50)
def test_timestamps_that_wrap_come_back_as_they_were(first: int, steps: list[int]) -> None:
    mapper = TimestampMapper()
    fake: Any = SimpleNamespace(_RTCRtpReceiver__timestamp_mapper=mapper)
    sent = [first]
    for step in steps:
        sent.append((sent[-1] + step) % (1 << 32))
    frames = [frame_at(mapper.map(timestamp)) for timestamp in sent]
    assert [rtc.rtp_timestamp(fake, frame) for frame in frames] == sent


async def test_a_time_that_is_not_known_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    inner: Any = receiver()
    assert rtc.rtp_timestamp(inner, frame_at(0)) is None  # no packet has come
    inner._RTCRtpReceiver__timestamp_mapper.map(500)
    assert rtc.rtp_timestamp(inner, frame_at(10)) == 510
    assert rtc.rtp_timestamp(inner, frame_at(None)) is None
    assert rtc.rtp_timestamp(inner, frame_at(10, Fraction(1, 30))) is None
    monkeypatch.setattr(rtc, "TIMESTAMP_MAPPER_SOURCE", "of another version")
    assert rtc.rtp_timestamp(inner, frame_at(10)) is None


async def test_reports_about_retransmissions_are_left_out_and_upstream_has_its_own() -> None:
    made, told = receiver(), list[tuple[int, int]]()
    encoding = RTCRtpDecodingParameters(ssrc=1, payloadType=96, rtx=RTCRtpRtxParameters(ssrc=2))
    await made.receive(RTCRtpReceiveParameters(codecs=[VP8], encodings=[encoding]))
    assert rtc.on_sender_report(made, lambda ntp, rtp: told.append((ntp, rtp)))
    for ssrc in (1, 2):
        await made._handle_rtcp_packet(report(ssrc))
    stats = await made.getStats()
    await made.stop()
    assert told == [((7 << 32) + 1, 1)]
    assert "remote-outbound-rtp" in {entry.type for entry in stats.values()}


async def test_an_unknown_upstream_is_left_alone_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rtc._warn_once.cache_clear()
    made, told = receiver(), list[int]()
    monkeypatch.setattr(rtc, "HANDLE_RTCP_SOURCE", "of another version")
    for _ in range(2):
        assert not rtc.on_sender_report(made, lambda ntp, _: told.append(ntp))
    await made._handle_rtcp_packet(report(1))
    assert told == []
    assert len(caplog.records) == 1
