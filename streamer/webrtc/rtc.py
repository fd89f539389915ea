"""Everything we adapt in aiortc, and nothing else.

Each adaptation touches names that upstream may change, so each is guarded: `tests/streamer/webrtc/test_rtc.py` fails
when the upstream source it was written for changes, and at run time an unknown upstream falls back to stock behaviour
with a log line.
"""

import asyncio
import functools
import hashlib
import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

import av
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver, RTCSctpTransport
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcsctptransport import USERDATA_MAX_LENGTH
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket
from aiortc.utils import uint16_add, uint16_gt
from av.frame import Frame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from seekcam.streamer.webrtc.bitrate import SteadyBitrate
from seekcam.streamer.webrtc.camera_decoder import CameraDecoder
from seekcam.streamer.webrtc.encoders import is_keyframe, open_encoder

logger = logging.getLogger(__name__)

# SHA-256 of the upstream sources these adaptations were written for (aiortc 1.16).
JITTER_BUFFER_SOURCE = "17030fbb0982258d8d61611500b707370579994f222fae610c353c5de5b1ed59"
HANDLE_RTP_SOURCE = "4e54983d021a6336d80c29490f82f9a6dd531c0d3179b2daed818120c5ece238"
HANDLE_RTCP_SOURCE = "ec9f46214c3495b24a29f83538540c9e3ec788db183e3dad2078877549b4788c"
SENDER_SOURCES = {
    Vp8Encoder: "6cf4262a7b1d212ac55f260c33e706d904e3252d29438f89b013c7fa7e613569",
    H264Encoder: "bfff7b511a13ec84f2b303d754b0863ef54a23cdf66c872aacc96d301a61b1df",
    RTCRtpSender._next_encoded_frame: "89dd9fa4fb33741cc60857f1cebae31c9a88b72da9a42f91abc6090f40cb8253",
    RTCRtpSender._handle_rtcp_packet: "a4ee4c7355f8de7a67ae75215d25d2d34931931a33b8ad2ce89ba2d9a24fc704",
}
SCTP_SOURCES = {
    RTCSctpTransport._transmit: "aa8941d5f8f020e8b4e438e02084533dd78399da498638a013025252e5fe8115",
    RTCSctpTransport._update_rto: "a1e7afb18886a1017f94c777a46cecc5afdc16e31aaaa98690b6f8d795007c99",
    RTCSctpTransport._receive_sack_chunk: "4b35ccf1372cdec8705f378a04de43d9c4ad5675afae09781eddd69ecdb473b1",
    RTCSctpTransport._t3_expired: "0e759bf4b1b2d8c8afa3d656a8f34839c974d0104cb66f895a9a9d266f6499af",
}

HOLE_DEADLINE_S = 0.15  # how long a missing packet may hold the picture back before we skip to a keyframe
MAX_WAITING_FRAMES = 15  # with more before the decoder it is behind, and gets no new ones until it has none waiting
PLI_INTERVAL_S = 0.25  # how often a keyframe is asked for while none has come
MIN_WINDOW = 8 * USERDATA_MAX_LENGTH  # bytes of messages that may be under way, whatever was lost before
MIN_RTO_S = 0.4  # messages that nothing was heard of for so long count as lost
UNHEARD_RTO_S = 0.8  # the same after a timeout, until the round trip is measured again


@functools.cache  # reading and hashing takes milliseconds, on the event loop
def source_hash(thing: Any) -> str:
    """SHA-256 of the source text of a class or function, in hexadecimal."""
    return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()


@functools.cache
def _warn_once(sentence: str) -> None:
    logger.warning(sentence)


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
        _warn_once("This aiortc receives video in another way than 1.16: frames come one interval later, and unnamed.")
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


def on_sender_report(receiver: RTCRtpReceiver, callback: Callable[[int, int], None]) -> bool:
    """Have `callback(ntp, rtp)` called for each sender report about this receiver's track; it must not raise.

    `ntp` is the sender's wall clock (64 bits, RFC 3550) at the instant that its RTP timestamp `rtp` (32 bits) names.
    Returns False, and never calls, when upstream is not what this was written for.
    """
    if source_hash(RTCRtpReceiver._handle_rtcp_packet) != HANDLE_RTCP_SOURCE:
        _warn_once("This aiortc handles sender reports in another way than 1.16: frames have no capture time.")
        return False
    inner: Any = receiver
    handle = inner._handle_rtcp_packet

    async def handle_and_tell(packet: AnyRtcpPacket) -> None:
        await handle(packet)
        # The retransmissions are a stream of their own, with another clock.
        if isinstance(packet, RtcpSrPacket) and packet.ssrc not in inner._RTCRtpReceiver__rtx_ssrc:
            callback(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)

    inner._handle_rtcp_packet = handle_and_tell
    return True


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
        _warn_once("This aiortc sends video in another way than 1.16: what goes back has upstream's low quality.")
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
        _warn_once("This aiortc keeps the negotiated codecs elsewhere than 1.16: the setting codec has no effect.")
        return
    inner._codecs = sorted(inner._codecs, key=lambda known: known.mimeType.lower() != f"video/{codec}")


def outlast_losses(sctp: RTCSctpTransport) -> bool:
    """Have lost messages hold up the ones behind them for less time.

    After a loss, upstream lets four full messages be under way, and one after a timeout; where nothing is heard of any
    of them, nothing more goes out for a second (RFC 9260). On a path that loses 10 % that happens every few seconds.
    Here eight may be under way, and the timeout is shorter. What is more still waits, so that a narrow path gets no
    more than it takes.

    Returns False, and leaves the transport alone, when upstream is not what this was written for.
    """
    if any(source_hash(thing) != known for thing, known in SCTP_SOURCES.items()):
        _warn_once("This aiortc controls congestion in another way than 1.16: lost results hold up the next.")
        return False
    inner: Any = sctp
    upstream_transmit, upstream_update, upstream_expired = inner._transmit, inner._update_rto, inner._t3_expired

    async def transmit() -> None:
        inner._cwnd = max(inner._cwnd, MIN_WINDOW)
        await upstream_transmit()

    def update_rto(round_trip: float) -> None:
        upstream_update(round_trip)
        inner._rto = max(MIN_RTO_S, min(inner._srtt + 4 * inner._rttvar, inner._rto))

    def t3_expired() -> None:
        # Nothing is measured of messages that were given up, so a path that has become slower would never be noticed.
        inner._rto = max(UNHEARD_RTO_S, inner._rto)
        upstream_expired()

    inner._transmit, inner._update_rto, inner._t3_expired = transmit, update_rto, t3_expired
    return True


async def close_within(peer: RTCPeerConnection, seconds: float = 5.0) -> None:
    """Close a peer connection; neither a hung transport nor one that aiortc left in pieces keeps the server waiting.

    Afterwards its state is "closed" and its listeners know, whatever happened: places are counted by that event.
    """
    try:
        await asyncio.wait_for(peer.close(), seconds)
    except TimeoutError:
        logger.warning("A peer connection did not close within %g s and was left behind.", seconds)
    except AttributeError:
        # An offer that bundles a section it does not have leaves aiortc's transceivers without a transport.
        logger.debug("A peer connection could not be closed in order.", exc_info=True)
    if peer.connectionState != "closed":
        inner: Any = peer
        inner._RTCPeerConnection__connectionState = "closed"
        peer.emit("connectionstatechange")
