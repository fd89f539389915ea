"""Overlay mode between real peers: maps instead of video, each naming the very frame it is about."""

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from aiortc import RTCRtpSender
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket
from skimage import data

from seekcam.localization.settings import AnalysisSettings
from seekcam.streamer.hub import HUB
from seekcam.streamer.served_models import Sides
from seekcam.streamer.viewers.outputs import MAX_MESSAGE
from seekcam.streamer.webrtc import jitter_buffer
from seekcam.streamer.webrtc.capture_clock import UNIX_EPOCH_S
from tests.helpers.peers import Camera, serving, session

CLOCK = 90_000  # of RTP video
HEAD = struct.Struct("<BBBBIIdddf")  # as streamer/viewers/overlay_message.py describes it
Client = TestClient[Any, Any]


@pytest.fixture
async def client(tmp_path: Path, default_model_path: Path) -> AsyncIterator[Client]:
    async with serving(default_model_path, tmp_path) as opened:
        yield opened


def sender_reports(sender: RTCRtpSender) -> list[tuple[float, int]]:
    """What this sender reports from now on of its wall clock: Unix milliseconds, and the same instant by RTP's."""
    reports: list[tuple[float, int]] = []
    inner: Any = sender
    send = inner._send_rtcp

    async def note_and_send(packets: list[AnyRtcpPacket]) -> None:
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                told = packet.sender_info
                reports.append(((told.ntp_timestamp / 2**32 - UNIX_EPOCH_S) * 1e3, told.rtp_timestamp))
        await send(packets)

    inner._send_rtcp = note_and_send
    return reports


def placed(messages: list[bytes]) -> list[tuple[Any, ...]]:
    """The heads of those that tell when their frame was captured."""
    return [head for head in map(HEAD.unpack_from, messages) if not math.isnan(head[7])]


async def test_maps_come_instead_of_video_and_name_their_frames(client: Client) -> None:
    async with session(client, Camera(data.chelsea(), fps=10), mode="overlay") as opened:
        reports = sender_reports(opened.peer.getSenders()[0])  # the first comes half a second after the start
        await opened.until(lambda: opened.of_type("state"))
        assert opened.of_type("state")[-1]["mode"] == "overlay"
        await opened.until(lambda: len(placed(opened.overlays)) > 10)
        assert not opened.frames
        assert not opened.results
        assert all(len(message) <= MAX_MESSAGE for message in opened.overlays)
        heads = placed(opened.overlays)
        first, last = heads[0], heads[-1]
        # The RTP clock runs with the frames: what lies between two of them is a whole number of the camera's steps.
        step = CLOCK // 10
        assert (last[4] - first[4]) % 2**32 % step == 0
        # And its wall clock is what a sender report says of it. (How well this sender, which dates a frame by when it
        # has encoded it, does that is its own affair.)
        for head in heads:
            dates = [unix_ms + ((head[4] - rtp + 2**31) % 2**32 - 2**31) / (CLOCK / 1e3) for unix_ms, rtp in reports]
            assert min(abs(head[7] - date) for date in dates) < 1
            assert head[7] < head[8] + 1000  # the same clock on both sides
            assert 0 < head[9] < 10_000


async def test_the_mode_changes_live_and_back(client: Client) -> None:
    async with session(client, Camera(data.chelsea(), fps=10), mode="video") as opened:
        await opened.until(lambda: opened.frames and opened.results)
        opened.send(type="mode", mode="overlay", id=7)
        await opened.until(lambda: opened.overlays)
        assert [s["reply"] for s in opened.of_type("state") if s["mode"] == "overlay"] == [7]
        count = len(opened.results)
        seen = len(opened.overlays)
        await opened.until(lambda: len(opened.overlays) > seen + 5)
        assert len(opened.results) <= count + 1  # one may have been on its way
        opened.send(type="mode", mode="video", id=8)
        await opened.until(lambda: len(opened.results) > count + 3)
        assert opened.of_type("state")[-1]["mode"] == "video"
        hub = client.app[HUB]
        assert sum(len(stream._subscribers) for stream in hub.streams.values()) == 1


async def test_a_mode_is_told_at_once_while_a_model_loads_for_another(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, loaded = client.app[HUB], asyncio.Event()
    resolve = hub.models.resolve

    async def load_slowly(settings: AnalysisSettings) -> Sides:
        await loaded.wait()
        found: Sides = await resolve(settings)
        return found

    async with (
        session(client, Camera(data.chelsea(), fps=5)) as owner,
        session(client, stream=owner.stream) as watcher,
    ):
        await owner.until(lambda: owner.of_type("state"))
        await watcher.until(lambda: watcher.of_type("state"))
        monkeypatch.setattr(hub.models, "resolve", load_slowly)
        watcher.send(type="set", settings={"top_k": 3}, id=1)
        await owner.until(lambda: hub._locks[owner.stream].locked())
        owner.send(type="mode", mode="overlay", id=2)
        await owner.until(lambda: owner.of_type("state")[-1]["reply"] == 2)
        await owner.until(lambda: owner.overlays)
        assert owner.of_type("state")[-1]["mode"] == "overlay"
        assert owner.of_type("state")[-1]["settings"]["top_k"] == 5
        loaded.set()
        await owner.until(lambda: owner.of_type("state")[-1]["settings"]["top_k"] == 3)
        assert owner.of_type("state")[-1]["mode"] == "overlay"


async def test_a_page_may_not_overlay_what_is_not_its_camera(client: Client) -> None:
    async with session(client, Camera(data.chelsea(), fps=5)) as opened:
        await opened.until(lambda: opened.results)
        for body in (
            {"sdp": "v=0", "type": "offer", "mode": "overlay", "stream": opened.stream},
            {"sdp": "v=0", "type": "offer", "mode": "hologram"},
            {"sdp": "v=0", "type": "offer", "mode": ["overlay"]},
        ):
            async with client.post("/api/sessions", json=body) as response:
                assert response.status == 400
                assert "mode" in (await response.json())["detail"]
        opened.send(type="mode", mode="hologram", id=3)
        await opened.until(lambda: opened.of_type("error"))
        refused = opened.of_type("error")[-1]
        assert refused["reply"] == 3
        assert "hologram" in refused["detail"]
        async with session(client, stream=opened.stream) as watcher:
            await watcher.until(lambda: watcher.of_type("state"))
            watcher.send(type="mode", mode="overlay", id=4)
            await watcher.until(lambda: watcher.of_type("error"))
            assert "own camera" in watcher.of_type("error")[-1]["detail"]


async def test_what_a_page_reports_goes_into_the_metrics(client: Client) -> None:
    async with session(client, Camera(data.chelsea(), fps=5), mode="overlay") as opened:
        await opened.until(lambda: opened.overlays)
        opened.send(type="painted", age="old", uplink=[-1, "x", 1e9, None], matched=-5, unmatched=True)
        opened.send(type="painted", age=[40, 41.5], uplink=[10, True], downlink=[], matched=2, unmatched=1)
        opened.send(type="ping", t=1)
        await opened.until(lambda: opened.of_type("pong"))
        text = client.app[HUB].telemetry.exposition().decode()
        assert 'seekcam_overlay_seconds_count{part="age"} 2.0' in text
        assert 'seekcam_overlay_seconds_count{part="uplink"} 1.0' in text
        assert 'seekcam_overlay_results_total{frame="matched"} 2.0' in text
        assert 'seekcam_overlay_results_total{frame="unmatched"} 1.0' in text


async def test_where_aiortc_is_another_one_the_frames_come_all_the_same_but_nobody_knows_which(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jitter_buffer, "HANDLE_RTP_SOURCE", "of another version")
    async with session(client, Camera(data.chelsea(), fps=10), mode="overlay") as opened:
        await opened.until(lambda: len(opened.overlays) > 3)
        heads = [HEAD.unpack_from(message) for message in opened.overlays]
        assert {head[4] for head in heads} == {0}
        assert all(math.isnan(head[7]) for head in heads)
