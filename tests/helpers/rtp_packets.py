"""RTP packets of made-up frames, and a collector of what an early jitter buffer makes of them; for tests."""

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

from seekcam.streamer.webrtc import jitter_buffer

KEY = bytes([0x10, 0, 0, 0x9D, 0x01, 0x2A]) + b"key"  # VP8: bit 0 clear, then the start code
DELTA = b"\x11delta"
START = b"\x00\x00\x00\x01"  # H.264, Annex B


def packets(sizes: list[int], first: int = 65530, keyframes: bool = True, begun: bool = False) -> list[RtpPacket]:
    """The packets of frames of the given packet counts, numbered on from `first` across the 16-bit wrap.

    Without `keyframes` only the first frame is one, and where the stream has `begun` before, none.
    """
    made = []
    sequence = first
    for frame, size in enumerate(sizes):
        for part in range(size):
            packet = RtpPacket(sequence_number=sequence & 0xFFFF, timestamp=3000 * frame, marker=int(part == size - 1))
            head = KEY if keyframes or (frame == 0 and not begun) else DELTA
            packet._data = (head if part == 0 else b"") + bytes([frame, part & 0xFF])  # type: ignore[attr-defined]
            made.append(packet)
            sequence += 1
    return made


class Clock:
    """Time as the test tells it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Collector:
    """An early buffer and every frame that leaves it, in order."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.frames: list[JitterFrame] = []
        self.payload_types: list[int] = []  # what each frame is decoded as
        self.plis = 0
        self.waiting = 0  # frames before the decoder
        self.buffer = jitter_buffer.EarlyJitterBuffer(512, self._deliver, self.clock, lambda: self.waiting)

    def add(self, packet: RtpPacket) -> None:
        pli, frame = self.buffer.add(packet)
        self.plis += pli
        assert frame is None, "upstream would decode it a second time"

    def _deliver(self, payload_type: int, frame: JitterFrame) -> None:
        self.frames.append(frame)
        self.payload_types.append(payload_type)
