"""Annotate a camera, or a network stream, until it is told to stop."""

import json
import threading
from contextlib import nullcontext

import av

from seekcam.localization.painting.overlay import FILE
from seekcam.streamer.annotate.analyst import Analyst
from seekcam.streamer.annotate.plan import OnProgress, Summary, Task, told
from seekcam.streamer.media.frames import paint_frame
from seekcam.streamer.media.live_file import LiveVideoFile
from seekcam.streamer.sources.reader import SourceReader, open_source, parse_source
from seekcam.streamer.stream_state import StreamState


class _Newest:
    """One frame waits to be annotated; a newer one takes its place, so that the picture is never late."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: av.VideoFrame | None = None
        self._ended = False
        self.missed = 0
        self.trouble = ""

    def put(self, frame: av.VideoFrame, received: float) -> None:
        with self._changed:
            self.missed += self._frame is not None
            self._frame = frame
            self._changed.notify()

    def state(self, state: StreamState, detail: str) -> None:
        with self._changed:
            self.trouble = detail
            self._ended = state in (StreamState.ended, StreamState.failed)
            self._changed.notify()

    def take(self, stop: threading.Event) -> av.VideoFrame | None:
        """The newest frame; None when the source has ended or `stop` is set."""
        with self._changed:
            while self._frame is None and not self._ended and not stop.is_set():
                self._changed.wait(0.1)  # a signal handler may set `stop`, and must not wait for this lock
            frame, self._frame = self._frame, None
            return None if stop.is_set() else frame


def annotate_camera(analyst: Analyst, task: Task, stop: threading.Event, on_progress: OnProgress) -> Summary:
    """Annotate what comes until `stop` is set or the source ends; frames that come too fast are left out.

    The file is playable at any moment, under a temporary name; it gets its own name in the end.

    Raises:
        UserError: the camera cannot be opened, or the output cannot be written.
    """
    source = parse_source(task.source)
    open_source(source).close()
    newest = _Newest()
    unfinished = task.output.with_name(f".{task.output.stem}.part.mp4")
    lines = None if task.sidecar is None else task.sidecar.with_name(f".{task.sidecar.name}.part")
    reader = SourceReader(task.source, once=True)
    video = LiveVideoFile(unfinished)
    first: float | None = None
    with told(task.output), lines.open("w", encoding="utf-8") if lines else nullcontext() as sidecar:
        reader.start(newest.put, newest.state)
        try:
            while (frame := newest.take(stop)) is not None:
                first = frame.time if first is None else first
                pts = frame.time - first
                [prediction] = analyst.follow([frame], [analyst.fit(frame, pts)], [pts])
                number = video.frames
                if video.write(paint_frame(frame, prediction, analyst.settings.paint, FILE), pts):
                    if sidecar is not None:
                        sidecar.write(json.dumps(prediction.to_json(pts, number), ensure_ascii=False) + "\n")
                    on_progress(video.frames, None)
        finally:
            reader.stop()
            video.close()
    notes = [newest.trouble] if newest.trouble else []
    if newest.missed:
        notes.append(f"{newest.missed} frames came faster than they could be localized and were left out.")
    with told(task.output):
        if video.frames:
            unfinished.replace(task.output)
        else:
            notes.append("No frame came, so there is no output.")
        if lines is not None and task.sidecar is not None:
            lines.replace(task.sidecar) if video.frames else lines.unlink()
    return Summary(task.output, task.kind, video.frames, notes=tuple(notes))
