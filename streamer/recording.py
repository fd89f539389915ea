"""A recording in progress: a subscriber of a stream whose painted frames go to a `Recorder` instead of a peer."""

import asyncio
from concurrent.futures import Executor

import av

from localization.errors import UserError
from localization.prediction import Prediction
from localization.settings import PaintSettings
from streamer.painter import Painter
from streamer.recorder import Recorder, Recording
from streamer.stream import Result, Stream
from streamer.telemetry import Telemetry


class RecordingTask:
    """Paints a stream's results and hands them to a recorder until `stop`."""

    def __init__(
        self, stream: Stream, recorder: Recorder, paint: PaintSettings, executor: Executor, telemetry: Telemetry
    ) -> None:
        self.id = recorder.id
        self._stream = stream
        self._recorder = recorder
        self._painter = Painter(executor, lambda: paint, self._painted, telemetry)
        stream.subscribe(self._painter.offer, self._failed)

    async def stop(self) -> Recording:
        """Leave the stream and wait for the file to be whole."""
        if self._stream.state != "ended":
            self._stream.unsubscribe(self._painter.offer, self._failed)
        await self._painter.close()
        return await asyncio.get_running_loop().run_in_executor(None, self._recorder.stop)

    def _painted(self, painted: av.VideoFrame, result: Result, prediction: Prediction) -> None:
        self._recorder.put(painted, prediction, result.arrival.pts)

    def _failed(self, error: UserError) -> None:
        """A frame without a result has no place in the file; the viewers are told by themselves."""
