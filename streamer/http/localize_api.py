"""`POST /api/localize`: a picture in; what is where, as JSON or painted into the picture, out (Contract 4)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web
from multidict import MultiMapping

from seekcam.localization.errors import PictureError, SettingsError, TooLargeError, UserError
from seekcam.localization.painting.overlay import paint_rgb
from seekcam.localization.pictures import decode_picture, encode_png
from seekcam.localization.settings import Settings
from seekcam.streamer.http.error_statuses import status_of
from seekcam.streamer.hub import HUB
from seekcam.streamer.viewers.json_message import brief

FORMATS = ("json", "png")
NO_SETTINGS = ("format", "token")  # query parameters that are not settings
PREDICTION_HEADER = "X-Seekcam-Prediction"
# Clients take header lines of some 8 KB (aiohttp: 8,190); what goes beyond is left out and "truncated" says so.
MAX_HEADER = 7000
# Decoding and painting leave the interpreter's lock, so two threads keep two cores busy; more would only hold memory.
THREADS = 2
# Decoded pictures held at once: 4 x 50 million pixels x 3 bytes are 600 MB.
MAX_DECODED = 4

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Workshop:
    """What one server shares among its uploads."""

    executor: ThreadPoolExecutor
    room: asyncio.Semaphore


WORKSHOP = web.AppKey("localize-workshop", Workshop)


async def open_workshop(app: web.Application) -> AsyncIterator[None]:
    """Clean-up context: the threads live as long as the server."""
    app[WORKSHOP] = Workshop(ThreadPoolExecutor(THREADS, thread_name_prefix="picture"), asyncio.Semaphore(MAX_DECODED))
    yield
    app[WORKSHOP].executor.shutdown(wait=False, cancel_futures=True)


async def refuse_large(request: web.Request) -> web.Response | None:
    """Answer `Expect: 100-continue`: a body that is announced too large is never sent."""
    if (request.content_length or 0) > request.app[HUB].config.max_body:
        error = _too_large(request.app[HUB].config.max_body)
        return web.json_response({"error": error.code, "detail": str(error)}, status=status_of(error))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the interim answer does not count as part of the answer
    return None


@routes.post("/api/localize", expect_handler=refuse_large)
async def localize_picture(request: web.Request) -> web.Response:
    """Localize in the uploaded picture; settings and `format` come with the query."""
    hub, workshop = request.app[HUB], request.app[WORKSHOP]
    settings, answer = read_query(request.query)
    await hub.models.resolve(settings.analysis)  # a wrong setting is told before the body is taken
    data = await read_picture_body(request, hub.config.max_body)
    loop = asyncio.get_running_loop()
    async with workshop.room:
        picture = await loop.run_in_executor(workshop.executor, decode_picture, data, hub.config.max_pixels)
        prediction = await hub.localize(picture, settings.analysis)
        height, width = picture.shape[:2]
        document = {**prediction.to_json(0.0, 0), "width": width, "height": height}
        if answer == "json":
            return web.json_response(document)
        png = await loop.run_in_executor(
            workshop.executor, lambda: encode_png(paint_rgb(picture, prediction, settings.paint))
        )
    return web.Response(body=png, content_type="image/png", headers={PREDICTION_HEADER: header_json(document)})


def read_query(query: MultiMapping[str]) -> tuple[Settings, str]:
    """The settings of a query and its `format`; `classes` may be given several times.

    Raises:
        SettingsError: an unknown name, an impossible value, or a setting given twice.
    """
    answer = query.get("format", "json")
    if answer not in FORMATS:
        raise SettingsError(f"format must be one of {', '.join(FORMATS)}, not {answer!r}.")
    changes: dict[str, object] = {}
    for name in dict.fromkeys(query.keys()):
        if name in NO_SETTINGS:
            continue
        values = query.getall(name)
        if len(values) > 1 and name != "classes":
            raise SettingsError(f"{name} was given {len(values)} times: give it once.")
        changes[name] = values if len(values) > 1 else values[0]
    return Settings().changed(changes), answer


async def read_picture_body(request: web.Request, limit: int) -> bytes:
    """The picture's bytes: the body itself, or the first file of a multipart form.

    Raises:
        TooLargeError: the body is announced or turns out longer than `limit` bytes; the rest is not read.
        PictureError: a form without a file.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if not request.content_type.startswith("multipart/"):
        data = bytearray()
        async for chunk in request.content.iter_any():
            data += chunk
            if len(data) > limit:
                raise _too_large(limit)
        return bytes(data)
    try:
        return await _first_file(request, limit)
    except (ValueError, AssertionError) as error:
        raise UserError(f"The multipart body is broken ({error}): send the picture as the body itself.") from error


async def _first_file(request: web.Request, limit: int) -> bytes:
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form inside the form")
        data = bytearray()
        while chunk := await part.read_chunk():
            if part.filename is not None:
                data += chunk
            if request.content.total_bytes > limit:
                raise _too_large(limit)
        if part.filename is not None:
            return bytes(data)
    raise PictureError("The form holds no file: add the picture as a file field.")


def header_json(document: Mapping[str, Any]) -> str:
    """The prediction on one ASCII line, as whole as a header may be long."""
    return brief(document, MAX_HEADER, ascii_only=True)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"The body is larger than the {limit / 1e6:g} MB that are taken: send a smaller picture.")
