"""`POST /api/localize` on the real model: a cat is a cat by every way in, and each bad input gets its own answer."""

import asyncio
import io
import json
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from multidict import MultiDict
from PIL import Image
from skimage import data

from seekcam.localization.errors import SettingsError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pipeline import localize
from seekcam.streamer.config import ServerConfig
from seekcam.streamer.http.localize_api import PREDICTION_HEADER, read_query
from seekcam.streamer.server import create_app
from tests.streamer.pool_engine import ENGINES

Client = TestClient[Any, Any]
BODY_LIMIT = 2_000_000
CATS = {"tabby", "tiger cat", "Egyptian cat", "Persian cat", "Siamese cat"}


def encoded(kind: str = "PNG", exif: Image.Exif | None = None) -> bytes:
    """The cat as a file."""
    buffer = io.BytesIO()
    Image.fromarray(data.chelsea()).save(buffer, kind, **({"exif": exif} if exif else {}))
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims this size and whose pixels are missing."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b""), b"IEND")
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.fixture(params=ENGINES)
async def client(default_model_path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    config = ServerConfig(model=str(default_model_path), recordings=tmp_path, max_body=BODY_LIMIT)
    async with TestClient(TestServer(create_app(config, ENGINES[request.param]))) as opened:
        yield opened


async def refused(client: Client, body: Any, query: str = "", **options: Any) -> tuple[int, str, str]:
    response = await client.post(f"/api/localize?{query}", data=body, **options)
    document = await response.json()
    assert set(document) == {"error", "detail"}
    return response.status, document["error"], document["detail"]


async def test_every_way_in_gives_what_the_library_gives(client: Client, default_model_path: Path) -> None:
    expected = localize(LocalizationModel(default_model_path, "cpu"), data.chelsea()).to_json(0.0, 0)
    del expected["ms"]  # the only part that differs from run to run
    form = FormData()
    form.add_field("note", "no file, so passed over")
    form.add_field("picture", encoded(), filename="cat.png", content_type="image/png")
    bodies: list[tuple[Any, dict[str, str]]] = [
        (encoded(), {"Content-Type": "image/png"}),
        (encoded(), {"Content-Type": "application/octet-stream"}),
        (encoded(), {"Content-Type": "image/png", "Expect": "100-continue"}),
        (form, {}),
    ]
    for body, headers in bodies:
        response = await client.post("/api/localize", data=body, headers=headers)
        assert response.status == 200
        document = await response.json()
        assert (document.pop("width"), document.pop("height")) == (451, 300)
        assert set(document.pop("ms")) >= {"prepare", "infer", "boxes"}
        assert document == expected
    assert expected["top"][0]["name"] in CATS


async def test_jpeg_webp_and_a_turned_photograph(client: Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    for kind, turned in (("JPEG", None), ("WEBP", None), ("JPEG", exif)):
        response = await client.post("/api/localize", data=encoded(kind, turned))
        document = await response.json()
        assert (document["width"], document["height"]) == ((300, 451) if turned else (451, 300))


async def test_the_painted_picture_comes_with_its_prediction(client: Client) -> None:
    response = await client.post("/api/localize?format=png&opacity=0.6&colormap=jet", data=encoded())
    assert response.content_type == "image/png"
    painted = np.asarray(Image.open(io.BytesIO(await response.read())))
    original = data.chelsea()
    assert painted.shape == original.shape
    assert np.abs(painted.astype(int) - original).mean() > 5  # heat has been laid over it
    prediction = json.loads(response.headers[PREDICTION_HEADER])
    assert prediction["top"][0]["name"] in CATS

    bare = await client.post("/api/localize?format=png&opacity=0&boxes=false&labels=0", data=encoded())
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(await bare.read()))), original)


async def test_settings_come_with_the_query(client: Client) -> None:
    query = "classes=Egyptian cat&classes=281&method=gradcam&top_k=3&box=components&map=plain&threshold=0.4&min_score=0"
    response = await client.post(f"/api/localize?{query}", data=encoded())
    document = await response.json()
    assert document["shown"] == [285, 281]
    assert document["method"] == "gradcam"
    assert len(document["top"]) == 3
    unsure = await client.post("/api/localize?min_score=1", data=encoded())
    assert ((await unsure.json())["shown"], (await unsure.json())["boxes"]) == ([], [])


@pytest.mark.parametrize(
    ("query", "status", "code", "word"),
    [
        ("model=resnet-9000", 404, "unknown-model", "resnet-9000"),
        ("classes=unicorn", 400, "bad-setting", "unicorn"),
        ("classes=1000", 400, "bad-setting", "999"),
        ("method=magic", 400, "bad-setting", "gradcam"),
        ("threshold=2", 400, "bad-setting", "threshold"),
        ("thresold=0.2", 400, "bad-setting", "threshold"),
        ("format=gif", 400, "bad-setting", "png"),
        ("map=plain&map=spread", 400, "bad-setting", "map was given 2 times"),
    ],
)
async def test_a_wrong_setting_is_named(client: Client, query: str, status: int, code: str, word: str) -> None:
    answered = await refused(client, encoded(), query)
    assert answered[:2] == (status, code)
    assert word in answered[2]


async def test_what_is_no_picture_is_said_to_be_none(client: Client) -> None:
    # One server for all of these: each is a matter of milliseconds.
    assert (await refused(client, b"just words"))[:2] == (415, "bad-picture")
    assert (await refused(client, b""))[:2] == (415, "bad-picture")
    status, code, detail = await refused(client, encoded()[:-20_000])
    assert (status, code) == (415, "bad-picture")
    assert "cut short" in detail
    status, code, detail = await refused(client, png_claiming(40_000, 40_000))
    assert (status, code) == (413, "too-large")
    assert "50 million" in detail

    form = FormData()
    form.add_field("note", "no file")
    form.add_field("more", "none either", content_type="text/plain")
    assert (await refused(client, form()))[:2] == (415, "bad-picture")
    broken = {"Content-Type": "multipart/form-data; boundary=here"}
    assert (await refused(client, b"--there\r\n\r\nx", headers=broken))[0] in (400, 415)
    assert (await refused(client, b"x", headers={"Content-Type": "multipart/form-data"}))[0] == 400


async def endless(sent: list[int], total: int) -> AsyncIterator[bytes]:
    """`total` bytes in pieces, counted as they leave."""
    for _ in range(total // 65536):
        sent.append(65536)
        yield bytes(65536)
        await asyncio.sleep(0)


@pytest.mark.parametrize("form", [False, True])
async def test_a_body_without_an_end_is_cut_off(client: Client, form: bool) -> None:
    sent: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        if form:
            yield b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.png"\r\n\r\n'
        async for piece in endless(sent, 100_000_000):
            yield piece

    kind = "multipart/form-data; boundary=b" if form else "image/png"
    response = await client.post("/api/localize", data=body(), headers={"Content-Type": kind})
    assert (response.status, (await response.json())["error"]) == (413, "too-large")
    assert BODY_LIMIT < sum(sent) < 100_000_000


@pytest.mark.parametrize("expect", ["", "Expect: 100-continue\r\n"])
async def test_an_announced_100_mb_is_refused_before_it_comes(client: Client, expect: str) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = f"POST /api/localize HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n{expect}"
    writer.write(f"{head}Content-Length: 100000000\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)  # not a byte of the body has been sent
    assert answer == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    writer.close()
    await writer.wait_closed()


async def test_the_event_loop_stays_free_while_pictures_are_decoded(client: Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2400, 1600), "teal").save(buffer, "PNG")
    uploads = [asyncio.create_task(client.post("/api/localize", data=buffer.getvalue())) for _ in range(3)]
    answered = 0
    while not all(upload.done() for upload in uploads):
        assert (await client.get("/healthz")).status == 200
        answered += 1
    assert [upload.result().status for upload in uploads] == [200, 200, 200]
    assert answered > 3  # the probe was answered in between, not only after the pictures


def test_a_setting_may_come_once_and_classes_often() -> None:
    many, answer = read_query(MultiDict([("classes", "a"), ("classes", "b"), ("format", "png"), ("token", "t")]))
    assert (many.analysis.classes, answer) == (("a", "b"), "png")
    one, _ = read_query(MultiDict([("classes", "a,3")]))
    assert one.analysis.classes == ("a", "3")
    with pytest.raises(SettingsError, match="opacity was given 2 times"):
        read_query(MultiDict([("opacity", "0"), ("opacity", "1")]))
