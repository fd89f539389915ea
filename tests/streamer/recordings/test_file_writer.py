"""Recordings against what ffmpeg reads back, against a killed process, and against a disk that says no."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction, RankedClass
from seekcam.streamer.media.live_file import LiveVideoFile
from seekcam.streamer.recordings import file_writer as recorder_module
from seekcam.streamer.recordings import store as recordings_module
from seekcam.streamer.recordings.file_writer import Recorder
from seekcam.streamer.recordings.store import RecordingBusyError, RecordingStore, UnknownRecordingError

SEEN = Prediction("net", "cam", (RankedClass(3, "cat", 0.9),))


def frame(number: int, width: int = 160, height: int = 120) -> av.VideoFrame:
    """A picture whose brightness tells its number."""
    picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), 20 + 2 * (number % 100), np.uint8), "rgb24")
    picture = picture.reformat(format="yuv420p")
    picture.pts, picture.time_base = number * 3000, Fraction(1, 90_000)
    return picture


def fill(recorder: Recorder, times: list[float], width: int = 160, height: int = 120) -> None:
    """Put frames as fast as the recorder takes them, so that none is dropped."""
    for number, seconds in enumerate(times):
        while len(recorder._waiting) >= recorder_module.QUEUE_FRAMES and recorder.failed is None:
            time.sleep(0.001)
        recorder.put(frame(number, width, height), SEEN, seconds)


def decoded(video: Path) -> list[av.VideoFrame]:
    with av.open(str(video)) as container:
        return list(container.decode(video=0))


def lines(sidecar: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in sidecar.read_text().splitlines()]


def test_ten_seconds_at_uneven_times(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "new folder")
    recorder = store.new("Küche 🐈")
    rng = np.random.default_rng(0)
    times = [5.0 + number / 30 + rng.uniform(0, 0.02) for number in range(300)]  # a stream that ran before
    fill(recorder, times)
    made = recorder.stop()
    assert recorder.failed is None
    assert (made.frames, made.dropped, made.complete, made.title) == (300, 0, True, "Küche 🐈")
    frames = decoded(made.video)
    shown = [f.time for f in frames]
    assert shown == pytest.approx([t - times[0] for t in times], abs=1e-4)
    assert [line["pts"] for line in lines(made.sidecar)] == pytest.approx(shown, abs=1e-4)
    assert [line["frame"] for line in lines(made.sidecar)] == list(range(300))
    keyframes = [t for t, f in zip(shown, frames, strict=True) if f.key_frame]
    assert keyframes[0] == 0
    assert max(np.diff([*keyframes, shown[-1]])) < 1.1
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(made.video)]
    if shutil.which("ffprobe"):
        assert float(subprocess.check_output(probe)) == pytest.approx(10, rel=0.02)
    assert made.duration == pytest.approx(10, rel=0.02)
    assert store.list() == (made,)
    assert RecordingStore(tmp_path / "new folder").get(made.id) == made


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.streamer.recordings.test_file_writer import SEEN, frame
from seekcam.streamer.recordings.store import RecordingStore
recorder = RecordingStore(Path(sys.argv[1])).new("cut off")
for number in range(10_000):
    recorder.put(frame(number), SEEN, number / 30)
    time.sleep(1 / 300)
    if number == 299:
        print("ready", flush=True)
"""


def test_a_killed_process_leaves_a_file_playable_to_its_last_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = CHILD.format(tests=str(Path(__file__).parents[3]))
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"  # 10 s of stream time have been put
        child.send_signal(signal.SIGKILL)
    (left,) = RecordingStore(tmp_path).list()
    assert (left.complete, left.title, left.width, left.height) == (False, "cut off", 160, 120)
    frames = decoded(left.video)
    assert left.frames == len(frames)
    # The last second, and what was waiting for the encoder.
    assert left.duration > 10 - 1.1 - recorder_module.QUEUE_FRAMES / 30
    assert left.duration == pytest.approx(len(frames) / 30, abs=0.05)
    assert abs(len(lines(left.sidecar)) - len(frames)) <= 31  # a kill between the two files
    with monkeypatch.context() as patch:  # what was measured is kept: nobody reads the whole file again
        patch.setattr(av, "open", lambda *args, **options: pytest.fail("measured twice"))
        assert RecordingStore(tmp_path).list() == (left,)
    with left.video.open("r+b") as cut:
        cut.truncate(left.bytes // 2)  # a file that has changed since is another matter
    assert 0 < RecordingStore(tmp_path).get(left.id).frames < left.frames
    RecordingStore(tmp_path).delete(left.id)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size_are_fitted_into_the_first(tmp_path: Path) -> None:
    recorder = RecordingStore(tmp_path).new("turned")
    for number, (width, height) in enumerate([(160, 120), (120, 160), (320, 240), (161, 121)]):
        recorder.put(frame(50, width, height), SEEN, number / 30)
    made = recorder.stop()
    pictures = [f.to_ndarray(format="gray").astype(int) for f in decoded(made.video)]
    assert [p.shape for p in pictures] == [(120, 160)] * 4
    assert pictures[1][:, :30].max() < 30 < pictures[1][60, 80]
    assert abs(pictures[2] - pictures[0]).max() < 8


def test_the_frame_that_is_put_stays_as_it_was(tmp_path: Path) -> None:
    recorder = RecordingStore(tmp_path).new("shared")
    mine = frame(7)
    before = [bytes(plane) for plane in mine.planes]
    recorder.put(mine, SEEN, 1.0)
    recorder.stop()
    assert (mine.pts, mine.time_base, mine.pict_type) == (21000, Fraction(1, 90_000), 0)
    assert [bytes(plane) for plane in mine.planes] == before


def test_time_that_stands_still_or_runs_back_is_left_out(tmp_path: Path) -> None:
    recorder = RecordingStore(tmp_path).new("odd clock")
    for number, seconds in enumerate([1.0, 1.1, 1.1, 0.5, 1.2]):
        recorder.put(frame(number), SEEN, seconds)
    made = recorder.stop()
    assert (made.frames, made.dropped, len(lines(made.sidecar))) == (3, 2, 3)


def test_a_slow_disk_drops_frames_and_never_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    write = LiveVideoFile.write

    def slow(self: LiveVideoFile, picture: av.VideoFrame, seconds: float) -> bool:
        gate.wait(10)
        return write(self, picture, seconds)

    monkeypatch.setattr(LiveVideoFile, "write", slow)
    recorder = RecordingStore(tmp_path).new("slow")
    for number in range(100):
        recorder.put(frame(number), SEEN, number / 30)
    assert recorder.dropped >= 100 - recorder_module.QUEUE_FRAMES - 1
    gate.set()
    made = recorder.stop()
    assert made.frames + made.dropped == 100
    assert len(lines(made.sidecar)) == made.frames


def test_a_disk_that_fills_up_ends_the_recording_with_a_valid_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    free = iter([10**10] * 4 + [10**6] * 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=next(free)))
    recorder = RecordingStore(tmp_path, min_free_bytes=10**9).new("full")
    fill(recorder, [number / 30 for number in range(300)])
    made = recorder.stop()
    assert recorder.failed is not None
    assert "0.0 GB left" in recorder.failed
    assert made.complete
    assert made.ended == recorder.failed
    assert RecordingStore(tmp_path).get(made.id) == made
    assert len(decoded(made.video)) == made.frames == len(lines(made.sidecar)) < 300
    monkeypatch.undo()


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file of this process may grow past some bytes: writing fails as it does on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = 60_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    yield size
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_write_error_is_reported_and_what_was_written_plays(tmp_path: Path, small_files: int) -> None:
    recorder = RecordingStore(tmp_path).new("broken disk")
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for number in range(300):
        picture = av.VideoFrame.from_ndarray(np.roll(noise, number, 1), "rgb24")
        recorder.put(picture, SEEN, number / 30)
        time.sleep(0.001)
        if recorder.failed is not None:
            break
    recorder.put(frame(0), SEEN, 99.0)  # after the end: no error, no effect
    made = recorder.stop()
    assert recorder.failed is not None
    assert "cannot be written" in recorder.failed
    assert not made.complete


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        RecordingStore(tmp_path / "file" / "recordings").new("nowhere")
    with pytest.raises(UserError, match="GB free"):
        RecordingStore(tmp_path, min_free_bytes=2**62).new("never enough")


def test_a_recording_without_frames_leaves_nothing(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path)
    assert store.new("empty").stop().frames == 0
    assert store.list() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_running_recording_is_listed_and_kept(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path)
    recorder = store.new("running")
    recorder.put(frame(0), SEEN, 0.0)
    assert [r.id for r in store.list()] == [recorder.id]
    assert not store.get(recorder.id).complete
    with pytest.raises(RecordingBusyError, match="stop it first"):
        store.delete(recorder.id)
    recorder.stop()
    store.delete(recorder.id)
    assert store.list() == ()


@pytest.mark.parametrize("facts", ["", "{", "[]", "3", "{}", '{"complete": true}', "[" * 100_000, "\x00", "null"])
def test_damaged_facts_cost_the_list_one_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture, facts: str) -> None:
    store = RecordingStore(tmp_path)
    recorder = store.new("whole")
    fill(recorder, [0.0, 0.1])
    made = recorder.stop()
    (tmp_path / "20260101-000000-abcd.json").write_text(facts)
    (tmp_path / "20260101-000000-dcba.json").write_bytes(b"\xff\xfe\xfa")
    assert store.list() == (made,)
    assert "20260101-000000-abcd" in caplog.text
    with pytest.raises(UnknownRecordingError, match=r"abcd\.json are damaged: mend or remove"):
        store.get("20260101-000000-abcd")


def test_a_folder_that_cannot_be_written_is_still_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"id": "20260101-000000-abcd", "title": "cut", "started": "2026-01-01T00:00:00+00:00", "complete": False}
    (tmp_path / "20260101-000000-abcd.json").write_text(json.dumps(facts))

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recordings_module, "write_facts", full)
    (left,) = RecordingStore(tmp_path).list()
    assert (left.title, left.frames, left.complete) == ("cut", 0, False)


@pytest.mark.parametrize("wrong", ["../secret", "20260101-000000-abcd", "", "20260101-000000-abcd/..", "x" * 500])
def test_ids_that_name_no_recording(tmp_path: Path, wrong: str) -> None:
    (tmp_path.parent / "secret.json").write_text("{}")
    for method in (RecordingStore(tmp_path).get, RecordingStore(tmp_path).delete):
        with pytest.raises(UnknownRecordingError, match="no recording"):
            method(wrong)
    assert os.access(tmp_path.parent / "secret.json", os.R_OK)
