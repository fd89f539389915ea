"""Our adaptations of aiortc: guarded by upstream's source, checked against upstream's behaviour."""

import asyncio
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtpPacket, wrap_rtx

from seekcam.streamer.webrtc import encoders as encoding
from seekcam.streamer.webrtc import jitter_buffer
from seekcam.streamer.webrtc.camera_decoder import CameraDecoder
from seekcam.streamer.webrtc.closing import close_within
from tests.helpers.rtp_packets import DELTA, KEY

VIDEO = RTCRtpCodecParameters("video/VP8", clockRate=90_000, payloadType=96)
REPAIR = RTCRtpCodecParameters("video/rtx", clockRate=90_000, payloadType=97, parameters={"apt": 96})


def receiver() -> RTCRtpReceiver:
    """A video receiver of VP8 with repair by RTX, connected to nothing."""
    transport: Any = SimpleNamespace(
        state="connected", _register_rtp_receiver=lambda *_: None, _unregister_rtp_receiver=lambda *_: None
    )
    made = RTCRtpReceiver("video", transport)
    made._track = RemoteStreamTrack("video")
    return made


def vp8_packets(count: int) -> list[RtpPacket]:
    """Real VP8: frame `i` is evenly grey at 10 * i, under noise so that a frame takes several packets."""
    encoder, noise = Vp8Encoder(), np.random.default_rng(0)
    made: list[RtpPacket] = []
    for i in range(count):
        grey = (10 * i + noise.integers(0, 60, (240, 320, 3))).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.pts, frame.time_base = 3000 * i, Fraction(1, 90_000)
        payloads, _ = encoder.encode(frame)
        for part, payload in enumerate(payloads):
            last = int(part == len(payloads) - 1)
            number = (65_530 + len(made)) & 0xFFFF
            made.append(
                RtpPacket(
                    payload_type=96,
                    marker=last,
                    sequence_number=number,
                    timestamp=70_000 + 3000 * i,
                    ssrc=1,
                    payload=payload,
                )
            )
    return made


async def test_a_packet_repaired_by_rtx_brings_every_frame_behind_it_to_the_decoder() -> None:
    """The frames that come out together go in order and as VP8, though an RTX packet brought them out."""
    early = receiver()
    assert jitter_buffer.release_early(early)
    encoding = RTCRtpDecodingParameters(ssrc=1, payloadType=96, rtx=RTCRtpRtxParameters(ssrc=2))
    await early.receive(RTCRtpReceiveParameters(codecs=[VIDEO, REPAIR], encodings=[encoding]))
    sent = vp8_packets(6)
    lost = next(p for p in sent if p.timestamp == 73_000 and p.marker)
    for packet in [p for p in sent if p is not lost]:
        await early._handle_rtp_packet(packet, 0)
    repair = wrap_rtx(lost, payload_type=97, sequence_number=7, ssrc=2)
    await early._handle_rtp_packet(repair, 0)
    decoded = [await asyncio.wait_for(early.track.recv(), 10) for _ in range(6)]
    await early.stop()
    assert [frame.pts for frame in decoded] == [3000 * i for i in range(6)]
    greys = [float(frame.to_ndarray(format="gray").mean()) for frame in decoded if isinstance(frame, av.VideoFrame)]
    assert np.diff(greys) == pytest.approx([10] * 5, abs=3)


class Slow(CameraDecoder):
    """A decoder that never takes a frame."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None, lambda _: None)
        self.frames: list[JitterFrame] = []

    def put(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> None:
        assert codec is VIDEO
        self.frames.append(frame)

    def waiting(self) -> int:
        return len(self.frames)


def keyframe(number: int) -> RtpPacket:
    return RtpPacket(
        payload_type=96, marker=1, sequence_number=number, timestamp=3000 * number, ssrc=1, payload=b"\x10" + KEY
    )


@pytest.mark.parametrize("own", [False, True])
async def test_the_queue_before_a_slow_decoder_stays_short(own: bool) -> None:
    early, slow = receiver(), Slow()
    assert jitter_buffer.release_early(early, slow if own else None)
    inner: Any = early
    inner._RTCRtpReceiver__codecs = {96: VIDEO}
    inner._RTCRtpReceiver__decoder_thread = object()  # one that never takes a frame
    for number in range(100):
        await early._handle_rtp_packet(keyframe(number), 0)
    upstream = inner._RTCRtpReceiver__decoder_queue.qsize()
    assert (slow.waiting(), upstream) == (
        (jitter_buffer.MAX_WAITING_FRAMES + 1, 0) if own else (0, jitter_buffer.MAX_WAITING_FRAMES + 1)
    )


async def test_nothing_waits_for_a_decoder_that_has_ended() -> None:
    early = receiver()
    assert jitter_buffer.release_early(early)
    inner: Any = early
    inner._RTCRtpReceiver__codecs = {96: VIDEO}
    await early._handle_rtp_packet(keyframe(0), 0)  # its thread has not begun, as after a goodbye
    assert inner._RTCRtpReceiver__decoder_queue.qsize() == 0


async def test_a_decoder_of_ones_own_that_failed_gets_a_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    early, slow, asked = receiver(), Slow(), list[int]()
    assert jitter_buffer.release_early(early, slow)
    inner: Any = early
    inner._RTCRtpReceiver__codecs = {96: VIDEO}

    async def ask(ssrc: int) -> None:
        asked.append(ssrc)

    monkeypatch.setattr(inner, "_send_rtcp_pli", ask)
    await early._handle_rtp_packet(keyframe(0), 0)
    assert asked == []
    slow.wants_keyframe.set()
    for number in (1, 2):
        await early._handle_rtp_packet(keyframe(number), 0)
    assert asked == [1]
    assert [frame.timestamp for frame in slow.frames] == [0, 3000, 6000]


async def test_an_unknown_upstream_keeps_its_own_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(JitterBuffer):
        """What a later aiortc might use."""

    inner: Any = receiver()
    stock = inner._RTCRtpReceiver__jitter_buffer
    with monkeypatch.context() as patch:
        patch.setattr(jitter_buffer, "HANDLE_RTP_SOURCE", "of another version")
        assert not jitter_buffer.release_early(inner)
    assert inner._RTCRtpReceiver__jitter_buffer is stock
    inner._RTCRtpReceiver__jitter_buffer = other = Other(capacity=512)
    assert not jitter_buffer.release_early(inner)
    assert inner._RTCRtpReceiver__jitter_buffer is other


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (KEY, True),
        (DELTA, False),
        (b"", False),
        (b"\x00\x00\x00\x01\x67abc\x00\x00\x00\x01\x65abc", True),
        (b"\x00\x00\x01\x41abc", False),
    ],
)
def test_keyframes_are_told_from_deltas(data: bytes, expected: bool) -> None:
    assert encoding.is_keyframe(data) is expected


@pytest.mark.parametrize("fault", ["raises", "hangs"])
async def test_a_connection_that_cannot_be_closed_still_tells_its_listeners(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places are counted by that event; aiortc's own `close` fails so after an offer with a foreign bundle."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    states: list[str] = []
    peer.on("connectionstatechange", lambda: states.append(peer.connectionState))

    async def close() -> None:
        if fault == "raises":
            raise AttributeError("'NoneType' object has no attribute 'transport'")
        await asyncio.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(peer, "close", close)
        await close_within(peer, 0.05)
    assert states == ["closed"]
    await close_within(peer)
    assert states == ["closed"]
