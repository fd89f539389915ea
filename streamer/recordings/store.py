"""`RecordingStore`: the recordings folder - list, look up, delete, begin - including what a crash left behind.

A recording is three files: ID.mp4, ID.jsonl (one prediction a line) and ID.json (its facts). The facts are completed
when the recording is; where a crash came first, the video itself is asked, once.
"""

import json
import logging
import re
import secrets
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import av

from seekcam.localization.errors import UserError
from seekcam.streamer.media.live_file import write_error
from seekcam.streamer.recordings.file_writer import Recorder, Recording, write_facts

logger = logging.getLogger(__name__)

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_LONGEST_TITLE = 200


class UnknownRecordingError(UserError):
    """No recording of that id."""

    code = "unknown-recording"


class DamagedRecordingError(UnknownRecordingError):
    """A recording whose facts cannot be read."""


class RecordingBusyError(UserError):
    """A recording that is still being made."""

    code = "recording-state"


class RecordingStore:
    """The recordings in one folder, newest first.

    Args:
        folder: made when the first recording begins.
        min_free_bytes: space that recordings leave on the disk.
    """

    def __init__(self, folder: Path, min_free_bytes: int = 0) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._running: dict[str, Recorder] = {}

    def new(self, title: str) -> Recorder:
        """Begin a recording.

        Raises:
            UserError: the folder cannot be written, or the disk is too full.
        """
        now = datetime.now().astimezone()
        recording_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        started = Recording(
            id=recording_id,
            title=title[:_LONGEST_TITLE],
            started=now.isoformat(timespec="seconds"),
            duration=0.0,
            frames=0,
            bytes=0,
            width=0,
            height=0,
            dropped=0,
            complete=False,
            video=self._folder / f"{recording_id}.mp4",
            sidecar=self._folder / f"{recording_id}.jsonl",
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
            if free < self._min_free_bytes:
                raise UserError(
                    f"The disk has only {free / 1e9:.1f} GB left and recordings leave "
                    f"{self._min_free_bytes / 1e9:.1f} GB free: delete some of them."
                )
            record = {"id": recording_id, "title": started.title, "started": started.started, "complete": False}
            write_facts(self._record_file(recording_id), record)
        except OSError as error:
            raise write_error(self._folder, error) from error
        self._running = {key: recorder for key, recorder in self._running.items() if recorder.running}
        recorder = Recorder(started, self._min_free_bytes, self._record_file(recording_id))
        self._running[recording_id] = recorder
        return recorder

    def list(self) -> tuple[Recording, ...]:
        """Every recording, newest first; those being made are there too, those with damaged facts are not."""
        if not self._folder.is_dir():
            return ()
        ids = sorted((file.stem for file in self._folder.glob("*.json") if _ID.fullmatch(file.stem)), reverse=True)
        found = []
        for recording_id in ids:
            try:
                found.append(self.get(recording_id))
            except DamagedRecordingError as error:
                logger.warning("%s", error)
            except UnknownRecordingError:
                continue  # deleted since the folder was read
        return tuple(found)

    def get(self, recording_id: str) -> Recording:
        """One recording.

        Raises:
            UnknownRecordingError: there is none of that id, or it is no id at all.
            DamagedRecordingError: its facts cannot be read.
        """
        record_file = self._record_file(recording_id)
        recorder = self._running.get(recording_id)
        if recorder is not None and recorder.running:
            return recorder.snapshot()
        if not record_file.is_file():
            raise UnknownRecordingError(f"There is no recording {recording_id!r}.")
        video = self._folder / f"{recording_id}.mp4"
        size = video.stat().st_size if video.exists() else 0
        try:
            record = json.loads(record_file.read_text(encoding="utf-8"))
            # The size tells whether the file has grown since it was measured: another process may be writing it.
            if not record["complete"] and record.pop("measured_bytes", None) != size:
                record = {**record, **_measured(video), "dropped": 0, "ended": recorder.failed if recorder else None}
                self._keep(record_file, {**record, "measured_bytes": size})
            return Recording(**record, bytes=size, video=video, sidecar=self._folder / f"{recording_id}.jsonl")
        except FileNotFoundError:
            raise UnknownRecordingError(f"There is no recording {recording_id!r}.") from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DamagedRecordingError(
                f"The facts of recording {recording_id!r} in {record_file} are damaged: mend or remove that file."
            ) from error

    def delete(self, recording_id: str) -> None:
        """Remove a recording's files.

        Raises:
            UnknownRecordingError: there is none of that id.
            RecordingBusyError: it is still being made.
        """
        recording = self.get(recording_id)
        recorder = self._running.get(recording_id)
        if recorder is not None and recorder.running:
            raise RecordingBusyError(f"Recording {recording_id} is still running: stop it first.")
        # The facts go last: were this cut short, the rest would still be listed and could be deleted again.
        for file in (recording.video, recording.sidecar, self._record_file(recording_id)):
            file.unlink(missing_ok=True)

    def _keep(self, record_file: Path, facts: dict[str, object]) -> None:
        try:
            write_facts(record_file, facts)
        except OSError as error:
            logger.warning("%s", write_error(record_file, error))  # a full disk: measured anew next time

    def _record_file(self, recording_id: str) -> Path:
        if not _ID.fullmatch(recording_id):
            raise UnknownRecordingError(f"There is no recording {recording_id!r}.")
        return self._folder / f"{recording_id}.json"


def _measured(video: Path) -> dict[str, Any]:
    """Duration, frames and size of a video that a crash cut off, by reading its packets (nothing is decoded)."""
    nothing: dict[str, Any] = {"duration": 0.0, "frames": 0, "width": 0, "height": 0}
    try:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            ends = [
                float((packet.pts + (packet.duration or 0)) * packet.time_base)
                for packet in container.demux(stream)
                if packet.pts is not None
            ]
            return {
                "duration": round(max(ends, default=0.0), 3),
                "frames": len(ends),
                "width": stream.width,
                "height": stream.height,
            }
    except (OSError, av.FFmpegError, IndexError):
        return nothing  # cut off before the first fragment was whole
