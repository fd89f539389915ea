"""The OpenAPI 3.1 document of the HTTP interface, at `/api/openapi.json`; tests hold the routes and answers to it."""

from functools import cache
from importlib.metadata import version
from typing import Any

from aiohttp import web

from seekcam.streamer.http.openapi_schemas import PAINT, SCHEMAS, SETTINGS, TEXT, Schema, choice, listed, ref

ERRORS = {
    400: "Wrong request or setting",
    401: "No token, or a wrong one",
    403: "Another site's page made this request",
    404: "No such thing",
    406: "No codec in common",
    409: "Not in this state",
    412: "Meant for another ICE session",
    413: "Too large",
    415: "Wrong kind of content, or a picture that cannot be read",
    422: "Not supported by this server",
    428: "`If-Match` is missing",
    503: "All sessions are taken; `Retry-After` says when to ask again",
    507: "The recordings folder cannot be used",
}
SDP = "application/sdp"
routes = web.RouteTableDef()


@routes.get("/api/openapi.json")
async def show_document(request: web.Request) -> web.Response:
    """This document."""
    return web.json_response(document())


@cache
def document() -> dict[str, Any]:
    """The whole document; shared, so not to be changed."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "seekcam",
            "version": version("seekcam"),
            "description": "Live class activation maps and boxes. Errors are `{error, detail}`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"query": []}],
        "paths": {**_about(), **_models(), **_streams(), **_sessions(), **_whip("whip"), **_whip("whep")},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


def _content(kinds: dict[str, Schema]) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind, schema in kinds.items()}


def _operation(summary: str, answers: dict[int, Any], errors: tuple[int, ...] = (), **more: Any) -> dict[str, Any]:
    """One operation: `answers` maps a status to a schema (JSON), a dictionary of media types, or a sentence."""
    responses: dict[str, Any] = {}
    for status, answer in answers.items():
        if isinstance(answer, str):
            responses[str(status)] = {"description": answer}
        else:
            kinds = answer if any("/" in key for key in answer) else {"application/json": answer}
            responses[str(status)] = {"description": summary, "content": _content(kinds)}
    for status in (*errors, *(() if more.get("security") == [] else (401, 403))):
        content = _content({"application/json": ref("Error")})
        responses[str(status)] = {"description": ERRORS[status], "content": content}
    return {"summary": summary, "responses": responses, **more}


def _path(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]


def _query(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Settings as query parameters; an empty value counts as null."""
    return [{"name": name, "in": "query", "schema": SETTINGS[name]} for name in names]


def _body(kinds: dict[str, Schema]) -> dict[str, Any]:
    return {"required": True, "content": _content(kinds)}


def _about() -> dict[str, Any]:
    status, ranges = ref("Status"), "The file"
    file = {"text/html": TEXT}
    return {
        "/": {"get": _operation("The page", {200: file}, security=[])},
        "/static/{filename}": {
            "get": _operation("The page's files", {200: ranges}, (404,), security=[], parameters=_path("filename"))
        },
        "/healthz": {"get": _operation("Whether the process answers", {200: status}, security=[])},
        "/readyz": {"get": _operation("Whether the default model is loaded and warm", {200: status, 503: status})},
        "/metrics": {"get": _operation("Prometheus' text format", {200: {"text/plain": TEXT}})},
        "/api/openapi.json": {"get": _operation("This document", {200: {"type": "object"}})},
        "/api/config": {"get": _operation("What to know before a session", {200: ref("Config")})},
    }


def _models() -> dict[str, Any]:
    form = {"type": "object", "properties": {"file": {"type": "string", "contentMediaType": "image/*"}}}
    answer_format = {"name": "format", "in": "query", "schema": choice("json", "png")}
    header = {
        "X-Seekcam-Prediction": {
            "description": "With format=png: the prediction as ASCII JSON.",
            "content": _content({"application/json": ref("PicturePrediction")}),
        }
    }
    localize = _operation(
        "Localize in a picture (JPEG, PNG, WebP; EXIF orientation is applied)",
        {200: {"application/json": ref("PicturePrediction"), "image/png": {}}},
        (400, 404, 413, 415),
        parameters=[*_query(tuple(SETTINGS)), answer_format],
        requestBody=_body({"image/*": {}, "application/octet-stream": {}, "multipart/form-data": form}),
    )
    localize["responses"]["200"]["headers"] = header
    return {
        "/api/models": {
            "get": _operation("Models to choose from, the default first", {200: listed(ref("ModelSummary"))})
        },
        "/api/models/{name}": {
            "get": _operation("A model's card", {200: ref("ModelCard")}, (404,), parameters=_path("name"))
        },
        "/api/localize": {"post": localize},
    }


def _streams() -> dict[str, Any]:
    part = {"name": "part", "in": "query", "schema": choice("video", "sidecar")}
    media: dict[str, Schema] = {"video/mp4": {}, "application/jsonl": {}}
    recording, one = ref("Recording"), _path("id")
    return {
        "/api/streams": {"get": _operation("Streams that run", {200: listed(ref("Stream"))})},
        "/api/streams/{id}/recordings": {
            "post": _operation(
                "Record a stream", {201: recording}, (400, 404, 409, 507), parameters=[*one, *_query(PAINT)]
            )
        },
        "/api/streams/{id}/recordings/current": {
            "delete": _operation("Finish the recording", {200: recording}, (404, 409), parameters=one)
        },
        "/api/recordings": {"get": _operation("Recordings, newest first", {200: listed(recording)}, (507,))},
        "/api/recordings/{id}": {
            "get": _operation(
                "The MP4, or the predictions as JSON lines",
                {200: media, 206: media, 416: "A range outside the file"},
                (400, 404),
                parameters=[*one, part],
            ),
            "delete": _operation("Delete a recording", {204: "Deleted"}, (404, 409, 507), parameters=one),
        },
    }


def _sessions() -> dict[str, Any]:
    offer = _body({"application/json": ref("SessionOffer")})
    return {
        "/api/sessions": {
            "post": _operation(
                "Open a session; the offer has the data channels `seekcam` and `seekcam-results`",
                {201: ref("SessionAnswer")},
                (400, 404, 406, 413, 503),
                requestBody=offer,
            )
        },
        "/api/sessions/{id}": {
            "delete": _operation("End a session", {204: "Ended"}, (404,), parameters=_path("id")),
        },
    }


def _whip(kind: str) -> dict[str, Any]:
    """WHIP (RFC 9725) and WHEP have the same routes."""
    publish = kind == "whip"
    stream, resource = _path("stream"), _path("stream", "id")
    options = "What may be sent, and the ICE servers"
    tag = {"name": "If-Match", "in": "header", "schema": TEXT, "description": "The `ETag` of the 201 answer."}
    probe = "Nothing: publishers post" if publish else "Whether a stream can be watched"
    post = _operation(
        "Publish a stream (WHIP, RFC 9725)" if publish else "Play a stream (WHEP)",
        {201: {SDP: TEXT}},
        (400, 406, 409, 413, 415, 503) if publish else (400, 404, 406, 413, 415, 503),
        parameters=stream,
        requestBody=_body({SDP: TEXT}),
    )
    patch = _operation(
        "Add ICE candidates",
        {204: "Added"},
        (400, 404, 412, 413, 415, 422, 428),
        parameters=[*resource, tag],
        requestBody=_body({"application/trickle-ice-sdpfrag": TEXT}),
    )
    return {
        f"/{kind}/{{stream}}": {
            "post": post,
            "get": _operation(probe, {204: "Yes"}, () if publish else (404,), parameters=stream),
            "options": _operation(options, {200: "`Accept-Post`, `Link`"}, parameters=stream),
        },
        f"/{kind}/{{stream}}/{{id}}": {
            "get": _operation("Whether the session lives", {204: "It does"}, (404,), parameters=resource),
            "options": _operation(options, {200: "`Accept-Patch`"}, parameters=resource),
            "delete": _operation("End the session", {200: "Ended"}, (404,), parameters=resource),
            "patch": patch,
        },
    }
