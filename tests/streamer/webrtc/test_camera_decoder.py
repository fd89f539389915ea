"""The camera's own decoder: every frame once, in order, by its sender's timestamp, whatever comes between."""

import threading
import time
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from aiortc import RTCRtpCodecParameters
from aiortc.codecs import depayload, get_encoder
from aiortc.jitterbuffer import JitterFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.media.frames import planes, to_i420
from seekcam.streamer.webrtc.camera_decoder import CameraDecoder

CODECS = {
    name: RTCRtpCodecParameters(f"video/{name}", clockRate=90_000, payloadType=number)
    for name, number in (("VP8", 96), ("H264", 102))
}
FRAMES = 9


@cache
def encoded(name: str) -> tuple[bytes, ...]:
    """Frames as a jitter buffer puts them together; frame `i` is evenly grey at 20 + 25 * i."""
    encoder, made = get_encoder(CODECS[name]), []
    for number in range(FRAMES):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64), 20 + 25 * number, np.uint8), format="gray")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = 3000 * number, Fraction(1, 90_000)
        payloads, _ = encoder.encode(frame)
        made.append(b"".join(depayload(CODECS[name], payload) for payload in payloads))
    return tuple(made)


class Decoded:
    """A decoder and what came out of it."""

    def __init__(self) -> None:
        self.frames: list[av.VideoFrame] = []
        self.rtp: list[int] = []
        self.received: list[float] = []
        self.defects: list[Exception] = []
        self.decoder = CameraDecoder(self._take, self.defects.append)

    def _take(self, frame: av.VideoFrame, received: float, rtp: int) -> None:
        self.frames.append(frame)
        self.received.append(received)
        self.rtp.append(rtp)

    def put(self, name: str, data: bytes, timestamp: int = 0) -> None:
        self.decoder.put(CODECS[name], JitterFrame(data=data, timestamp=timestamp))

    def finish(self, frames: int) -> None:
        """Let so many be decoded, then close."""
        end = time.monotonic() + 10
        while len(self.rtp) < frames and time.monotonic() < end:
            time.sleep(0.002)
        self.decoder.close()
        assert self.defects == []

    def greys(self) -> list[float]:
        return [float(frame.to_ndarray(format="gray").mean()) for frame in self.frames]


@pytest.mark.parametrize("name", ["VP8", "H264"])
def test_every_frame_comes_out_in_order_when_it_is_ready(name: str) -> None:
    decoded, began = Decoded(), time.monotonic()
    for number, data in enumerate(encoded(name)):
        decoded.put(name, data, 7 + 3000 * number)
    decoded.finish(FRAMES)
    assert decoded.rtp == [7 + 3000 * number for number in range(FRAMES)]
    assert np.diff(decoded.greys()) == pytest.approx([25] * (FRAMES - 1), abs=6)
    assert sorted(decoded.received) == decoded.received
    assert began <= decoded.received[0] <= decoded.received[-1] <= time.monotonic()


def test_vp8_is_what_libvpx_draws_in_the_range_of_all_video_also_where_it_needs_no_clamping() -> None:
    keyframe, *deltas = encoded("VP8")
    unclamped = bytearray(keyframe)
    unclamped[10] |= 0x40  # the clamping type (RFC 6386, 9.2), which an arithmetic coder has put there
    decoded, libvpx = Decoded(), av.CodecContext.create("libvpx", "r")
    assert isinstance(libvpx, av.VideoCodecContext)
    expected = []
    for data in (bytes(unclamped), *deltas):
        decoded.put("VP8", data)
        expected += libvpx.decode(av.Packet(data))
    decoded.finish(FRAMES)
    for frame, theirs in zip(decoded.frames, expected, strict=True):
        for plane, other in zip(planes(frame), planes(theirs), strict=True):
            np.testing.assert_array_equal(plane, other)
        assert to_i420(frame) is frame, "its colours are those that all video has"


@given(
    first=st.integers(0, (1 << 32) - 1),
    steps=st.lists(st.integers(-90_000, (1 << 31) - 1), min_size=FRAMES - 1, max_size=FRAMES - 1),
)
@settings(deadline=None, max_examples=30)
def test_timestamps_that_wrap_or_jump_back_come_out_as_they_were_and_time_only_grows(
    first: int, steps: list[int]
) -> None:
    decoded, sent = Decoded(), [first]
    for step in steps:
        sent.append((sent[-1] + step) % (1 << 32))
    for data, timestamp in zip(encoded("VP8"), sent, strict=True):
        decoded.put("VP8", data, timestamp)
    decoded.finish(FRAMES)
    assert decoded.rtp == sent
    pts = [frame.pts for frame in decoded.frames if frame.pts is not None]
    assert np.diff([0, *pts]).tolist() == [0, *(max(1, step) for step in steps)]
    assert all(frame.time_base == Fraction(1, 90_000) for frame in decoded.frames)


def test_what_cannot_be_decoded_is_said_and_the_next_keyframe_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    decoded = Decoded()
    keyframe = encoded("VP8")[0]
    decoded.put("VP8", keyframe)
    decoded.put("VP8", keyframe[:6] + b"\x00\x00" * 20)  # a keyframe of no size
    decoded.put("VP8", keyframe, 3000)
    decoded.finish(2)
    assert decoded.rtp == [0, 3000]
    assert decoded.decoder.wants_keyframe.is_set()
    assert "could not be decoded" in caplog.text


def test_a_change_of_codec_is_followed() -> None:
    decoded = Decoded()
    for number, name in enumerate(["VP8", "H264", "VP8"]):
        decoded.put(name, encoded(name)[0], 3000 * number)
    decoded.finish(3)
    assert decoded.rtp == [0, 3000, 6000]


def test_closing_sees_one_frame_out_and_leaves_those_that_wait() -> None:
    begun, go_on = threading.Event(), threading.Event()
    came: list[int] = []

    def take(_frame: av.VideoFrame, _received: float, rtp: int) -> None:
        begun.set()
        assert go_on.wait(10)
        came.append(rtp)

    decoder = CameraDecoder(take, lambda _: None)
    for number, data in enumerate(encoded("VP8")):
        decoder.put(CODECS["VP8"], JitterFrame(data=data, timestamp=number))
    assert begun.wait(10)
    assert decoder.waiting() == FRAMES - 1
    threading.Timer(0.05, go_on.set).start()
    decoder.close()
    assert came == [0]
    waiting = decoder.waiting()
    decoder.put(CODECS["VP8"], JitterFrame(data=encoded("VP8")[0], timestamp=99))
    assert decoder.waiting() == waiting


def test_an_error_that_should_not_be_is_told_and_ends_it() -> None:
    told = threading.Event()
    errors: list[Exception] = []

    def tell(error: Exception) -> None:
        errors.append(error)
        told.set()

    decoder = CameraDecoder(lambda *_: [].pop(), tell)
    decoder.put(CODECS["VP8"], JitterFrame(data=encoded("VP8")[0], timestamp=0))
    assert told.wait(10)
    decoder.close()
    assert [type(error) for error in errors] == [IndexError]


def test_a_camera_that_sends_nothing_needs_no_thread() -> None:
    decoder = CameraDecoder(lambda *_: None, lambda _: None)
    assert decoder._thread is None
    decoder.close()


def test_a_thread_that_cannot_start_is_tried_again_and_the_decoder_can_be_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded = Decoded()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: [].pop())
        with pytest.raises(IndexError):
            decoded.put("VP8", encoded("VP8")[0])
        decoded.decoder.close()
    again = Decoded()
    again.put("VP8", encoded("VP8")[0])
    again.finish(1)
    assert again.rtp == [0]
