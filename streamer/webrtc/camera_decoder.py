"""A camera that comes by RTP is decoded in a thread of its own, and each picture goes straight to its stream.

aiortc's own decoder brings every picture to the event loop as a task that puts it into a queue at which another task
waits. Without that an overlay session at 640x480 costs 3 % less, and each picture still knows its RTP timestamp.
(aiortc's thread is there all the same, and idle.)
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

from seekcam.streamer.webrtc.capture_clock import ticks_between
from seekcam.streamer.webrtc.encoders import VIDEO_TIME_BASE

logger = logging.getLogger(__name__)


class CameraDecoder:
    """Decodes one sender's video; `put`, `waiting` and `close` belong to the event loop.

    Args:
        on_frame: called in the decoder's thread with each picture, the time.monotonic() at which it was ready, and the
            RTP timestamp (32 bits) that its sender gave it. Its pts, in ticks of 1/90000 s, only ever grow.
        on_defect: called in the decoder's thread with an error that should not be, which ends the thread.
    """

    def __init__(
        self, on_frame: Callable[[av.VideoFrame, float, int], None], on_defect: Callable[[Exception], None]
    ) -> None:
        self.wants_keyframe = threading.Event()  # something could not be decoded: the sender is to be asked for one
        self._on_frame = on_frame
        self._on_defect = on_defect
        self._queue: SimpleQueue[tuple[RTCRtpCodecParameters, JitterFrame] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> None:
        """Decode this one after those that wait; nothing once it is closed."""
        if self._closed:
            return
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="camera-decoder", daemon=True)
            thread.start()
            self._thread = thread
        self._queue.put((codec, frame))

    def waiting(self) -> int:
        """How many encoded frames wait to be decoded."""
        return self._queue.qsize()

    def close(self) -> None:
        """See out the frame that is being decoded; those that wait are left."""
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        try:
            self._decode()
        except Exception as error:  # noqa: BLE001 - carried over to the event loop
            self._on_defect(error)

    def _decode(self) -> None:
        name, decoder = "", None
        pts, newest = 0, None
        while (item := self._queue.get()) is not None and not self._closed:
            codec, frame = item
            if decoder is None or codec.name != name:
                name, decoder = codec.name, _open(codec.name)
            packet = av.Packet(frame.data)
            packet.pts, packet.time_base = frame.timestamp, VIDEO_TIME_BASE
            try:
                pictures = decoder.decode(packet)
            except av.FFmpegError as error:
                # The decoder stays: a new one could do nothing with what comes before the keyframe.
                logger.warning("A %s frame of a camera could not be decoded: %s", name, error)
                self.wants_keyframe.set()
                continue
            now = time.monotonic()
            for picture in pictures:
                rtp = picture.pts
                assert rtp is not None  # as its packet has one
                # A timestamp may start again at 0, or jump back where the sender does: encoders fail at a time before
                # their first one, and a recording would stand still.
                pts += 0 if newest is None else max(1, ticks_between(newest, rtp))
                picture.pts, newest = pts, rtp
                if name == "VP8":
                    picture.color_range = ColorRange.MPEG  # FFmpeg takes "needs no clamping" for full range
                self._on_frame(picture, now, rtp)


def _open(name: str) -> VideoCodecContext:
    # FFmpeg's own decoders. Its VP8 one draws what libvpx does, but into the picture that is given out, where that of
    # libvpx is copied: an overlay session at 640x480 costs 5 % less with it.
    decoder = av.CodecContext.create(name.lower(), "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1  # each camera has a decoder; 1080p in H.264 takes 3.5 ms a frame
    return decoder
