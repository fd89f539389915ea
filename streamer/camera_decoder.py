"""A camera that comes by RTP is decoded in a thread of its own, and each picture goes straight to its stream.

aiortc has a decoder thread too, but brings every picture to the event loop as a task that puts it into a queue that
another task waits at; without that an overlay session at 640x480 costs 3 % less, and a picture knows its RTP timestamp.
"""

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import av
from aiortc import RTCRtpCodecParameters
from aiortc.jitterbuffer import JitterFrame
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange

from streamer.encoding import VIDEO_TIME_BASE

logger = logging.getLogger(__name__)


class CameraDecoder:
    """Decodes one sender's video; `put`, `waiting` and `close` belong to the event loop.

    Args:
        on_frame: called in the decoder's thread with each picture, the time.monotonic() at which it was ready, and the
            RTP timestamp (32 bits) that its sender gave it. Its pts is in ticks of 1/90000 s.
    """

    def __init__(self, on_frame: Callable[[av.VideoFrame, float, int], None]) -> None:
        self.failed = threading.Event()  # something could not be decoded: the sender is to be asked for a keyframe
        self._on_frame = on_frame
        self._queue: SimpleQueue[tuple[RTCRtpCodecParameters, JitterFrame] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._newest: int | None = None  # pts

    def put(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> None:
        """Decode this one after those that wait."""
        if self._closed:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="camera-decoder", daemon=True)
            self._thread.start()
        self._queue.put((codec, frame))

    def waiting(self) -> int:
        """How many encoded frames wait to be decoded."""
        return self._queue.qsize()

    def close(self) -> None:
        """See out the frame that is being decoded; those that wait are left."""
        self._closed = True
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        name, decoder = "", None
        while (item := self._queue.get()) is not None and not self._closed:
            codec, frame = item
            if decoder is None or codec.name != name:
                name, decoder = codec.name, _open(codec.name)
            packet = av.Packet(frame.data)
            packet.pts, packet.time_base = self._unwrapped(frame.timestamp), VIDEO_TIME_BASE
            try:
                pictures = decoder.decode(packet)
            except av.FFmpegError as error:
                # The decoder stays: a new one could do nothing with what comes before the keyframe.
                logger.warning("A %s frame of a camera could not be decoded: %s", name, error)
                self.failed.set()
                continue
            now = time.monotonic()
            for picture in pictures:
                assert picture.pts is not None  # as its packet has one
                if name == "VP8":
                    picture.color_range = ColorRange.MPEG  # FFmpeg takes "needs no clamping" for full range
                self._on_frame(picture, now, picture.pts & 0xFFFFFFFF)

    def _unwrapped(self, timestamp: int) -> int:
        """The time as a number that does not start again at 2^32; a step back is one of less than half of that."""
        if self._newest is None:
            self._newest = timestamp
        self._newest += (timestamp - self._newest + (1 << 31)) % (1 << 32) - (1 << 31)
        return self._newest


def _open(name: str) -> VideoCodecContext:
    # FFmpeg's own decoders. Its VP8 one draws what libvpx does, but into the picture that is given out instead of a
    # buffer that is copied: 5 % of an overlay session at 640x480.
    decoder = av.CodecContext.create(name.lower(), "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1  # each camera has a decoder; 1080p in H.264 takes 3.5 ms a frame
    return decoder
