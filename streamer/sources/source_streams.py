"""The server's own sources as streams: each is read by a thread of its own, and its state told to who watches."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from seekcam.streamer.sources.reader import SourceReader
from seekcam.streamer.stream import Stream
from seekcam.streamer.stream_state import StreamState
from seekcam.streamer.telemetry import Telemetry

logger = logging.getLogger(__name__)


class SourceStreams:
    """The sources in use.

    Args:
        changed: called when a source's state is another one.
        ended: awaited when a source has come to its end or failed for good, with what to tell its viewers.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        changed: Callable[[Stream], None],
        ended: Callable[[Stream, str], Awaitable[None]],
    ) -> None:
        self._telemetry = telemetry
        self._changed = changed
        self._ended = ended
        self._readers: dict[str, SourceReader] = {}  # by stream
        self._ending: set[asyncio.Task[None]] = set()
        self._closing = False

    def read(self, reader: SourceReader, stream: Stream) -> None:
        """Feed `stream` from `reader` until the source ends."""
        loop = asyncio.get_running_loop()

        def on_state(state: StreamState, detail: str) -> None:
            loop.call_soon_threadsafe(self._on_state, stream, state, detail)

        self._readers[stream.id] = reader
        self._count()
        reader.start(stream.push_threadsafe, on_state)

    async def close(self) -> None:
        """Stop every reader."""
        self._closing = True
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, reader.stop) for reader in self._readers.values()))
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _on_state(self, stream: Stream, state: StreamState, detail: str) -> None:
        if self._closing or not stream.enter(state, detail):
            return  # a looped file says "playing" each time round
        logger.info("Source %s: %s%s", stream.id, state, f" ({detail})" if detail else "")
        if state not in (StreamState.ended, StreamState.failed):
            self._changed(stream)
            return
        self._readers.pop(stream.id, None)
        self._count()
        ending = asyncio.create_task(self._end(stream, detail or "This source has come to its end."))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, stream: Stream, detail: str) -> None:
        await self._ended(stream, detail)

    def _count(self) -> None:
        self._telemetry.decoded_sources.set(len(self._readers))
