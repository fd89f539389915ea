"""Paints results for one consumer, newest first, on threads that are neither the loop's nor the encoders'."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from types import MappingProxyType

import av

from seekcam.localization.errors import UserError
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import PaintSettings
from seekcam.streamer.media.frames import paint_frame
from seekcam.streamer.stream import Result
from seekcam.streamer.telemetry import Telemetry

logger = logging.getLogger(__name__)

OnPainted = Callable[[av.VideoFrame, Result, Prediction], None]  # the prediction has its ms completed


class Painter:
    """A one-slot mailbox in front of a paint thread.

    Args:
        paint: asked anew for every frame, so that a change shows on the next one.
        on_painted: called on the event loop with a frame of the caller's own.
        failed: called instead when a frame could not be painted.
    """

    def __init__(
        self,
        executor: Executor,
        paint: Callable[[], PaintSettings],
        on_painted: OnPainted,
        failed: Callable[[UserError], None],
        telemetry: Telemetry,
    ) -> None:
        self._executor = executor
        self._paint = paint
        self._on_painted = on_painted
        self._failed = failed
        self._telemetry = telemetry
        self._waiting: Result | None = None
        self._task: asyncio.Task[None] | None = None

    def offer(self, result: Result) -> None:
        """Paint this one next; one that still waits is dropped for it."""
        if self._waiting is not None:
            self._telemetry.dropped("painter busy")
        self._waiting = result
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def finish(self) -> None:
        """See out the running paint, and that of what waits."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Drop what waits and see the running paint out."""
        self._waiting = None
        await self.finish()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting is not None:
            result, self._waiting = self._waiting, None
            started = time.monotonic()
            try:
                painted = await loop.run_in_executor(
                    self._executor, paint_frame, result.picture, result.prediction, self._paint()
                )
            except Exception:
                # Nobody awaits this task: without a word the picture would just stand still.
                logger.exception("A frame could not be painted.")
                self._failed(UserError("This frame could not be painted; the server's log says why."))
                continue
            now = time.monotonic()
            ms: Mapping[str, float] = MappingProxyType(
                {
                    **result.prediction.ms,
                    "paint": (now - started) * 1e3,
                    "total": (now - result.arrival.received) * 1e3,
                }
            )
            self._on_painted(painted, result, replace(result.prediction, ms=ms))
