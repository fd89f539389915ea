"""The early jitter buffer: upstream's own frames one interval earlier, and what loss and disorder do to it."""

import random

import pytest
from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.webrtc import encoders as encoding
from seekcam.streamer.webrtc import jitter_buffer, upstream
from tests.helpers.rtp_packets import DELTA, START, Collector, packets


def test_upstream_is_what_the_adaptation_was_written_for() -> None:
    assert upstream.source_hash(JitterBuffer) == jitter_buffer.JITTER_BUFFER_SOURCE
    assert upstream.source_hash(RTCRtpReceiver._handle_rtp_packet) == jitter_buffer.HANDLE_RTP_SOURCE


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
    early.clock.now = jitter_buffer.HOLE_DEADLINE_S + 0.01
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
    early.clock.now = jitter_buffer.HOLE_DEADLINE_S - 0.01
    early.add(rest[0])
    assert early.plis == 0
    early.clock.now = jitter_buffer.HOLE_DEADLINE_S + 0.01
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
    jumped = [*packets([2, 1], first=first, keyframes=False, begun=True), *packets([2, 2], first=first + 3)]
    for packet in jumped:
        packet.timestamp += 90_000
        early.add(packet)
    assert early.plis == 1
    assert all(encoding.is_keyframe(f.data) for f in early.frames)
    assert [f.timestamp for f in early.frames] == [0, 90_000, 93_000]


def test_the_picture_starts_with_a_keyframe_which_is_asked_for_when_something_else_comes_first() -> None:
    early, late = Collector(), Collector()
    early.add(packets([3])[0])
    assert early.plis == 0  # the rest of it is on its way
    for packet in packets([1, 1], keyframes=False, begun=True):
        late.add(packet)
    assert late.frames == []
    assert late.plis == 1


def test_after_a_change_of_codec_each_frame_is_decoded_as_what_it_is() -> None:
    early = Collector()
    sent = packets([1, 2, 1, 1])
    for packet, payload_type in zip(sent, (96, 96, 96, 102, 102), strict=True):
        packet.payload_type = payload_type
    first, early_part, late_part, *others = sent
    for packet in [first, early_part, *others, late_part]:  # of the old codec, and brings out frames of the new one
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [0, 3000, 6000, 9000]
    assert early.payload_types == [96, 96, 102, 102]


def test_a_frame_that_a_change_of_codec_broke_off_is_left_out() -> None:
    early = Collector()
    first, second, _never_sent, other = packets([3, 1])
    first.payload_type = second.payload_type = 96
    other.payload_type = 102
    other.sequence_number -= 1
    for packet in (first, second, other):
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [3000]
    assert early.payload_types == [102]
    assert early.plis == 0


def test_a_delta_after_a_frame_that_was_broken_off_waits_for_a_keyframe() -> None:
    early = Collector()
    first, _never_sent, *deltas = packets([2, 1, 1], keyframes=False)
    for packet in deltas:
        packet.payload_type = 102
        packet.sequence_number -= 1
    for packet in (first, *deltas):
        early.add(packet)
    assert early.frames == []
    assert early.plis == 1


def test_packets_of_two_codecs_make_no_frame() -> None:
    early = Collector()
    sent = packets([3])
    sent[1].payload_type = 102
    for packet in sent:
        early.add(packet)
    assert early.frames == []
    assert early.plis == 1


def test_a_repeated_packet_does_not_take_the_place_of_the_first() -> None:
    """A retransmission may name another codec than the packet that it repeats."""
    early = Collector()
    first, second, third = packets([3])
    again = RtpPacket(payload_type=102, sequence_number=third.sequence_number, timestamp=third.timestamp, marker=1)
    again._data = b"of another codec"  # type: ignore[attr-defined]
    for packet in (first, third, again, second):
        early.add(packet)
    whole = b"".join(packet._data for packet in (first, second, third))  # type: ignore[attr-defined]
    assert [f.data for f in early.frames] == [whole]


def test_after_a_hole_a_keyframe_is_asked_for_before_the_next_frame_is_whole() -> None:
    early = Collector()
    first, _lost, part, *_ = packets([1, 1, 3])
    early.add(first)
    early.add(part)
    early.clock.now = jitter_buffer.HOLE_DEADLINE_S + 0.01
    early.add(part)  # whatever comes next makes the hole overdue
    assert early.plis == 1


def test_a_decoder_that_has_caught_up_gets_a_keyframe_before_the_next_frame_is_whole() -> None:
    early = Collector()
    _first, part, other, *_ = packets([1, 3])
    early.waiting = jitter_buffer.MAX_WAITING_FRAMES + 1
    early.add(part)
    early.waiting = 0
    early.add(other)
    assert early.plis == 1


def test_two_holes_that_are_both_overdue_are_skipped_at_once() -> None:
    early = Collector()
    _, first, _, third, _, fifth, sixth = packets([1] * 7)
    for packet in [first, third, fifth]:
        early.add(packet)
    early.clock.now = jitter_buffer.HOLE_DEADLINE_S + 0.01
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
    early.clock.now = jitter_buffer.HOLE_DEADLINE_S + 0.01
    early.add(slice_1)  # whatever comes next makes the hole overdue
    for packet in [slice_2, *whole]:
        early.add(packet)
    assert [f.timestamp for f in early.frames] == [0, 6000]


def test_a_decoder_that_is_behind_gets_nothing_until_it_has_caught_up_and_then_a_keyframe() -> None:
    early = Collector()
    frames = packets([1] * 6)
    frames[4]._data = DELTA  # type: ignore[attr-defined]
    early.add(frames[0])
    early.waiting = jitter_buffer.MAX_WAITING_FRAMES + 1
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
