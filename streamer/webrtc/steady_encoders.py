"""Encoders for aiortc's senders at a steady bit rate, and which codec is sent with."""

import time
from collections.abc import Callable
from typing import Any

import av
from aiortc import RTCRtpSender, RTCRtpTransceiver
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from av.frame import Frame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from seekcam.streamer.webrtc.bitrate import SteadyBitrate
from seekcam.streamer.webrtc.encoders import open_encoder
from seekcam.streamer.webrtc.upstream import source_hash, warn_once

# SHA-256 of the upstream source that this was written for (aiortc 1.16).
SENDER_SOURCES = {
    Vp8Encoder: "6cf4262a7b1d212ac55f260c33e706d904e3252d29438f89b013c7fa7e613569",
    H264Encoder: "bfff7b511a13ec84f2b303d754b0863ef54a23cdf66c872aacc96d301a61b1df",
    RTCRtpSender._next_encoded_frame: "89dd9fa4fb33741cc60857f1cebae31c9a88b72da9a42f91abc6090f40cb8253",
    RTCRtpSender._handle_rtcp_packet: "a4ee4c7355f8de7a67ae75215d25d2d34931931a33b8ad2ce89ba2d9a24fc704",
}


class SteadyEncoder(Encoder):
    """Stands before an encoder of aiortc's among a class's bases, and opens its codec for it.

    The bit rate is `SteadyBitrate`'s, so that a codec lasts; timestamps pass through unrounded.
    """

    codec: VideoCodecContext | None
    codec_name: str  # FFmpeg's

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._bitrate = SteadyBitrate(clock)
        self._rate = 0  # of the newest frame
        self._opened = 0, 0, 0  # for which size and rate; libx264 rounds its own `bit_rate`

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """The payloads of a frame's packets, and its time in ticks of 1/90000 s."""
        assert isinstance(frame, av.VideoFrame)
        self._rate = self._bitrate.rate(frame.width, frame.height)
        wanted = frame.width, frame.height, self._rate
        begins = wanted != self._opened
        if begins:
            self.codec, self._opened = open_encoder(self.codec_name, *wanted), wanted
        frame.pict_type = PictureType.NONE  # what a decoder found to be a keyframe would become one again
        payloads, timestamp = super().encode(frame, force_keyframe)  # type: ignore[safe-super]  # the other base's
        if not begins and not force_keyframe:
            self._bitrate.sent(sum(map(len, payloads)))
        return payloads, timestamp

    @property
    def target_bitrate(self) -> int:
        """Bits a second; what is set is what the receiver says it can take."""
        return self._rate

    @target_bitrate.setter
    def target_bitrate(self, allowed: int) -> None:
        self._bitrate.allow(allowed)


class SteadyVp8Encoder(SteadyEncoder, Vp8Encoder):
    """VP8 at a steady rate."""

    codec_name = "libvpx"


class SteadyH264Encoder(SteadyEncoder, H264Encoder):
    """H.264 at a steady rate."""

    codec_name = "libx264"


def encode_steadily(transceiver: RTCRtpTransceiver) -> bool:
    """Give a video sender an encoder with bounds of its own; call it once the codec is negotiated, before any frame.

    Returns False, and leaves the sender alone, when upstream is not what this was written for.
    """
    codecs = getattr(transceiver, "_codecs", None)
    encoders = {"video/vp8": SteadyVp8Encoder, "video/h264": SteadyH264Encoder}
    encoder = encoders.get(codecs[0].mimeType.lower()) if codecs else None
    if encoder is None or any(source_hash(thing) != known for thing, known in SENDER_SOURCES.items()):
        warn_once("This aiortc sends video in another way than 1.16: what goes back has upstream's low quality.")
        return False
    inner: Any = transceiver.sender
    inner._RTCRtpSender__encoder = encoder()
    return True


def prefer_codec(transceiver: RTCRtpTransceiver, codec: str) -> None:
    """Answer with this codec ("vp8", "h264") in front if it was offered; it is the one that is sent with.

    Upstream heeds `setCodecPreferences` only when it makes an offer, or before the offer that it answers has come.
    """
    inner: Any = transceiver
    if not hasattr(inner, "_codecs"):
        warn_once("This aiortc keeps the negotiated codecs elsewhere than 1.16: the setting codec has no effect.")
        return
    inner._codecs = sorted(inner._codecs, key=lambda known: known.mimeType.lower() != f"video/{codec}")
