"""Video files in and out with their own times: frames upright in order, H.264 pieces, and pieces joined with the sound.

Pieces are encoded without B-frames, so that pts and dts are the same and joining is a matter of copying packets.
"""

import heapq
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from seekcam.localization.errors import UserError
from seekcam.streamer.media.frames import letterboxed

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv")  # what `join` can write
# Visually lossless for most eyes; about the bits that cameras and phones spend themselves.
_ENCODER = {"preset": "veryfast", "crf": "18", "bf": "0"}
_GUESSED_STEP_S = Fraction(1, 25)


class VideoError(UserError):
    """A file that is no video, or one without frames."""

    code = "bad-video"


class VideoInput:
    """A video file, open for reading.

    Raises:
        VideoError: it cannot be read as a video, or has no pictures in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
        except (OSError, av.FFmpegError) as error:
            raise VideoError(f"{path} is neither a picture nor a video that can be read, or it is damaged.") from error
        pictured = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not pictured:
            self._container.close()
            raise VideoError(f"{path} has no video in it: choose another file.")
        self._stream = pictured[0]
        self._stream.thread_type = "AUTO"
        self.time_base = self._stream.time_base or Fraction(1, 90_000)
        self.damaged = 0  # packets that could not be decoded
        self.lies_on_its_side = False  # known with the first frame

    def __enter__(self) -> "VideoInput":
        return self

    def __exit__(self, *exception: object) -> None:
        self._container.close()

    @property
    def expected_frames(self) -> int | None:
        """How many frames the file says or seems to have."""
        if self._stream.frames:
            return self._stream.frames
        rate = self._stream.average_rate
        if rate and self._container.duration:
            return round(self._container.duration / av.time_base * rate)
        return None

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width to height of a pixel, before the picture is turned upright."""
        return self._stream.codec_context.sample_aspect_ratio

    def frames(self) -> Iterator[av.VideoFrame]:
        """Every frame, lying as it was filmed (see `upright`), with pts in `time_base` that grow.

        Raises:
            VideoError: there is none, or reading breaks off.
        """
        last: int | None = None
        rate = self._stream.average_rate
        step = max(1, round((1 / rate if rate else _GUESSED_STEP_S) / self.time_base))
        try:
            for packet in self._container.demux(self._stream):
                for frame in self._decoded(packet):
                    self.lies_on_its_side = round(frame.rotation / 90) % 2 == 1
                    pts = frame.pts
                    if pts is None:
                        pts = 0 if last is None else last + step
                    last = pts if last is None else max(pts, last + 1)
                    frame.pts, frame.time_base = last, self.time_base
                    yield frame
        except (OSError, av.FFmpegError) as error:
            raise VideoError(f"{self._path} cannot be read any further ({error.strerror or error}).") from error
        if last is None:
            raise VideoError(f"{self._path} has no video frame that can be decoded: choose another file.")

    def _decoded(self, packet: "Packet[VideoStream]") -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.error.InvalidDataError:
            self.damaged += 1
            return []


class Piece:
    """A part of a video that is being encoded into a file of its own; its times begin at 0.

    Args:
        first: the frame that gives the piece its size and colours.
        size: width and height of the whole video; frames of another size are fitted in.
    """

    def __init__(
        self,
        path: Path,
        first: av.VideoFrame,
        size: tuple[int, int],
        time_base: Fraction,
        pixel_aspect: Fraction | None,
    ) -> None:
        self.start = first.pts or 0
        self._size = size
        self._container = av.open(str(path), "w", format="mp4", options=_exact(time_base))
        self._stream = self._container.add_stream("libx264", options=_ENCODER)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = Fraction(1, time_base.denominator)
        if pixel_aspect:
            self._stream.codec_context.sample_aspect_ratio = pixel_aspect
        self._stream.colorspace, self._stream.color_range = first.colorspace, first.color_range
        self._stream.color_primaries, self._stream.color_trc = first.color_primaries, first.color_trc
        self._scale = time_base.numerator
        self._last = self._step = 0  # ticks of the last frame, and from the one before it

    def write(self, frame: av.VideoFrame) -> None:
        """Encode a frame, at its pts in the video's time base; the frame is used up."""
        own = letterboxed(frame, *self._size)
        own.pts = ((frame.pts or 0) - self.start) * self._scale
        own.time_base = self._stream.codec_context.time_base
        own.pict_type = PictureType.NONE
        self._step = max(0, own.pts - self._last)
        self._last = own.pts
        self._mux(self._stream.encode(own))

    def close(self) -> None:
        """Finish the file."""
        try:
            self._mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _mux(self, packets: "list[Packet[Any]]") -> None:
        for packet in packets:
            packet.duration = self._step  # it counts for the last frame only: the others last until the next one
            self._container.mux(packet)

    def abandon(self) -> None:
        """Let go of the file without finishing it."""
        self._container.close()


def join(pieces: Sequence[tuple[Path, int]], source: Path, output: Path, time_base: Fraction) -> None:
    """Put the pieces, each with its start in `time_base`, one after the other, with the sound of `source` untouched.

    Raises:
        VideoError: the sound cannot be kept in a file of this kind.
        OSError, av.FFmpegError: the output cannot be written.
    """
    options = {**_exact(time_base), "movflags": "faststart"} if output.suffix.lower() != ".mkv" else {}
    with (
        av.open(f"file:{source}", options={"protocol_whitelist": "file"}, metadata_errors="replace") as original,
        av.open(str(output), "w", options=options) as container,
        av.open(str(pieces[0][0])) as first,
    ):
        video = container.add_stream_from_template(first.streams.video[0])
        video.time_base = Fraction(1, time_base.denominator)
        sounds = {s.index: _sound_stream(container, s, source, output) for s in original.streams.audio}
        container.start_encoding()
        packets = [_video_packets(pieces, video, time_base), _sound_packets(original, sounds)]
        for packet in heapq.merge(*packets, key=_seconds):
            container.mux(packet)


def _exact(time_base: Fraction) -> dict[str, str]:
    """Options with which an MP4 file keeps times to the tick: its own rounding is to the millisecond."""
    ticks = str(time_base.denominator)
    return {"video_track_timescale": ticks, "movie_timescale": ticks}


def _sound_stream(container: OutputContainer, sound: Stream, source: Path, output: Path) -> Stream:
    try:
        return container.add_stream_from_template(sound)
    except ValueError as error:
        codec = sound.codec_context.name
        raise VideoError(f"The sound of {source} ({codec}) does not fit in {output.suffix}: choose .mkv.") from error


def _video_packets(
    pieces: Sequence[tuple[Path, int]], stream: VideoStream, time_base: Fraction
) -> "Iterator[Packet[Any]]":
    for path, start in pieces:
        with av.open(str(path)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is None:
                    continue
                packet.pts += start * time_base.numerator
                packet.dts = packet.pts
                packet.stream = stream
                yield packet


def _sound_packets(original: InputContainer, sounds: dict[int, Stream]) -> "Iterator[Packet[Any]]":
    if not sounds:
        return
    for packet in original.demux(*original.streams.audio):
        if packet.dts is not None:
            packet.stream = sounds[packet.stream.index]
            yield packet


def _seconds(packet: "Packet[Any]") -> float:
    return float((packet.dts or 0) * packet.time_base)
