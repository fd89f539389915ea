"""The encoders of returned video: their rate, their keyframes, and that a real sender uses them."""

import re
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload
from aiortc.rtp import RtpPacket
from av.video.frame import PictureType

from seekcam.streamer.webrtc import encoders as encoding
from seekcam.streamer.webrtc import steady_encoders, upstream
from seekcam.streamer.webrtc.bitrate import HD, INTERVAL_S, SMALL, VGA
from tests.helpers.pairs import Greys, pair
from tests.helpers.rtp_packets import Clock

ENCODERS = {"vp8": steady_encoders.SteadyVp8Encoder, "h264": steady_encoders.SteadyH264Encoder}
DEPAYLOAD = {"vp8": vp8_depayload, "h264": h264_depayload}


class Coded:
    """An encoder under a clock of its own, and what it made of each picture."""

    def __init__(self, codec: str) -> None:
        self.clock = Clock()
        self.encoder = ENCODERS[codec](self.clock)
        self.sizes: list[int] = []
        self.keyframes: list[bool] = []
        self.stamps: list[int] = []
        self.data = b""  # of the newest frame
        self._depayload = DEPAYLOAD[codec]
        self._noise = np.random.default_rng(0)

    def add(
        self, width: int = 320, height: int = 240, force: bool = False, was: PictureType = PictureType.NONE
    ) -> None:
        """Encode one picture of noise, a thirtieth of a second after the last."""
        grey = self._noise.integers(0, 256, (height // 8, width // 8), np.uint8).repeat(8, 0).repeat(8, 1)
        frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = 3001 * len(self.sizes), Fraction(1, 90_000)
        frame.pict_type = was
        payloads, stamp = self.encoder.encode(frame, force)
        self.data = b"".join(self._depayload(payload) for payload in payloads)
        self.sizes.append(len(self.data))
        self.keyframes.append(encoding.is_keyframe(self.data))
        self.stamps.append(stamp)
        self.clock.now += 1 / 30


def keyframes_among(packets: list[RtpPacket], codec: str) -> int:
    """How many of the frames that these packets carry begin a picture anew."""
    frames: dict[int, bytes] = {}
    for packet in packets:
        frames[packet.timestamp] = frames.get(packet.timestamp, b"") + DEPAYLOAD[codec](packet.payload)
    return sum(encoding.is_keyframe(data) for data in frames.values())


@pytest.fixture(params=["vp8", "h264"])
def coded(request: pytest.FixtureRequest) -> Coded:
    return Coded(request.param)


def test_upstream_is_what_the_encoders_were_written_for() -> None:
    for thing, known in steady_encoders.SENDER_SOURCES.items():
        assert upstream.source_hash(thing) == known, thing


def test_the_rate_is_that_of_the_size_and_not_upstreams(coded: Coded) -> None:
    for _ in range(60):
        coded.add(640, 480)
    assert sum(coded.sizes) * 8 / 2 == pytest.approx(VGA.start, rel=0.35)  # of pictures that could take far more
    assert coded.keyframes == [True] + 59 * [False]
    assert coded.stamps == [3001 * i for i in range(60)]


def test_small_changes_of_what_the_receiver_allows_change_nothing(coded: Coded) -> None:
    for i in range(120):
        coded.add()
        coded.encoder.target_bitrate = (930_000, 1_000_000, 1_200_000)[i % 3]
    assert coded.keyframes == [True] + 119 * [False]
    assert coded.encoder.target_bitrate == SMALL.start


def test_a_large_change_begins_anew_at_that_rate(coded: Coded) -> None:
    for _ in range(60):
        coded.add()
    coded.clock.now += INTERVAL_S - 60 / 30 - 0.5
    coded.encoder.target_bitrate = 1_500_123  # a codec may round it
    for _ in range(60):
        coded.add()
    assert coded.keyframes.count(True) == 2
    assert coded.encoder.codec is not None
    assert coded.encoder.codec.bit_rate == pytest.approx(1_500_123, rel=0.001)


def test_congestion_does_not_wait(coded: Coded) -> None:
    for _ in range(40):
        coded.add()
    coded.encoder.target_bitrate = 300_000
    coded.add()
    assert coded.encoder.target_bitrate == 300_000
    assert coded.keyframes[-1]


def test_a_keyframe_that_is_asked_for_comes_and_the_codec_stays(coded: Coded) -> None:
    coded.add()
    codec = coded.encoder.codec
    coded.add(force=True)
    coded.add()
    assert coded.keyframes == [True, True, False]
    assert coded.encoder.codec is codec


def test_a_keyframe_of_the_camera_is_no_keyframe_of_ours(coded: Coded) -> None:
    coded.add()
    coded.add(was=PictureType.I)
    assert coded.keyframes == [True, False]


@pytest.mark.parametrize(("size", "level"), [((640, 480), 30), ((1280, 720), 31), ((1920, 1080), 40)])
def test_h264_says_the_level_that_its_size_needs(size: tuple[int, int], level: int) -> None:
    """H.264, table A-1, at 30 frames a second."""
    coded = Coded("h264")
    coded.add(*size)
    parameters = coded.data[coded.data.index(b"\x00\x00\x01\x67") + 4 :]
    assert parameters[0] == 66  # Baseline, as negotiated
    assert parameters[2] == level


def test_threads_follow_the_quota_and_not_the_machine(coded: Coded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "usable_cpus", lambda: 16)
    coded.add(1280, 720)
    assert coded.encoder.codec is not None
    assert coded.encoder.codec.thread_count == 2
    monkeypatch.setattr(encoding, "usable_cpus", lambda: 1)
    coded.add(1920, 1080)
    assert coded.encoder.codec.thread_count == 1


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_a_real_sender_uses_the_configured_codecs_and_answers_a_call_for_a_keyframe(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(Greys(1280, 720), monkeypatch, codec) as peers:
        sender: Any = peers.sender.getSenders()[0]
        encoder = sender._RTCRtpSender__encoder
        assert type(encoder) is ENCODERS[codec]
        answer = peers.sender.localDescription.sdp
        first = re.search(r"^m=video \d+ \S+ (\d+)", answer, re.MULTILINE)
        assert first is not None
        assert f"a=rtpmap:{first[1]} {codec.upper()}/90000" in answer
        await peers.until(lambda: len(peers.frames) >= 10)
        assert sender._RTCRtpSender__encoder is encoder
        assert encoder.codec.bit_rate == HD.start
        assert keyframes_among(peers.packets, codec) == 1
        await peers.receiver.getReceivers()[0]._send_rtcp_pli(sender._ssrc)
        await peers.until(lambda: keyframes_among(peers.packets, codec) == 2)


async def test_what_the_receiver_says_it_can_take_reaches_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair(Greys(), monkeypatch) as peers:
        sender: Any = peers.sender.getSenders()[0]
        said: list[int] = []
        monkeypatch.setattr(sender._RTCRtpSender__encoder._bitrate, "allow", said.append)
        await peers.until(lambda: said)
        assert said[0] > 0


async def test_an_unknown_upstream_keeps_its_own_encoder(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.warn_once.cache_clear()
    monkeypatch.setitem(steady_encoders.SENDER_SOURCES, Vp8Encoder, "of another version")
    async with pair(Greys(), monkeypatch) as peers:
        sender: Any = peers.sender.getSenders()[0]
        await peers.until(lambda: peers.frames)
        assert type(sender._RTCRtpSender__encoder) is Vp8Encoder
    assert [record.name for record in caplog.records if record.levelname == "WARNING"] == [
        "seekcam.streamer.webrtc.upstream"
    ]


def test_codecs_that_are_kept_elsewhere_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    upstream.warn_once.cache_clear()
    other: Any = SimpleNamespace()
    steady_encoders.prefer_codec(other, "h264")
    assert vars(other) == {}
    assert len(caplog.records) == 1
