"""`LiveVideoFile`: frames with their true times into an MP4 file that is playable at any moment, even after `kill -9`.

The file is fragmented: about every second a keyframe closes a fragment, which goes to the operating system at once.
Whatever happens later, a player reads every fragment that was written. H.264, yuv420p, one size from start to end.
"""

import errno
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from seekcam.localization.errors import UserError
from seekcam.streamer.media.frames import from_planes, letterboxed, planes, to_i420

TIME_BASE = Fraction(1, 90_000)  # seconds; RTP's clock for video
FRAGMENT_S = 1.0  # what a crash may cost

_MUXER = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
# zerolatency: one packet out for each frame in, so that a crash loses no frames inside the encoder.
# Keyframes are ours alone, by time: a fragment then is a second long whatever the frame rate.
_ENCODER = {
    "preset": "veryfast",
    "tune": "zerolatency",
    "crf": "23",
    "forced-idr": "1",
    "sc_threshold": "0",
    "threads": "2",
}
_NO_KEYFRAMES_BY_COUNT = 100_000


class LiveVideoFile:
    """An MP4 file that grows.

    Args:
        path: the file, made when the first frame comes.
        on_fragment: called after each fragment has been handed to the operating system.
    """

    def __init__(self, path: Path, on_fragment: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._on_fragment = on_fragment
        self._container: av.container.OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._ticks = -1  # of the last frame
        self._step = int(0.04 / TIME_BASE)  # between the last two frames
        self._fragment_start = 0
        self.width = 0
        self.height = 0
        self.frames = 0

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last one."""
        return float((self._ticks + self._step) * TIME_BASE) if self.frames else 0.0

    def write(self, frame: av.VideoFrame, seconds: float) -> bool:
        """Encode a frame to be shown `seconds` after the first; False, and nothing done, unless time has moved on.

        Frames of another size than the first are fitted into it with black bars. The frame itself is not changed.

        Raises:
            OSError, av.FFmpegError: the file cannot be written.
        """
        ticks = round(seconds / TIME_BASE)
        if ticks <= self._ticks:
            return False
        stream, container = self._opened(frame)
        own = letterboxed(frame, self.width, self.height)
        if own is frame:
            own = from_planes(planes(frame), like=frame)  # the encoder changes what it is given
        own.pts, own.time_base = ticks, TIME_BASE
        starts_fragment = not self.frames or ticks - self._fragment_start >= round(FRAGMENT_S / TIME_BASE)
        own.pict_type = PictureType.I if starts_fragment else PictureType.NONE
        if self.frames:
            self._step = ticks - self._ticks
        for packet in stream.encode(own):
            packet.duration = self._step
            container.mux(packet)
        if starts_fragment:
            self._fragment_start = ticks
            if self.frames:
                self._on_fragment()
        self._ticks = ticks
        self.frames += 1
        return True

    def close(self) -> None:
        """Write what is left. Safe to call twice.

        Raises:
            OSError, av.FFmpegError: the file cannot be written; what was written before stays playable.
        """
        container, stream = self._container, self._stream
        self._container = self._stream = None
        if container is None or stream is None:
            return
        try:
            for packet in stream.encode(None):
                packet.duration = self._step
                container.mux(packet)
        finally:
            container.close()
        self._on_fragment()

    def _opened(self, frame: av.VideoFrame) -> tuple[VideoStream, av.container.OutputContainer]:
        if self._container is None or self._stream is None:
            first = to_i420(frame)
            self.width, self.height = first.width // 2 * 2, first.height // 2 * 2
            self._container = av.open(str(self._path), "w", format="mp4", options=_MUXER)
            self._stream = _add_stream(self._container, self.width, self.height)
        return self._stream, self._container


def _add_stream(container: av.container.OutputContainer, width: int, height: int) -> VideoStream:
    stream = container.add_stream("libx264", rate=30, options=_ENCODER)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = TIME_BASE
    stream.gop_size = _NO_KEYFRAMES_BY_COUNT
    stream.color_range, stream.colorspace = ColorRange.MPEG, Colorspace.SMPTE170M
    return stream


def write_error(path: Path, error: OSError | av.FFmpegError) -> UserError:
    """What to tell the person when `path` could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"The disk is full, so {path} could not be finished: free some space and try again.")
    return UserError(f"{path} cannot be written ({error.strerror or error}): choose another place.")
