"""What feeds a stream from the server's side: a camera at /dev/video*, a file, an RTSP or an HTTP(S) address.

A `SourceReader` decodes one of them in a thread of its own and hands every frame on when it is meant to be shown.
Cameras and addresses that drop are opened again, after 0.5 s at first and up to 10 s later; a file is played in a loop,
or once. However often that happens, the frames' pts only ever grow.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from seekcam.localization.errors import UserError
from seekcam.streamer.media.frames import upright
from seekcam.streamer.sources.source_clock import SourceClock
from seekcam.streamer.stream_state import StreamState

logger = logging.getLogger(__name__)

Kind = Literal["device", "file", "url"]
Deliver = Callable[[av.VideoFrame, float], None]
OnState = Callable[[StreamState, str], None]

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0  # without a packet for so long, the other side is taken for dead
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
STOP_TIMEOUT_S = 2.0
_DAMAGED_IN_A_ROW = 100  # packets after which a connection is given up

# A playlist may only lead to more of its kind: a remote one never to a local file, a local one never to the network.
_PROTOCOLS = {
    "file": "file",
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
    "rtsp": "rtsp,rtp,tcp,udp",
    "rtsps": "rtsp,rtsps,rtp,tcp,tls,udp",
}


class SourceError(UserError):
    """A source that cannot be opened or read."""

    code = "bad-source"


@dataclass(frozen=True)
class Source:
    """Where to read from, and what may be shown of it."""

    kind: Kind
    address: str  # as FFmpeg takes it; may hold credentials
    shown: str  # without user, password and query
    format: str | None  # None lets FFmpeg find out
    options: dict[str, str]

    @property
    def live(self) -> bool:
        """Whether frames come at the pace of the world, and not as fast as they are read."""
        return self.kind == "device" or self.address.startswith("rtsp")


def parse_source(spec: str) -> Source:
    """A device path or index, a URL, or else a file path.

    Raises:
        SourceError: a URL of another kind than rtsp, rtsps, http and https, or without a host.
    """
    if spec.isdecimal() or spec.startswith("/dev/"):
        device = f"/dev/video{spec}" if spec.isdecimal() else spec
        return Source("device", device, device, "v4l2", {})
    if "://" not in spec:
        return Source("file", f"file:{spec}", spec, None, {"protocol_whitelist": _PROTOCOLS["file"]})
    try:
        parts = urlsplit(spec)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceError(f"The address of the source is not a URL: {error}.") from None
    if scheme not in _PROTOCOLS or scheme == "file" or not host:
        raise SourceError(f"{scheme}://{host} is no source we read: use rtsp://, rtsps://, http:// or https://.")
    shown = f"{scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}{parts.path}"
    options = {"protocol_whitelist": _PROTOCOLS[scheme]}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # lost UDP packets smear the picture, and firewalls drop them
    return Source("url", spec, shown, None, options)


def open_source(source: Source) -> InputContainer:
    """Open a source that has video.

    Raises:
        SourceError: it is missing, refuses, stays silent for 5 s, or has no video.
    """
    if source.kind == "file" and not Path(source.shown).is_file():
        raise SourceError(f"There is no file {source.shown}: check the name.")
    if source.kind == "device" and not Path(source.address).exists():
        raise SourceError(f"There is no camera at {source.shown}: plug it in, or choose another one (ls /dev/video*).")
    started = time.monotonic()
    try:
        container = av.open(
            source.address,
            format=source.format,
            options=source.options,
            metadata_errors="replace",
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        )
    except (OSError, av.FFmpegError) as error:
        # An interrupted RTSP handshake calls itself damaged data.
        late = time.monotonic() - started >= OPEN_TIMEOUT_S
        raise SourceError(_sentence(source, error, late)) from error
    if not container.streams.video:
        container.close()
        raise SourceError(f"{source.shown} has no video in it: choose another one.")
    return container


def _sentence(source: Source, error: OSError | av.FFmpegError, late: bool = False) -> str:
    """Why reading failed; FFmpeg's own message is not used whole, it repeats the address with its credentials."""
    if late or isinstance(error, av.error.ExitError):
        reason = "it did not answer in time"
    elif isinstance(error, av.error.InvalidDataError):
        reason = "it is no video, or damaged"
    else:
        reason = error.strerror or type(error).__name__
    return f"{source.shown} cannot be read: {reason}."


class SourceReader:
    """One source, decoded in a thread.

    Args:
        spec: see `parse_source`.
        once: end with the end of a file (or of an address) instead of starting over.

    Raises:
        SourceError: a file that is missing or has no video, or an address that can never work. A camera that is not
            plugged in or a server that is down is waited for instead.
    """

    def __init__(self, spec: str, once: bool = False) -> None:
        self._source = parse_source(spec)
        self._once = once
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._clock = SourceClock()
        if self._source.kind == "file":
            with open_source(self._source) as container:
                if next(_frames(container, self._source), None) is None:
                    raise SourceError(f"{self.shown} has no video frame that can be decoded: choose another file.")

    @property
    def kind(self) -> Kind:
        """What sort of source it is."""
        return self._source.kind

    @property
    def shown(self) -> str:
        """The source's name for people, without credentials."""
        return self._source.shown

    def start(self, deliver: Deliver, on_state: OnState) -> None:
        """Begin to read. Both functions are called from the reader's thread.

        Args:
            deliver: takes each frame, upright, with pts in 1/90000 s that grow, and the time.monotonic() of its coming.
            on_state: takes each new state and a sentence on it, empty when all is well.
        """
        self._thread = threading.Thread(
            target=self._run, args=(deliver, on_state), name=f"source {self.shown}", daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = STOP_TIMEOUT_S) -> None:
        """No frame and no state is told after this; waits for the thread at most `timeout` seconds.

        A thread that is blocked in the network ends by itself when its own time limit is over.
        """
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self, deliver: Deliver, on_state: OnState) -> None:
        delay = FIRST_DELAY_S / 2
        is_file = self._source.kind == "file"
        try:
            on_state(StreamState.opening, "")
            while not self._stop.is_set():
                played, detail = self._play(deliver, on_state)
                if self._stop.is_set():
                    return  # whoever stopped us may be gone, event loop and all
                if self._once and not detail:
                    on_state(StreamState.ended, "")
                    return
                if is_file and self._once:
                    on_state(StreamState.failed, detail)
                    return
                if is_file and played and not detail:
                    continue
                delay = FIRST_DELAY_S if played else min(2 * delay, LONGEST_DELAY_S)
                on_state(StreamState.reconnecting, detail or f"{self.shown} ended.")
                self._stop.wait(delay)
        except Exception as error:
            if self._stop.is_set():
                logger.debug("Source %s failed after its end", self.shown, exc_info=True)
                return
            logger.exception("Source %s failed", self.shown)
            on_state(StreamState.failed, f"{self.shown} failed on an unexpected {type(error).__name__}.")

    def _play(self, deliver: Deliver, on_state: OnState) -> tuple[bool, str]:
        """Read until the source ends; whether any frame came, and what went wrong."""
        played = False
        try:
            with open_source(self._source) as container:
                # Motion JPEG over HTTP is a camera whose frames carry no times of their own.
                timed = container.format.name not in ("mpjpeg", "mjpeg")
                self._clock.begin(timed, paced=timed and not self._source.live)
                for frame in _frames(container, self._source):
                    if self._stop.wait(self._clock.stamp(frame)):
                        return played, ""
                    if not played:
                        on_state(StreamState.playing, "")
                        played = True
                    deliver(upright(frame), time.monotonic())
        except SourceError as error:
            return played, str(error)
        return played, ""


def _frames(container: InputContainer, source: Source) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded; single damaged packets are passed over.

    Raises:
        SourceError: reading failed, or nothing but damage comes.
    """
    stream = container.streams.video[0]
    damaged = 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                damaged += 1
                if damaged >= _DAMAGED_IN_A_ROW:
                    raise
                continue
            if frames:
                damaged = 0
            for frame in frames:
                if isinstance(frame, av.VideoFrame):
                    yield frame
    except (OSError, av.FFmpegError) as error:
        raise SourceError(_sentence(source, error)) from error
