"""A peer's camera as a stream: its first video track is decoded straight into it, and ends it."""

import asyncio
import logging
import time
from collections.abc import Callable

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError

from seekcam.streamer.hub import Hub
from seekcam.streamer.stream import SentAs, Stream
from seekcam.streamer.stream_state import StreamState
from seekcam.streamer.webrtc import jitter_buffer, sender_reports
from seekcam.streamer.webrtc.camera_decoder import CameraDecoder
from seekcam.streamer.webrtc.capture_clock import CaptureClock

logger = logging.getLogger(__name__)


def feed(hub: Hub, peer: RTCPeerConnection, stream: Stream) -> None:
    """Bring the peer's first video track into `stream`, drain its other tracks, and end the stream with the track."""
    tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
    ending: set[asyncio.Task[None]] = set()

    def failed(error: Exception) -> None:
        # Nobody waits for an answer: without a word the stream would stay "playing".
        logger.error("The camera of stream %s could not be read on.", stream.id, exc_info=error)
        stream.turn_away()  # one such error is enough
        end = hub.close_stream(stream, "The server failed at this camera; its log says why.")
        ending.add(task := asyncio.create_task(end))
        task.add_done_callback(ending.discard)

    stream.on_defect = failed

    @peer.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        first = track.kind == "video" and stream.state is StreamState.opening
        if first:
            stream.enter(StreamState.connecting)
        if track.kind == "video":
            receiver = next(t.receiver for t in peer.getTransceivers() if t.receiver.track is track)
            decoder = decode(receiver, stream, failed)
            if not first:
                decoder.close()  # nothing of a second camera is decoded
        task = asyncio.create_task(pump(hub, track, stream, decoder, failed) if first else _drain(track))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    @peer.on("connectionstatechange")
    async def on_state() -> None:
        if peer.connectionState in ("failed", "closed"):
            for task in tasks:
                task.cancel()  # a track whose connection never came about does not end by itself
            await hub.close_stream(stream, "The camera of this stream has left.")


def decode(receiver: RTCRtpReceiver, stream: Stream, failed: Callable[[Exception], None]) -> CameraDecoder:
    """Have what this receiver receives decoded straight into `stream`, each frame with what its sender calls it.

    Close the decoder when the track has ended. Where it cannot be put in, the frames come from the track, unnamed.

    Args:
        failed: called on the event loop when decoding has ended for an error that should not be.
    """
    loop = asyncio.get_running_loop()
    clock = CaptureClock()

    def push(frame: av.VideoFrame, received: float, rtp: int) -> None:
        stream.push_threadsafe(frame, received, SentAs(rtp, clock.captured_ms(rtp)))

    def tell(error: Exception) -> None:
        loop.call_soon_threadsafe(failed, error)

    decoder = CameraDecoder(push, tell)
    if jitter_buffer.release_early(receiver, decoder):
        sender_reports.on_sender_report(receiver, clock.report)
    return decoder


async def pump(
    hub: Hub, track: MediaStreamTrack, stream: Stream, decoder: CameraDecoder, failed: Callable[[Exception], None]
) -> None:
    """See the track to its end, and the stream with it; frames that do not go to `decoder` are taken at once."""
    try:
        while True:
            frame = await track.recv()
            assert isinstance(frame, av.VideoFrame)
            stream.push(frame, time.monotonic())
    except MediaStreamError:
        # The track's end and the connection's come together, and the latter cancels this task: not half-way through.
        await asyncio.shield(hub.close_stream(stream, "The camera of this stream has left."))
    except Exception as error:  # noqa: BLE001 - logged by `failed`
        failed(error)
    finally:
        decoder.close()


async def _drain(track: MediaStreamTrack) -> None:
    try:
        while True:
            await track.recv()
    except MediaStreamError:
        return
