"""How the returned video is encoded: FFmpeg's encoders opened for pictures that are due now, and what they write."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import av
from aiortc.codecs.vpx import number_of_threads
from av.video.codeccontext import VideoCodecContext

from seekcam.streamer.cpus import usable_cpus

CLOCK_RATE = 90_000  # of RTP video
VIDEO_TIME_BASE = Fraction(1, CLOCK_RATE)

# By FFmpeg's name. VP8 without aiortc's denoiser: what comes from an encoder has lost its noise there. H.264 by a far
# faster preset than aiortc's; libx264 takes the level that the size needs.
OPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "libvpx": {
            "deadline": "realtime",
            "cpu-used": "-6",
            "lag-in-frames": "0",
            "qmin": "2",
            "qmax": "56",
            "overshoot-pct": "15",
            "undershoot-pct": "100",
            "static-thresh": "1",
        },
        "libx264": {"preset": "superfast", "tune": "zerolatency", "profile": "baseline", "sc_threshold": "0"},
    }
)


def open_encoder(name: str, width: int, height: int, rate: int) -> VideoCodecContext:
    """FFmpeg's encoder `name` for pictures of this size at `rate` bits a second, with as many threads as we may use."""
    codec = av.CodecContext.create(name, "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.framerate, codec.time_base = Fraction(30), VIDEO_TIME_BASE
    codec.bit_rate = rate
    codec.gop_size = 3000  # a viewer that needs a keyframe asks for it
    codec.thread_count = number_of_threads(width * height, usable_cpus())
    # A constant bit rate over one second: a sudden scene does not overrun the path.
    bound = {name: str(rate) for name in ("minrate", "maxrate", "bufsize")}
    codec.options = {**bound, **OPTIONS[name]}
    return codec


def is_keyframe(data: bytes) -> bool:
    """Whether a depayloaded VP8 frame (RFC 6386, 9.1) or H.264 access unit in Annex B form starts a picture anew."""
    if data.startswith((b"\x00\x00\x00\x01", b"\x00\x00\x01")):
        units = data.split(b"\x00\x00\x01")[1:]
        return any(unit and unit[0] & 0x1F in (5, 7) for unit in units)  # 5 an IDR slice, 7 its parameter set
    return len(data) >= 6 and not data[0] & 1 and data[3:6] == b"\x9d\x01\x2a"
