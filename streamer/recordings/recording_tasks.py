"""Recordings in progress: subscribers of streams whose painted frames go to a `Recorder` instead of a peer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

import av

from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import PaintSettings
from seekcam.streamer.recordings.file_writer import Recorder, Recording
from seekcam.streamer.recordings.store import RecordingStore
from seekcam.streamer.stream import Result, Stream
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers.painter import Painter

logger = logging.getLogger(__name__)

WHOLE_WITHIN_S = 2.0  # for a page to send its whole pictures, which it shrinks while nobody keeps them
WHOLE = 0.9  # share of their pixels that counts as whole: encoders want even sides


class RecordingStateError(UserError):
    """A recording that runs already, or none that could be stopped."""

    code = "recording-state"


class RecordingFailedError(UserError):
    """A recording that ended by itself; what was written until then is kept."""

    code = "recording-failed"


class RecordingTask:
    """Paints a stream's results and hands them to a recorder until `stop`.

    A file keeps the size of its first frame. So where the source says that its own pictures are larger than what it
    sends, the recording begins with the first whole one, or after `WHOLE_WITHIN_S`.

    Args:
        failed: called once, on the event loop, with the reason for which the recorder gave up (a full disk, say).
    """

    def __init__(
        self,
        stream: Stream,
        recorder: Recorder,
        paint: PaintSettings,
        executor: Executor,
        telemetry: Telemetry,
        failed: Callable[["RecordingTask", str], None],
    ) -> None:
        self.id = recorder.id
        self.stream = stream
        self._telemetry = telemetry
        self._on_failed: Callable[[RecordingTask, str], None] | None = failed
        self._recorder = recorder
        self._painter = Painter(executor, lambda: paint, self._painted, self._failed, telemetry)
        self._waits_until: float | None = time.monotonic() + WHOLE_WITHIN_S
        self._too_small: Result | None = None  # the newest one that was waited out
        stream.subscribe(self._offer, self._failed)

    async def stop(self) -> Recording:
        """Leave the stream and wait for the file to be whole."""
        self.stream.unsubscribe(self._offer, self._failed)
        if self._too_small is not None:
            self._painter.offer(self._too_small)  # better than nothing
        await self._painter.finish()
        recording = await asyncio.get_running_loop().run_in_executor(None, self._recorder.stop)
        self._telemetry.recorder_dropped(recording.dropped)
        return recording

    def _offer(self, result: Result) -> None:
        if self._waits_until is not None:
            width, height = self.stream.whole or (0, 0)
            whole = result.picture.width * result.picture.height >= WHOLE * width * height
            if not whole and time.monotonic() < self._waits_until:
                self._too_small = result
                return
            self._waits_until = self._too_small = None
        self._painter.offer(result)

    def _painted(self, painted: av.VideoFrame, result: Result, prediction: Prediction) -> None:
        self._recorder.put(painted, prediction, result.arrival.pts)
        if self._recorder.failed is not None and self._on_failed is not None:
            self._on_failed(self, self._recorder.failed)
            self._on_failed = None  # once is enough

    def _failed(self, error: UserError) -> None:
        """A frame without a result has no place in the file; the viewers are told by themselves."""


class Recorders:
    """The recordings in progress, one a stream at most.

    Args:
        failed: awaited with the stream and the reason after a recording has ended by itself.
    """

    def __init__(
        self,
        store: RecordingStore,
        executor: Executor,
        telemetry: Telemetry,
        failed: Callable[[Stream, UserError], Awaitable[None]],
    ) -> None:
        self._store = store
        self._executor = executor
        self._telemetry = telemetry
        self._failed = failed
        self._running: dict[str, RecordingTask] = {}  # by stream
        self._ending: set[asyncio.Task[None]] = set()

    def id_of(self, stream: Stream) -> str | None:
        """The id of the stream's recording, when it is being recorded."""
        task = self._running.get(stream.id)
        return task.id if task is not None else None

    async def start(self, stream: Stream, paint: PaintSettings) -> RecordingTask:
        """Begin to record a stream.

        Raises:
            RecordingStateError: it is being recorded already.
            UserError: the folder cannot be written, or the disk is full.
        """
        if stream.id in self._running:
            raise RecordingStateError("This stream is being recorded already: stop that recording first.")
        loop = asyncio.get_running_loop()
        recorder = await loop.run_in_executor(None, self._store.new, stream.name)
        if stream.closed:
            await loop.run_in_executor(None, recorder.stop)
            raise RecordingStateError("This stream has just ended, so there is nothing to record.")
        task = RecordingTask(stream, recorder, paint, self._executor, self._telemetry, self._gave_up)
        self._running[stream.id] = task
        return task

    async def stop(self, stream: Stream) -> Recording:
        """Finish the stream's recording; returns when the file is whole.

        Raises:
            RecordingStateError: none is running.
        """
        if stream.id not in self._running:
            raise RecordingStateError("This stream is not being recorded.")
        return await self._running.pop(stream.id).stop()

    async def close(self) -> None:
        """Finish every recording."""
        await asyncio.gather(*(self.stop(task.stream) for task in list(self._running.values())), *self._ending)

    def _gave_up(self, task: RecordingTask, reason: str) -> None:
        logger.warning("Recording %s ended by itself: %s", task.id, reason)
        ending = asyncio.create_task(self._end(task, reason))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, task: RecordingTask, reason: str) -> None:
        if self._running.get(task.stream.id) is task:
            await self.stop(task.stream)
        await self._failed(task.stream, RecordingFailedError(reason))
