"""Sources against real files, and against a server that cuts, refuses and falls silent."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from seekcam.localization.errors import UserError
from seekcam.streamer.sources import reader as sources
from seekcam.streamer.sources.reader import SourceReader, open_source, parse_source

WAIT_S = 20  # at most, for a thing that takes milliseconds


class Sink:
    """Takes what a reader delivers, and waits for it."""

    def __init__(self) -> None:
        self.frames: list[av.VideoFrame] = []
        self.states: list[tuple[str, str]] = []
        self._changed = threading.Condition()

    def deliver(self, frame: av.VideoFrame, received: float) -> None:
        assert received <= time.monotonic()
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def on_state(self, state: str, detail: str) -> None:
        with self._changed:
            self.states.append((state, detail))
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), (len(self.frames), self.states)

    @property
    def seconds(self) -> list[float]:
        return [frame.time for frame in self.frames]

    @property
    def names(self) -> list[str]:
        return [state for state, _ in self.states]


def clip(path: Path, times: list[int], rate: int = 100) -> Path:
    """A video of a frame at each of `times`, in 1/`rate` s; its brightness grows by 8 a frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        stream.gop_size = 5
        for number, ticks in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = ticks, Fraction(1, rate)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


@contextmanager
def reading(spec: str, once: bool = False) -> Iterator[tuple[SourceReader, Sink]]:
    reader, sink = SourceReader(spec, once=once), Sink()
    reader.start(sink.deliver, sink.on_state)
    try:
        yield reader, sink
    finally:
        reader.stop()


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(sources, "LONGEST_DELAY_S", 0.05)


@pytest.mark.parametrize(
    ("spec", "kind", "shown", "address"),
    [
        ("0", "device", "/dev/video0", "/dev/video0"),
        ("/dev/video3", "device", "/dev/video3", "/dev/video3"),
        ("a:b c.mp4", "file", "a:b c.mp4", "file:a:b c.mp4"),
        ("rtsp://me:secret@cam:554/live?key=1", "url", "rtsp://cam:554/live", "rtsp://me:secret@cam:554/live?key=1"),
        ("https://[::1]:8443/x.m3u8", "url", "https://[::1]:8443/x.m3u8", "https://[::1]:8443/x.m3u8"),
    ],
)
def test_what_a_source_is_and_what_is_shown_of_it(spec: str, kind: str, shown: str, address: str) -> None:
    source = parse_source(spec)
    assert (source.kind, source.shown, source.address) == (kind, shown, address)


@pytest.mark.parametrize("spec", ["ftp://host/x", "file:///etc/passwd", "rtsp:///path", "http://host:port/", "://"])
def test_addresses_we_do_not_read(spec: str) -> None:
    with pytest.raises(UserError, match=r"source"):
        parse_source(spec)


def test_files_that_cannot_be_played(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no video" * 100)
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with av.open(str(tmp_path / "empty.mp4"), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    for name, sentence in [
        ("none.mp4", "no file"),
        ("text.mp4", "damaged"),
        ("sound.wav", "no video"),
        ("empty.mp4", "no video"),
    ]:
        with pytest.raises(UserError, match=sentence):
            SourceReader(str(tmp_path / name))


def test_a_file_once(tmp_path: Path) -> None:
    times = [0, 3, 4, 10, 12]
    with reading(str(clip(tmp_path / "a.mp4", times)), once=True) as (reader, sink):
        sink.wait(lambda: "ended" in sink.names)
    assert (reader.kind, reader.shown) == ("file", str(tmp_path / "a.mp4"))
    assert sink.seconds == pytest.approx([t / 100 for t in times])
    assert sink.names == ["opening", "playing", "ended"]
    brightness = [float(frame.to_ndarray(format="gray").mean()) for frame in sink.frames]
    assert brightness == pytest.approx([8 * n for n in range(5)], abs=4)


def test_a_file_in_a_loop_never_goes_back(tmp_path: Path) -> None:
    with reading(str(clip(tmp_path / "a.mp4", [0, 3, 6, 9]))) as (_, sink):
        sink.wait(lambda: len(sink.frames) >= 11)
    assert sink.seconds[:11] == pytest.approx([0.03 * n for n in range(11)])
    delivered = len(sink.frames)
    time.sleep(0.1)
    assert len(sink.frames) == delivered  # stop() means stop


class Cutting(BaseHTTPRequestHandler):
    """Sends half the clip, then an error, then all of it."""

    clip = b""
    requests = 0

    def do_GET(self) -> None:
        number = Cutting.requests
        Cutting.requests += 1
        if number == 1:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.send_header("Content-Length", str(len(self.clip)))
        self.end_headers()
        self.wfile.write(self.clip[: len(self.clip) // 2] if number == 0 else self.clip)

    def log_message(self, *args: object) -> None:
        """Nothing: the test's output is not a web server's log."""


def test_an_address_that_is_cut_and_comes_back(tmp_path: Path) -> None:
    Cutting.clip = clip(tmp_path / "a.ts", list(range(0, 80, 4)), rate=50).read_bytes()
    Cutting.requests = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Cutting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            spec = f"http://me:secret@127.0.0.1:{server.server_port}/live.ts?token=hidden"
            with reading(spec) as (reader, sink):
                sink.wait(lambda: sink.names.count("playing") == 2)
                before = len(sink.frames)
                sink.wait(lambda: len(sink.frames) > before + 3)
        finally:
            server.shutdown()
    assert sink.names[:5] == ["opening", "playing", "reconnecting", "reconnecting", "playing"]
    assert all(a < b for a, b in pairwise(sink.seconds))
    said = " ".join([reader.shown, *(detail for _, detail in sink.states)])
    assert f"http://127.0.0.1:{server.server_port}/live.ts" in said
    assert "secret" not in said
    assert "hidden" not in said


def test_a_silent_server_is_noticed_and_stop_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "OPEN_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"rtsp://127.0.0.1:{server.getsockname()[1]}/live"
        with reading(address) as (_, sink):
            sink.wait(lambda: "reconnecting" in sink.names)
        detail = dict(sink.states)["reconnecting"]
        assert detail == f"{address} cannot be read: it did not answer in time."


@pytest.mark.parametrize("moment", ["opening", "between", "playing"])
def test_after_stop_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """The loop that was told may be closed by then: calling it would raise, and be logged as a fault of the source."""
    reached, go_on = threading.Event(), threading.Event()
    real = sources.open_source

    def slow_to_open(source: sources.Source) -> av.container.InputContainer:
        if moment == "opening":
            reached.set()
            assert go_on.wait(WAIT_S)
            raise sources.SourceError("It has left.")
        return real(source)

    sink, late = Sink(), []

    def deliver(frame: av.VideoFrame, received: float) -> None:
        late.append("frame") if reached.is_set() else sink.deliver(frame, received)
        if moment == "playing":
            reached.set()
            assert go_on.wait(WAIT_S)
            raise RuntimeError("Event loop is closed")

    def on_state(state: str, detail: str) -> None:
        late.append(state) if reached.is_set() else sink.on_state(state, detail)
        if moment == "between" and state == "reconnecting":
            reached.set()
            assert go_on.wait(WAIT_S)

    address = str(clip(tmp_path / "a.mp4", [0, 1])) if moment == "playing" else "/dev/video-of-nobody"
    reader = SourceReader(address)
    monkeypatch.setattr(sources, "open_source", slow_to_open)
    reader.start(deliver, on_state)
    assert reached.wait(WAIT_S)
    reader.stop(timeout=0)
    go_on.set()
    reader.stop(timeout=WAIT_S)
    assert late == []


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with reading(f"http://127.0.0.1:{port}/x.mp4") as (_, sink):
        sink.wait(lambda: sink.names.count("reconnecting") == 2)
    assert "refused" in dict(sink.states)["reconnecting"]
    assert not sink.frames


def test_a_camera_that_is_not_plugged_in() -> None:
    with reading("/dev/video-of-nobody") as (reader, sink):
        sink.wait(lambda: "reconnecting" in sink.names)
    assert reader.kind == "device"
    assert "no camera at /dev/video-of-nobody" in dict(sink.states)["reconnecting"]
    with pytest.raises(UserError, match="cannot be read"):
        open_source(parse_source("/dev/null"))
