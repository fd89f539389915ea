"""A jitter buffer for aiortc that gives each picture out at once, and skips what does not come."""

import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add, uint16_gt

from seekcam.streamer.webrtc.camera_decoder import CameraDecoder
from seekcam.streamer.webrtc.encoders import is_keyframe
from seekcam.streamer.webrtc.upstream import source_hash, warn_once

# SHA-256 of the upstream source that this was written for (aiortc 1.16).
JITTER_BUFFER_SOURCE = "17030fbb0982258d8d61611500b707370579994f222fae610c353c5de5b1ed59"
HANDLE_RTP_SOURCE = "4e54983d021a6336d80c29490f82f9a6dd531c0d3179b2daed818120c5ece238"

HOLE_DEADLINE_S = 0.15  # how long a missing packet may hold the picture back before we skip to a keyframe
MAX_WAITING_FRAMES = 15  # with more before the decoder it is behind, and gets no new ones until it has none waiting
PLI_INTERVAL_S = 0.25  # how often a keyframe is asked for while none has come


class EarlyJitterBuffer(JitterBuffer):
    """Releases a frame on its last packet (the RTP marker bit) instead of on the next frame's first packet.

    That is one frame interval less latency. A frame without a marker is released when the timestamp changes, as
    upstream does. A hole is skipped when the packet behind it has waited `HOLE_DEADLINE_S`. Frames are also given up
    while the decoder is behind (see `MAX_WAITING_FRAMES`). After either, as at first, only a keyframe starts a picture.

    `deliver(payload_type, frame)` takes every frame; `backlog()` is the number of those that wait for the decoder.
    """

    def __init__(
        self,
        capacity: int,
        deliver: Callable[[int, JitterFrame], None],
        clock: Callable[[], float] = time.monotonic,
        backlog: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(capacity=capacity, is_video=True)
        self._deliver = deliver
        self._clock = clock
        self._backlog = backlog
        self._arrived = [0.0] * capacity  # when the packet in each place came
        self._part: list[RtpPacket] = []  # the oldest frame as far as it is in hand, from the origin on without a gap
        self._newest = 0  # highest sequence number seen
        self._wants_keyframe = True
        self._turned_away = False  # whether something was given up, and not just nothing come yet
        self._torn: int | None = None  # timestamp of a frame that has lost its beginning
        self._decoder_behind = False
        self._last_pli = float("-inf")

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Store a packet; returns whether to ask for a keyframe, and no frame: one packet can bring out several."""
        now = self._clock()
        pli = self._store(packet, now)
        self._decoder_behind = self._backlog() > (0 if self._decoder_behind else MAX_WAITING_FRAMES)
        if pli or self._decoder_behind:
            self._wants_keyframe = self._turned_away = True
        self._deliver_frames()
        while self._skip_overdue_hole(now):
            self._deliver_frames()
        # A keyframe is large: it is not asked for while it would be given up.
        wanted = self._wants_keyframe and self._turned_away and not self._decoder_behind
        pli |= wanted and now - self._last_pli > PLI_INTERVAL_S
        if pli:
            self._last_pli = now
        return pli, None

    def _store(self, packet: RtpPacket, now: float) -> bool:
        """Put a packet in its place; True when upstream gave packets up for it (a jump in the numbers)."""
        place = packet.sequence_number % self.capacity
        before = self._packets[place]
        if before is not None and before.sequence_number == packet.sequence_number:
            return False  # the first one stays: a repeat may be unpacked as another codec's
        if before is None:
            self._arrived[place] = now
        origin = self._origin
        pli, _ = super().add(packet)
        if self._origin != origin:  # the very first packet, or a jump
            self._newest = packet.sequence_number
            self._part = []
        elif uint16_gt(packet.sequence_number, self._newest):
            self._newest = packet.sequence_number
        return pli

    def _remove_frame(self, sequence_number: int) -> None:
        """Nothing: upstream's `add` only stores here, the frames are taken out afterwards."""

    def _deliver_frames(self) -> None:
        """Take the complete frames out of the buffer, oldest first, and deliver those that are worth decoding."""
        while (packet := self._at(len(self._part))) is not None:
            oldest = self._part[0] if self._part else packet
            same_codec = packet.payload_type == oldest.payload_type
            same_frame = same_codec and packet.timestamp == oldest.timestamp
            if same_frame:
                self._part.append(packet)
            if packet.marker or not same_frame:
                data = b"".join(part._data for part in self._part)  # type: ignore[attr-defined]
                frame = JitterFrame(data=data, timestamp=oldest.timestamp)
                self.remove(len(self._part))
                self._part = []
                if not same_codec:
                    self._wants_keyframe = True  # a browser that changes the codec breaks off the frame it was sending
                elif self._is_worth_decoding(frame):
                    self._deliver(oldest.payload_type, frame)

    def _is_worth_decoding(self, frame: JitterFrame) -> bool:
        if not frame.data:
            return False  # padding only
        if self._wants_keyframe:
            given_up = self._decoder_behind or frame.timestamp == self._torn
            self._wants_keyframe = self._turned_away = given_up or not is_keyframe(frame.data)
        return not self._wants_keyframe

    def _skip_overdue_hole(self, now: float) -> bool:
        """Drop everything up to a hole that was open too long; True when something was dropped."""
        assert self._origin is not None
        span = uint16_add(self._newest, 1 - self._origin)  # from the oldest place to the newest packet, both counted
        behind = next((offset for offset in range(len(self._part), span) if self._at(offset) is not None), None)
        if behind is None or now - self._arrived[(self._origin + behind) % self.capacity] < HOLE_DEADLINE_S:
            return False
        packet = self._at(behind)
        assert packet is not None
        self._torn = packet.timestamp  # its frame may have begun in the hole
        self.remove(behind)
        self._part = []
        self._wants_keyframe = self._turned_away = True
        return True

    def _at(self, offset: int) -> RtpPacket | None:
        """The packet that many sequence numbers after the oldest place, if it is in hand."""
        assert self._origin is not None
        return self._packets[(self._origin + offset) % self.capacity] if offset < self.capacity else None


def release_early(receiver: RTCRtpReceiver, decoder: CameraDecoder | None = None) -> bool:
    """Give a video receiver an `EarlyJitterBuffer`; call it in `on("track")`, before the first packet.

    A `decoder` takes the frames in place of upstream's, whose track then only tells its end.

    Returns False, and leaves the receiver alone, when upstream is not what this was written for.
    """
    inner: Any = receiver
    stock = getattr(inner, "_RTCRtpReceiver__jitter_buffer", None)
    if (
        type(stock) is not JitterBuffer
        or source_hash(JitterBuffer) != JITTER_BUFFER_SOURCE
        or source_hash(RTCRtpReceiver._handle_rtp_packet) != HANDLE_RTP_SOURCE
    ):
        warn_once("This aiortc receives video in another way than 1.16: frames come one interval later, and unnamed.")
        return False
    upstream_queue = inner._RTCRtpReceiver__decoder_queue

    def deliver(payload_type: int, frame: JitterFrame) -> None:
        codec = inner._RTCRtpReceiver__codecs[payload_type]
        if decoder is not None:
            decoder.put(codec, frame)
        elif inner._RTCRtpReceiver__decoder_thread:
            frame.timestamp = inner._RTCRtpReceiver__timestamp_mapper.map(frame.timestamp)
            upstream_queue.put((codec, frame))

    backlog = upstream_queue.qsize if decoder is None else decoder.waiting
    inner._RTCRtpReceiver__jitter_buffer = EarlyJitterBuffer(stock.capacity, deliver, backlog=backlog)
    if decoder is not None:
        inner._RTCRtpReceiver__decoder_error = decoder.wants_keyframe
    return True
