"""Our adaptations of aiortc: guarded by upstream's source, checked against upstream's behaviour."""

import asyncio
import random
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
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import rtc

KEY = bytes([0x10, 0, 0, 0x9D, 0x01, 0x2A]) + b"key"  # VP8: bit 0 clear, then the start code
DELTA = b"\x11delta"
START = b"\x00\x00\x00\x01"  # H.264, Annex B


def packets(sizes: list[int], first: int = 65530, keyframes: bool = True) -> list[RtpPacket]:
    """The packets of frames of the given packet counts, numbered on from `first` across the 16-bit wrap."""
    made = []
    sequence = first
    for frame, size in enumerate(sizes):
        for part in range(size):
            packet = RtpPacket(sequence_number=sequence & 0xFFFF, timestamp=3000 * frame, marker=int(part == size - 1))
            head = KEY if keyframes else DELTA
            packet._data = (head if part == 0 else b"") + bytes([frame, part & 0xFF])  # type: ignore[attr-defined]
            made.append(packet)
            sequence += 1
    return made


class Clock:
    """Time as the test tells it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Collector:
    """An early buffer and every frame that leaves it, in order."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.frames: list[JitterFrame] = []
        self.plis = 0
        self.waiting = 0  # frames before the decoder
        self.buffer = rtc.EarlyJitterBuffer(
            512, lambda _packet, frame: self.frames.append(frame), self.clock, lambda: self.waiting
        )

    def add(self, packet: RtpPacket) -> None:
        pli, frame = self.buffer.add(packet)
        self.plis += pli
        if frame is not None:
            self.frames.append(frame)


def test_upstream_is_what_the_adaptation_was_written_for() -> None:
    assert rtc.source_hash(JitterBuffer) == rtc.JITTER_BUFFER_SOURCE
    assert rtc.source_hash(RTCRtpReceiver._handle_rtp_packet) == rtc.HANDLE_RTP_SOURCE


@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=20))
@settings(deadline=None, max_examples=50)
def test_the_frames_are_upstreams_own_but_one_interval_earlier(sizes: list[int]) -> None:
    stock = JitterBuffer(capacity=512, is_video=True)
    early = Collector()
    expected = []
    for index, packet in enumerate(packets(sizes)):
        _, frame = stock.add(packet)
        if frame is not None:
            expected.append((frame.timestamp, frame.data))
        early.add(packet)
        complete = sum(1 for end in _ends(sizes) if end <= index)
        assert len(early.frames) == complete  # each frame leaves on its own last packet
    assert [(f.timestamp, f.data) for f in early.frames][:-1] == expected


def _ends(sizes: list[int]) -> list[int]:
    return [sum(sizes[: i + 1]) - 1 for i in range(len(sizes))]


@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=15), seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=50)
def test_reordered_packets_give_the_same_frames_in_order(sizes: list[int], seed: int) -> None:
    ordered = packets(sizes)
    draw = random.Random(seed)
    shuffled = ordered[:1] + sorted(ordered[1:], key=lambda packet: ordered.index(packet) + draw.uniform(0, 4))
    early = Collector()
    for packet in shuffled:
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [3000 * i for i in range(len(sizes))]


def test_a_frame_without_a_marker_leaves_when_the_timestamp_changes() -> None:
    early = Collector()
    for packet in packets([2, 2]):
        packet.marker = 0
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [0]


def test_a_filled_gap_releases_every_frame_behind_it_at_once() -> None:
    early = Collector()
    first, lost, *rest = packets([2, 1, 1, 1])
    for packet in [first, *rest]:
        early.add(packet)
    assert early.frames == []
    early.add(lost)
    assert [f.timestamp for f in early.frames] == [0, 3000, 6000, 9000]


def test_a_hole_that_stays_is_skipped_to_the_next_keyframe_and_one_is_asked_for() -> None:
    early = Collector()
    head, _lost, *rest = packets([2, 2, 2], keyframes=False)
    early.add(head)
    early.add(rest[0])
    early.clock.now = rtc.HOLE_DEADLINE_S + 0.01
    for packet in rest[1:]:
        early.add(packet)
    assert early.frames == []  # deltas cannot be decoded after a loss
    assert early.plis >= 1
    start = rest[-1].sequence_number + 1
    for packet in packets([2], first=start):
        packet.timestamp = 12_000
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [12_000]


@given(
    sizes=st.lists(st.integers(1, 8), min_size=30, max_size=60),
    loss=st.floats(0.01, 0.3),
    repair_s=st.floats(0.02, 0.14),
    seed=st.integers(0, 10_000),
)
@settings(deadline=None, max_examples=30)
def test_loss_that_is_repaired_in_time_costs_no_frame(
    sizes: list[int], loss: float, repair_s: float, seed: int
) -> None:
    """Under lasting loss some hole is open at every moment; each is judged by its own age."""
    draw = random.Random(seed)
    sent = packets(sizes, keyframes=False)
    arrivals = []
    for index, packet in enumerate(sent):
        late = repair_s if index and draw.random() < loss else 0.0
        arrivals.append((packet.timestamp / 90_000 + 0.0005 * index + late, index))
    early = Collector()
    for when, index in sorted(arrivals):
        early.clock.now = when
        early.add(sent[index])
    assert [f.timestamp for f in early.frames] == [3000 * i for i in range(len(sizes))]
    assert early.plis == 0


def test_a_repeated_packet_does_not_make_a_hole_younger() -> None:
    early = Collector()
    head, _lost, *rest = packets([2, 1, 1])
    for packet in [head, rest[0]]:
        early.add(packet)
    early.clock.now = rtc.HOLE_DEADLINE_S - 0.01
    early.add(rest[0])
    assert early.plis == 0
    early.clock.now = rtc.HOLE_DEADLINE_S + 0.01
    early.add(rest[1])
    assert [f.timestamp for f in early.frames] == [6000]  # the frame behind the hole may have begun in it


def test_a_restart_of_the_numbers_far_back_starts_the_hole_deadline_anew() -> None:
    early = Collector()
    for packet in packets([1] * 10, first=30_000):
        early.add(packet)
    _, *restarted = packets([1] * 20, first=999)
    lost = restarted.pop(10)
    for index, packet in enumerate(restarted):
        early.clock.now = 0.033 * index
        early.add(packet)
    came = [f.timestamp for f in early.frames[10:]]
    # One frame is lost, and the one behind the hole, which may have begun in it; the others catch up in order.
    assert came == [p.timestamp for p in restarted if p.timestamp != lost.timestamp + 3000]


@pytest.mark.parametrize("first", [32_768, 65_000, 40_000])
def test_a_jump_of_the_numbers_waits_for_a_keyframe(first: int) -> None:
    early = Collector()
    for packet in packets([1, 2], first=0)[:-1]:
        early.add(packet)
    jumped = [*packets([2, 1], first=first, keyframes=False), *packets([2, 2], first=first + 3)]
    for packet in jumped:
        packet.timestamp += 90_000
        early.add(packet)
    assert early.plis == 1
    assert all(rtc.is_keyframe(f.data) for f in early.frames)
    assert [f.timestamp for f in early.frames] == [0, 90_000, 93_000]


def test_two_holes_that_are_both_overdue_are_skipped_at_once() -> None:
    early = Collector()
    _, first, _, third, _, fifth, sixth = packets([1] * 7)
    for packet in [first, third, fifth]:
        early.add(packet)
    early.clock.now = rtc.HOLE_DEADLINE_S + 0.01
    early.add(sixth)
    assert [f.timestamp for f in early.frames] == [3000, 18_000]


def test_a_frame_larger_than_the_buffer_is_given_up() -> None:
    early = Collector()
    for packet in packets([1, 600, 2]):
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [0, 6000]
    assert early.plis >= 1


def test_packets_in_order_are_each_looked_at_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a keyframe of many packets, and after the numbers have started again."""
    early = Collector()
    looks = 0
    at = early.buffer._at

    def counted(offset: int) -> RtpPacket | None:
        nonlocal looks
        looks += 1
        return at(offset)

    monkeypatch.setattr(early.buffer, "_at", counted)
    sent = [*packets([300, 2, 2], first=30_000), *packets([300, 2, 2], first=1000)]
    for packet in sent:
        early.add(packet)
    assert len(early.frames) == 6
    assert looks <= 3 * len(sent)


def test_padding_neither_becomes_a_frame_nor_holds_one_back() -> None:
    early = Collector()
    first, padding, second, third = packets([1, 1, 1, 1])
    padding.marker, padding.timestamp = 0, first.timestamp  # as browsers send it: after a frame, with its time
    padding._data = b""  # type: ignore[attr-defined]
    for packet in [first, padding, second, third]:
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [0, 6000, 9000]
    assert all(f.data for f in early.frames)


def test_a_torn_h264_picture_is_dropped_whole_though_its_later_slices_look_like_a_keyframe() -> None:
    early = Collector()
    head, _parameters, slice_1, slice_2, *whole = packets([1, 3, 2])
    head._data = START + b"\x67p" + START + b"\x65a"  # type: ignore[attr-defined]
    for packet in [slice_1, slice_2, *whole]:
        packet._data = START + b"\x65slice"  # type: ignore[attr-defined]
    early.add(head)
    early.add(slice_1)
    early.clock.now = rtc.HOLE_DEADLINE_S + 0.01
    early.add(slice_1)  # whatever comes next makes the hole overdue
    for packet in [slice_2, *whole]:
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [0, 6000]


def test_a_decoder_that_is_behind_gets_nothing_until_it_has_caught_up_and_then_a_keyframe() -> None:
    early = Collector()
    frames = packets([1] * 6)
    frames[4]._data = DELTA  # type: ignore[attr-defined]
    early.add(frames[0])
    early.waiting = rtc.MAX_WAITING_FRAMES + 1
    early.add(frames[1])
    early.waiting = 1
    early.clock.now = 1.0
    early.add(frames[2])
    assert early.plis == 0  # the keyframe would be given up too
    early.waiting = 0
    early.add(frames[4])  # and a loss meanwhile changes nothing
    early.add(frames[3])
    assert early.plis == 1
    early.add(frames[5])
    assert [f.timestamp for f in early.frames] == [0, 9000, 12_000, 15_000]


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
    assert rtc.release_early(early)
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


async def test_the_queue_before_a_slow_decoder_stays_short() -> None:
    early = receiver()
    assert rtc.release_early(early)
    inner: Any = early
    inner._RTCRtpReceiver__codecs = {96: VIDEO}
    inner._RTCRtpReceiver__decoder_thread = object()  # one that never takes a frame
    for number in range(100):
        packet = RtpPacket(payload_type=96, marker=1, sequence_number=number, ssrc=1, payload=b"\x10" + KEY)
        packet.timestamp = 3000 * number
        await early._handle_rtp_packet(packet, 0)
    assert inner._RTCRtpReceiver__decoder_queue.qsize() == rtc.MAX_WAITING_FRAMES + 1


async def test_an_unknown_upstream_keeps_its_own_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(JitterBuffer):
        """What a later aiortc might use."""

    inner: Any = receiver()
    stock = inner._RTCRtpReceiver__jitter_buffer
    with monkeypatch.context() as patch:
        patch.setattr(rtc, "HANDLE_RTP_SOURCE", "of another version")
        assert not rtc.release_early(inner)
    assert inner._RTCRtpReceiver__jitter_buffer is stock
    inner._RTCRtpReceiver__jitter_buffer = other = Other(capacity=512)
    assert not rtc.release_early(inner)
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
    assert rtc.is_keyframe(data) is expected


def test_the_advertised_address_replaces_host_candidates_only() -> None:
    host = "a=candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host"
    relay = "a=candidate:2 1 udp 1 203.0.113.9 3478 typ relay raddr 192.168.1.7 rport 50000"
    sdp = "\r\n".join(["v=0", host, relay, ""])
    assert rtc.advertised(sdp, "198.51.100.4") == "\r\n".join(
        ["v=0", host.replace("192.168.1.7", "198.51.100.4"), relay, ""]
    )


def test_the_answer_asks_for_a_useful_picture_of_every_video_codec_and_of_nothing_else() -> None:
    hints = f"x-google-start-bitrate={rtc.CAMERA_START_KBPS};x-google-min-bitrate={rtc.CAMERA_MIN_KBPS}"
    sdp = [
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtpmap:98 H264/90000",
        "a=fmtp:98 packetization-mode=1",
        "",
    ]
    asked = [*sdp[:3], f"a=fmtp:96 {hints}", *sdp[3:6], f"{sdp[6]};{hints}", ""]
    assert rtc.asking_for_quality("\r\n".join(sdp)).split("\r\n") == asked


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
        await rtc.close_within(peer, 0.05)
    assert states == ["closed"]
    await rtc.close_within(peer)
    assert states == ["closed"]
