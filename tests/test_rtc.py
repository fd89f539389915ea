"""Our adaptations of aiortc: guarded by upstream's source, checked against upstream's behaviour."""

import asyncio
import random

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import rtc

KEY = bytes([0x10, 0, 0, 0x9D, 0x01, 0x2A]) + b"key"  # VP8: bit 0 clear, then the start code
DELTA = b"\x11delta"


def packets(sizes: list[int], first: int = 65530, keyframes: bool = True) -> list[RtpPacket]:
    """The packets of frames of the given packet counts, numbered on from `first` across the 16-bit wrap."""
    made = []
    sequence = first
    for frame, size in enumerate(sizes):
        for part in range(size):
            packet = RtpPacket(sequence_number=sequence & 0xFFFF, timestamp=3000 * frame, marker=int(part == size - 1))
            head = KEY if keyframes else DELTA
            packet._data = (head if part == 0 else b"") + bytes([frame, part])  # type: ignore[attr-defined]
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
        self.buffer = rtc.EarlyJitterBuffer(512, lambda _packet, frame: self.frames.append(frame), self.clock)

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
