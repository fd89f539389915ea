"""Recordings over HTTP: start, stop, list, watch (by ranges), download and delete."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from seekcam.localization.errors import SettingsError, UserError
from seekcam.localization.settings import AnalysisSettings, Settings
from seekcam.streamer.hub import HUB
from seekcam.streamer.recordings.file_writer import Recording
from seekcam.streamer.recordings.store import UnknownRecordingError

Answer = TypeVar("Answer")

NOTHING_CAME = "No frame came while it ran, so there is nothing to keep."
MEDIA = {"video": "video/mp4", "sidecar": "application/jsonl"}

FILES = web.AppKey("recordings-files", ThreadPoolExecutor)
routes = web.RouteTableDef()


class StorageError(UserError):
    """The folder cannot be read or written, which is not the client's doing."""

    code = "storage"


async def open_files(app: web.Application) -> AsyncIterator[None]:
    """Clean-up context: one thread for the folder, so that slow disks never hold up the event loop."""
    app[FILES] = ThreadPoolExecutor(1, thread_name_prefix="recordings")
    yield
    app[FILES].shutdown(wait=False, cancel_futures=True)


@routes.post("/api/streams/{id}/recordings")
async def start(request: web.Request) -> web.Response:
    """Record a stream's annotated video; paint settings (opacity, boxes ...) may come with the query."""
    hub = request.app[HUB]
    settings = Settings().changed({name: value for name, value in request.query.items() if name != "token"})
    if settings.analysis != AnalysisSettings():
        raise SettingsError("A recording has paint settings of its own; what is analysed is the stream's to say.")
    recording_id = await hub.start_recording(request.match_info["id"], settings.paint)
    recording = await _on_disk(request, lambda: hub.recordings.get(recording_id))
    return web.json_response(to_json(recording), status=201, headers={"Location": f"/api/recordings/{recording_id}"})


@routes.delete("/api/streams/{id}/recordings/current")
async def stop(request: web.Request) -> web.Response:
    """Finish the stream's recording; the answer comes when the file is whole. Without a frame there is no file."""
    recording = await request.app[HUB].stop_recording(request.match_info["id"])
    answer = to_json(recording)
    if not recording.frames:
        answer |= {"video": None, "sidecar": None, "ended": recording.ended or NOTHING_CAME}
    return web.json_response(answer)


@routes.get("/api/recordings")
async def list_recordings(request: web.Request) -> web.Response:
    """Every recording, newest first, those in progress too."""
    found = await _on_disk(request, request.app[HUB].recordings.list)
    return web.json_response([to_json(recording) for recording in found])


@routes.get("/api/recordings/{id}")
async def send(request: web.Request) -> web.FileResponse:
    """The MP4, or with `?part=sidecar` the predictions as JSON lines; ranges are served."""
    part = request.query.get("part", "video")
    if part not in MEDIA:
        raise SettingsError(f"part must be one of {', '.join(MEDIA)}, not {part!r}.")
    recording = await _find(request)
    file = recording.video if part == "video" else recording.sidecar
    if not await _on_disk(request, file.is_file):
        raise UnknownRecordingError(f"Recording {recording.id} has no {part}: it was cut off before its first frame.")
    headers = {"Content-Type": MEDIA[part], "Content-Disposition": f'inline; filename="{file.name}"'}
    return web.FileResponse(file, headers={**headers, "Cache-Control": "private, no-cache"})


@routes.delete("/api/recordings/{id}")
async def delete(request: web.Request) -> web.Response:
    """Remove a recording's files; one in progress is refused."""
    store = request.app[HUB].recordings
    await _on_disk(request, lambda: store.delete(request.match_info["id"]))
    return web.Response(status=204)


def to_json(recording: Recording) -> dict[str, Any]:
    """A recording as clients see it; its files as addresses."""
    address = f"/api/recordings/{recording.id}"
    return {
        "id": recording.id,
        "title": recording.title,
        "started": recording.started,
        "duration": recording.duration,
        "frames": recording.frames,
        "bytes": recording.bytes,
        "width": recording.width,
        "height": recording.height,
        "dropped": recording.dropped,
        "complete": recording.complete,
        "ended": recording.ended,
        "video": address,
        "sidecar": f"{address}?part=sidecar",
    }


async def _find(request: web.Request) -> Recording:
    store = request.app[HUB].recordings
    return await _on_disk(request, lambda: store.get(request.match_info["id"]))


async def _on_disk(request: web.Request, work: Callable[[], Answer]) -> Answer:
    try:
        return await asyncio.get_running_loop().run_in_executor(request.app[FILES], work)
    except OSError as error:
        raise StorageError(f"The recordings folder cannot be used: {error.strerror or error}.") from error
