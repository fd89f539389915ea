"""`Recorder`: a stream's painted frames into a crash-safe MP4 and, line by line, their predictions beside it.

It has a thread of its own and a short queue: when the disk or the encoder is slow, frames are left out of the recording
(and counted), and the live stream never waits. Trouble ends the recording with a reason, and never reaches the stream.
"""

import json
import logging
import shutil
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av

from seekcam.localization.atomic import replace_file
from seekcam.localization.prediction import Prediction
from seekcam.streamer.media.live_file import LiveVideoFile, write_error

logger = logging.getLogger(__name__)

QUEUE_FRAMES = 30  # a second of video; 1.4 MB each at 720p


@dataclass(frozen=True)
class Recording:
    """A recording on disk, or one that is being made."""

    id: str
    title: str
    started: str  # ISO 8601 with the zone
    duration: float  # seconds
    frames: int
    bytes: int  # of the video
    width: int
    height: int
    dropped: int  # frames left out because the queue was full
    complete: bool  # False while it is made, and for one that was cut off by a crash
    video: Path
    sidecar: Path
    ended: str | None = None  # why it ended by itself, in a sentence; None when it was stopped, or cut off by a crash


class Recorder:
    """One recording in progress. `put` from any thread, then `stop` once.

    Args:
        started: what `Recording` says while nothing has been written.
        min_free_bytes: space to leave on the disk; the recording ends when there is less.
        record_file: where the facts of a finished recording are kept, as JSON.
    """

    def __init__(self, started: Recording, min_free_bytes: int, record_file: Path) -> None:
        self._started = started
        self._min_free_bytes = min_free_bytes
        self._record_file = record_file
        self._waiting: deque[tuple[av.VideoFrame, Prediction, float]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._dropped = 0
        self._complete = False
        self._failed: str | None = None
        self._lines: list[str] = []
        self._file = LiveVideoFile(started.video, self._fragment_written)
        self._sidecar: IO[str] | None = None
        self._thread = threading.Thread(target=self._run, name=f"record {started.id}", daemon=True)
        self._thread.start()

    @property
    def id(self) -> str:
        """The recording's id."""
        return self._started.id

    @property
    def failed(self) -> str | None:
        """Why the recording ended by itself; what was written until then is kept."""
        return self._failed

    @property
    def dropped(self) -> int:
        """Frames left out so far."""
        return self._dropped

    @property
    def running(self) -> bool:
        """Whether the files are still being written."""
        return self._thread.is_alive()

    def put(self, painted: av.VideoFrame, prediction: Prediction, pts: float) -> None:
        """Add a frame shown at `pts` seconds of its stream; never blocks, never raises, does not change the frame."""
        with self._wake:
            if self._stopping or self._failed is not None:
                return
            if len(self._waiting) >= QUEUE_FRAMES:
                self._dropped += 1
                return
            self._waiting.append((painted, prediction, pts))
            self._wake.notify()

    def stop(self) -> Recording:
        """Write what is waiting, finish the file and say what was made; blocks until that is done."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        return self.snapshot()

    def snapshot(self) -> Recording:
        """The recording as it stands."""
        video = self._started.video
        return Recording(
            id=self.id,
            title=self._started.title,
            started=self._started.started,
            duration=round(self._file.duration, 3),
            frames=self._file.frames,
            bytes=video.stat().st_size if video.exists() else 0,
            width=self._file.width,
            height=self._file.height,
            dropped=self._dropped,
            complete=self._complete,
            video=video,
            sidecar=self._started.sidecar,
            ended=self._failed,
        )

    def _run(self) -> None:
        try:
            with self._started.sidecar.open("w", encoding="utf-8") as self._sidecar:
                try:
                    self._write_frames()
                finally:
                    self._file.close()
            self._finish()
        except (OSError, av.FFmpegError) as error:
            self._end(str(write_error(self._started.video, error)))
        except Exception as error:
            # The stream goes on, so nobody would ever see this thread die.
            logger.exception("Recording %s failed", self.id)
            self._end(f"The recording stopped on an unexpected {type(error).__name__}: {error}.")

    def _finish(self) -> None:
        if self._file.frames:
            self._complete = True
            write_facts(self._record_file, _facts(self.snapshot()))
        else:
            # Nothing was shown while it ran: no entry in the list that could not be played.
            self._started.sidecar.unlink()
            self._record_file.unlink(missing_ok=True)

    def _write_frames(self) -> None:
        first: float | None = None
        while (entry := self._next()) is not None:
            frame, prediction, pts = entry
            if first is None:
                first = pts
            number = self._file.frames
            if self._file.write(frame, pts - first):
                self._lines.append(json.dumps(prediction.to_json(pts - first, number), ensure_ascii=False))
            else:
                self._dropped += 1

    def _next(self) -> tuple[av.VideoFrame, Prediction, float] | None:
        with self._wake:
            while not self._waiting and not self._stopping:
                self._wake.wait()
            if self._failed is not None or not self._waiting:
                return None
            return self._waiting.popleft()

    def _fragment_written(self) -> None:
        """Give the sidecar the lines of the frames that are safely in the file, and look at the disk."""
        if self._sidecar is None:
            return
        self._sidecar.writelines(f"{line}\n" for line in self._lines)
        self._sidecar.flush()
        self._lines.clear()
        free = shutil.disk_usage(self._started.video.parent).free
        if free < self._min_free_bytes:
            self._end(
                f"The recording stopped because the disk has only {free / 1e9:.1f} GB left "
                f"(at least {self._min_free_bytes / 1e9:.1f} GB stay free): delete some recordings."
            )

    def _end(self, reason: str) -> None:
        with self._wake:
            self._failed = self._failed or reason
            self._waiting.clear()
        logger.warning("Recording %s: %s", self.id, reason)


def _facts(recording: Recording) -> dict[str, object]:
    """What is kept of a finished recording; the paths and the size in bytes are read off the disk."""
    kept = ("id", "title", "started", "duration", "frames", "width", "height", "dropped", "complete", "ended")
    return {name: getattr(recording, name) for name in kept}


def write_facts(file: Path, facts: dict[str, object]) -> None:
    """Write a recording's facts whole or not at all."""
    replace_file(file, json.dumps(facts, ensure_ascii=False).encode())
