"""`Hub`: everything that lives as long as the server - models, streams, viewers, recordings - and its rules."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
from aiohttp import web
from aiortc import RTCPeerConnection
from numpy.typing import NDArray

from seekcam.localization.errors import UserError
from seekcam.localization.library import ModelLibrary
from seekcam.localization.prediction import Prediction
from seekcam.localization.settings import PAINT_NAMES, AnalysisSettings, PaintSettings, Settings
from seekcam.streamer.config import ServerConfig, is_loopback
from seekcam.streamer.engine import LocalEngine, MakeEngine
from seekcam.streamer.recordings.file_writer import Recording
from seekcam.streamer.recordings.recording_tasks import Recorders
from seekcam.streamer.recordings.store import RecordingStore
from seekcam.streamer.scheduler import Scheduler
from seekcam.streamer.served_models import ServedModels
from seekcam.streamer.sources.reader import SourceReader
from seekcam.streamer.sources.source_streams import SourceStreams
from seekcam.streamer.stream import Stream
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers.viewer import Viewer
from seekcam.streamer.webrtc import gathering
from seekcam.streamer.webrtc.closing import close_within

logger = logging.getLogger(__name__)

PAINT_THREADS = 2


class SessionCapError(UserError):
    """As many sessions as the server takes are open."""

    code = "session-cap"


class UnknownStreamError(UserError):
    """No stream of that id."""

    code = "unknown-stream"


class StreamTakenError(UserError):
    """A stream of that id is running."""

    code = "stream-taken"


class Hub:
    """The living parts of one server. Every method is called on the event loop.

    Args:
        make_engine: None takes this machine's.
    """

    def __init__(self, config: ServerConfig, make_engine: MakeEngine | None = None) -> None:
        self.config = config
        self.telemetry = Telemetry()
        local = partial(LocalEngine, provider=config.provider, slow_ms=config.slow_ms)
        self.models = ServedModels(ModelLibrary(), make_engine or local)
        self.recordings = RecordingStore(config.recordings, config.min_free_space)
        self.streams: dict[str, Stream] = {}
        self.viewers: dict[str, Viewer] = {}
        self.peers: set[RTCPeerConnection] = set()  # every one that is not closed, those that only send included
        self.ready = False
        self._sources = SourceStreams(self.telemetry, self._announce, self.close_stream)
        self._painting = ThreadPoolExecutor(PAINT_THREADS, thread_name_prefix="paint")
        self._recorders = Recorders(self.recordings, self._painting, self.telemetry, self._recording_failed)
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.scheduler = Scheduler(self.models.engine, self.telemetry)

    async def start(self) -> None:
        """Load the default model, then start the scheduler and the server-side sources."""
        loop = asyncio.get_running_loop()
        gathering.gather_on(self.config.ice_address or gathering.default_addresses(is_loopback(self.config.host)))
        if self.config.ice_ports:
            gathering.limit_udp_ports(loop, *self.config.ice_ports)
        await self.models.start(self.config.model)
        scheduling = asyncio.create_task(self.scheduler.run())
        scheduling.add_done_callback(self._scheduler_ended)
        self._tasks.append(scheduling)
        for spec in self.config.source:
            reader = SourceReader(spec.spec, once=spec.once)
            # Where a file lies is nobody's business but this machine's.
            name = PurePath(reader.shown).name if reader.kind == "file" else reader.shown
            stream = await self.open_stream(reader.kind, name, AnalysisSettings(), spec.name)
            self._sources.read(reader, stream)
        self.ready = True

    async def close(self) -> None:
        """Finish the recordings, say goodbye to the viewers and stop every thread."""
        self.ready = False
        loop = asyncio.get_running_loop()
        await self._recorders.close()
        goodbyes = [viewer.close("The server is stopping.") for viewer in list(self.viewers.values())]
        await _all_of(goodbyes)
        await _all_of([close_within(peer) for peer in list(self.peers)])  # publishers, and those still negotiating
        await self._sources.close()
        for stream in list(self.streams.values()):
            stream.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.models.engine.close()
        await loop.run_in_executor(None, self._painting.shutdown)

    def _scheduler_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.ready = False  # /readyz tells whoever watches over this server
            logger.critical("The scheduler has ended.", exc_info=task.exception())

    # Models

    async def refresh_models(self) -> None:
        """Look for model files that came, went or were replaced; those in use stay as they are."""
        await self.models.refresh(lambda: {side.model for s in self.streams.values() for side in s.sides})

    async def localize(self, rgb: NDArray[np.uint8], settings: AnalysisSettings) -> Prediction:
        """Localize in one RGB picture [H, W, 3], taking turns with the streams.

        Raises:
            UserError: settings that this server or the model cannot serve.
        """
        sides = await self.models.resolve(settings)
        outcome: asyncio.Future[Prediction | UserError] = asyncio.get_running_loop().create_future()

        def settle(result: Prediction | UserError) -> None:
            if not outcome.done():
                outcome.set_result(result)

        lane = self.scheduler.lane()
        try:
            lane.offer(sides.first.job(rgb), settle, sides.second.job(rgb) if sides.second is not None else None)
            result = await outcome
        finally:
            lane.close()
        if isinstance(result, UserError):
            raise result
        return result

    # Streams and viewers

    def check_room(self) -> None:
        """Refuse another peer connection beyond the configured number.

        Raises:
            SessionCapError: no room.
        """
        if len(self.peers) >= self.config.max_sessions:
            raise SessionCapError(
                f"All {self.config.max_sessions} sessions of this server are taken: try again when somebody has left."
            )

    def stream(self, stream_id: str) -> Stream:
        """The stream of that id.

        Raises:
            UnknownStreamError: there is none.
        """
        if stream_id not in self.streams:
            raise UnknownStreamError(f"There is no stream {stream_id!r}: GET /api/streams lists those that run.")
        return self.streams[stream_id]

    async def open_stream(self, kind: str, name: str, settings: AnalysisSettings, stream_id: str = "") -> Stream:
        """A new stream without a source yet; whoever feeds it closes it with `close_stream`.

        Raises:
            StreamTakenError: a stream of that id is running.
            UserError: settings that the model cannot serve.
        """
        sides = await self.models.resolve(settings)
        if stream_id in self.streams:
            raise StreamTakenError(f"A stream called {stream_id!r} is running: publish under another name.")
        stream_id = stream_id or secrets.token_urlsafe(9)
        stream = Stream(stream_id, kind, name, self.scheduler, self.telemetry, settings, sides)
        self.streams[stream.id] = stream
        self._locks[stream.id] = asyncio.Lock()
        self.telemetry.streams.set(len(self.streams))
        return stream

    async def close_stream(self, stream: Stream, detail: str) -> None:
        """End a stream: its recording is finished and its viewers are told why."""
        if self.streams.pop(stream.id, None) is None:
            return
        self._locks.pop(stream.id, None)
        if self._recorders.id_of(stream) is not None:
            await self._recorders.stop(stream)
        stream.close()
        await _all_of([v.close(detail) for v in list(self.viewers.values()) if v.stream is stream])
        self.telemetry.streams.set(len(self.streams))

    def add_viewer(
        self,
        stream: Stream,
        peer: RTCPeerConnection,
        paint: PaintSettings,
        mode: object = "video",
        own_camera: bool = False,
    ) -> Viewer:
        """A subscriber of `stream` on this peer connection.

        Raises:
            SettingsError: a return mode that there is not, or that needs `own_camera`.
        """
        viewer = Viewer(
            secrets.token_urlsafe(18),  # the session's URL is its key: nobody may guess it
            stream,
            peer,
            paint,
            self._painting,
            self.telemetry,
            self,
            mode,
            own_camera,
        )
        self.viewers[viewer.id] = viewer
        self.telemetry.viewers.set(len(self.viewers))
        return viewer

    async def change(self, viewer: Viewer, changes: Mapping[str, object], reply: object) -> None:
        """Apply settings that a viewer asked for, all or none, and tell whoever sees another picture for it."""
        stream = viewer.stream
        lock = self._locks.get(stream.id)
        if lock is None:
            return  # the stream has just ended
        async with lock:  # a model's card may take a moment to read, and the newest change must win
            before = stream.settings, stream.sides
            wanted = Settings(stream.settings, viewer.paint).changed(changes)
            if not PAINT_NAMES.issuperset(changes):  # paint never waits for a model
                stream.analyse_with(wanted.analysis, await self.models.resolve(wanted.analysis))
            viewer.paint = wanted.paint
        if (stream.settings, stream.sides) == before:
            self.tell(viewer, reply)
        else:
            self._announce(stream, viewer, reply)

    def tell(self, viewer: Viewer, reply: object = None) -> None:
        """What is in force now; at once, also while another change waits for its model."""
        watching = len(self._watching(viewer.stream))
        viewer.send_state(self._recorders.id_of(viewer.stream), watching, reply)

    def arrived(self, viewer: Viewer) -> None:
        """Tell everybody that there is one more who watches."""
        self._announce(viewer.stream)

    async def left(self, viewer: Viewer) -> None:
        """Forget a viewer, and tell the others."""
        self.viewers.pop(viewer.id, None)
        self.telemetry.viewers.set(len(self.viewers))
        self._announce(viewer.stream)

    def _announce(self, stream: Stream, replying_to: Viewer | None = None, reply: object = None) -> None:
        for viewer in self._watching(stream):
            self.tell(viewer, reply if viewer is replying_to else None)

    def _watching(self, stream: Stream) -> list[Viewer]:
        return [viewer for viewer in self.viewers.values() if viewer.stream is stream]

    def stream_summaries(self) -> list[dict[str, Any]]:
        """What `GET /api/streams` answers."""
        return [
            {
                **stream.summary(),
                "viewers": sum(viewer.stream is stream for viewer in self.viewers.values()),
                "recording": self._recorders.id_of(stream),
            }
            for stream in self.streams.values()
        ]

    # Recordings

    async def start_recording(self, stream_id: str, paint: PaintSettings | None = None) -> str:
        """Record a stream's annotated video; returns the recording's id.

        Raises:
            RecordingStateError: it is being recorded already.
            UserError: the recordings folder cannot be written, or the disk is full.
        """
        stream = self.stream(stream_id)
        async with self._locks[stream_id]:
            task = await self._recorders.start(stream, paint or PaintSettings())
        self._announce(stream)
        return task.id

    async def stop_recording(self, stream_id: str) -> Recording:
        """Finish the stream's recording; returns when the file is whole.

        Raises:
            RecordingStateError: none is running.
        """
        stream = self.stream(stream_id)
        recording = await self._recorders.stop(stream)
        self._announce(stream)
        return recording

    async def _recording_failed(self, stream: Stream, error: UserError) -> None:
        for viewer in self.viewers.values():
            if viewer.stream is stream:
                viewer.send_error(error)
        self._announce(stream)


async def _all_of(endings: Sequence[Awaitable[None]]) -> None:
    """Await all of them; one that fails is logged and keeps no other from ending."""
    for outcome in await asyncio.gather(*endings, return_exceptions=True):
        if isinstance(outcome, Exception):
            logger.error("Something did not close in order.", exc_info=outcome)


HUB = web.AppKey("hub", Hub)
