"""Sessions over a real peer connection: a photograph goes in as a camera, and comes back localized."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from skimage import data

from seekcam.localization.settings import AnalysisSettings, PaintSettings
from seekcam.streamer.hub import HUB
from seekcam.streamer.signaling.sessions import new_peer
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers import channels, viewer
from seekcam.streamer.webrtc.closing import close_within
from tests.helpers.peers import Camera, serving, session

Client = TestClient[Any, Any]
CATS = {"tabby", "tiger cat", "Egyptian cat", "Persian cat", "Siamese cat", "lynx"}


@pytest.fixture
async def client(tmp_path: Path, default_model_path: Path) -> AsyncIterator[Client]:
    async with serving(default_model_path, tmp_path, max_sessions=3) as opened:
        yield opened


def chelsea(fps: int = 15) -> Camera:
    return Camera(data.chelsea(), fps)


async def test_a_cat_is_seen_and_its_annotated_picture_comes_back(client: Client) -> None:
    async with session(client, chelsea()) as cat:
        await cat.until(lambda: len(cat.results) >= 10 and len(cat.frames) >= 10)
        last = cat.results[-1]
        assert last["top"][0]["name"] in CATS
        assert last["shown"]
        x0, y0, x1, y1 = last["boxes"][0]["box"]
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        assert {"queue", "prepare", "infer", "boxes", "paint", "total"} <= set(last["ms"])
        pts = [result["pts"] for result in cat.results]
        assert pts == sorted(pts)
        frame = cat.frames[-1].to_ndarray(format="rgb24")
        assert frame.shape == (300, 450, 3)
        # A box and a heat map are more saturated than any cat.
        assert (frame.max(axis=2).astype(int) - frame.min(axis=2)).max() > 150


async def test_settings_change_live_and_everybody_learns_of_it(client: Client) -> None:
    async with session(client, chelsea()) as owner:
        await owner.until(lambda: owner.of_type("state"))
        async with session(client, stream=owner.stream, settings={"opacity": 0.2}) as watcher:
            await watcher.until(lambda: watcher.of_type("state"))
            assert watcher.of_type("state")[-1]["settings"]["opacity"] == 0.2
            owner.send(type="set", settings={"method": "layercam", "classes": ["lynx"], "map": "plain"}, id=7)
            await owner.until(lambda: owner.of_type("state")[-1]["reply"] == 7)
            await watcher.until(lambda: watcher.of_type("state")[-1]["settings"]["method"] == "layercam")
            await owner.until(lambda: owner.results and owner.results[-1]["shown"] == [287])
            assert owner.results[-1]["method"] == "layercam"
            await watcher.until(lambda: watcher.frames and watcher.results)
            assert owner.of_type("state")[-1]["viewers"] == 2


async def test_a_wrong_setting_changes_nothing_and_says_what_to_do(client: Client) -> None:
    async with session(client, chelsea()) as owner:
        await owner.until(lambda: owner.of_type("state"))
        owner.send(type="set", settings={"opacity": 0.9, "classes": ["egyptian kat"]}, id=1)
        await owner.until(lambda: owner.of_type("error"))
        error = owner.of_type("error")[-1]
        assert error["error"] == "bad-setting"
        assert "Egyptian cat" in error["detail"]
        owner.send(type="set", settings={}, id=2)
        await owner.until(lambda: owner.of_type("state")[-1]["reply"] == 2)
        assert owner.of_type("state")[-1]["settings"]["opacity"] == 0.5


async def test_the_heartbeat_is_answered_and_statistics_come_each_second(client: Client) -> None:
    async with session(client, chelsea()) as owner:
        await owner.until(lambda: owner.of_type("state"))
        owner.send(type="ping", t=123)
        await owner.until(lambda: owner.of_type("pong") and owner.of_type("stats"))
        assert owner.of_type("pong")[0]["t"] == 123
        await owner.until(lambda: owner.of_type("stats")[-1]["processed"] > 0)
        stats = owner.of_type("stats")[-1]
        assert stats["received"] >= stats["processed"]


async def test_the_stream_ends_with_its_camera_and_the_watchers_are_told(client: Client) -> None:
    async with session(client, chelsea()) as owner:
        await owner.until(lambda: owner.results)
        async with session(client, stream=owner.stream) as watcher:
            await watcher.until(lambda: watcher.of_type("state"))
            async with client.delete(f"/api/sessions/{owner.id}") as response:
                assert response.status == 204
            await watcher.until(lambda: watcher.of_type("bye"))
    hub = client.app[HUB]
    async with asyncio.timeout(10):
        while hub.peers or hub.streams or hub.viewers:
            await asyncio.sleep(0.05)


async def test_a_camera_whose_page_just_closes_takes_its_watchers_along(client: Client) -> None:
    async with session(client, chelsea()) as owner:
        await owner.until(lambda: owner.results)
        async with session(client, stream=owner.stream) as one, session(client, stream=owner.stream) as two:
            await one.until(lambda: one.of_type("state") and two.of_type("state"))
            await owner.peer.close()
            await one.until(lambda: one.of_type("bye") and two.of_type("bye"))
            hub = client.app[HUB]
            await one.until(lambda: not (hub.peers or hub.streams or hub.viewers))


async def test_offers_that_come_at_once_share_the_places_there_are(client: Client) -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("seekcam")
    peer.addTransceiver(chelsea(), direction="sendrecv")
    await peer.setLocalDescription(await peer.createOffer())
    offer = {"sdp": peer.localDescription.sdp, "type": "offer"}
    answers = await asyncio.gather(*(client.post("/api/sessions", json=offer) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [503] * 3
    for answer in answers:
        if answer.status == 201:
            async with client.delete(answer.headers["Location"]) as ended:
                assert ended.status == 204
    await peer.close()
    assert not client.app[HUB].peers


async def test_the_session_cap_is_a_503_with_retry_after(client: Client) -> None:
    async with (
        session(client, chelsea(fps=2)) as one,
        session(client, stream=one.stream) as two,
        session(client, stream=one.stream) as three,
    ):
        await two.until(lambda: two.of_type("state") and three.of_type("state"))
        async with client.post("/api/sessions", json={"sdp": "v=0", "type": "offer"}) as response:
            assert response.status == 503
            assert (await response.json())["error"] == "session-cap"
            assert int(response.headers["Retry-After"]) > 0


async def test_who_asks_without_reading_the_answers_is_sent_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = client.app[HUB]
    async with session(client, chelsea(fps=5)) as owner:
        await owner.until(lambda: owner.of_type("state"))
        monkeypatch.setattr(channels, "MAX_UNSENT", -1)  # as if all that was ever sent still waited
        owner.send(type="ping", t=1)
        await owner.until(lambda: not (hub.viewers or hub.streams))


async def test_changes_are_made_one_by_one_and_too_many_are_refused(client: Client) -> None:
    hub = client.app[HUB]
    async with session(client, chelsea(fps=5)) as owner:
        await owner.until(lambda: owner.of_type("state"))
        async with hub._locks[owner.stream]:  # the change under way takes its time
            for number in range(viewer.MAX_REQUESTS + 3):
                owner.send(type="set", settings={"opacity": number / 100}, id=number)
            await owner.until(lambda: len(owner.of_type("error")) == 2)
        refused = {error["reply"] for error in owner.of_type("error")}
        assert refused == {viewer.MAX_REQUESTS + 1, viewer.MAX_REQUESTS + 2}  # beside those that wait, one is under way
        assert {error["error"] for error in owner.of_type("error")} == {"busy"}
        await owner.until(lambda: owner.of_type("state")[-1]["reply"] == viewer.MAX_REQUESTS)
        assert owner.of_type("state")[-1]["settings"]["opacity"] == viewer.MAX_REQUESTS / 100


async def test_only_what_changes_the_shared_picture_is_told_to_the_others(client: Client) -> None:
    async with session(client, chelsea(fps=5)) as owner, session(client, stream=owner.stream) as watcher:
        await owner.until(lambda: owner.of_type("state"))
        await watcher.until(lambda: watcher.of_type("state"))
        await owner.until(lambda: owner.of_type("state")[-1]["viewers"] == 2)
        told = len(owner.of_type("state"))
        for number, harmless in enumerate(({}, {"opacity": 0.3}, {"top_k": 5})):
            watcher.send(type="set", settings=harmless, id=number)
        await watcher.until(lambda: watcher.of_type("state")[-1]["reply"] == 2)
        assert watcher.of_type("state")[-1]["settings"]["opacity"] == 0.3
        assert len(owner.of_type("state")) == told
        watcher.send(type="set", settings={"top_k": 2}, id=3)
        await owner.until(lambda: owner.of_type("state")[-1]["settings"]["top_k"] == 2)
        assert owner.of_type("state")[-1]["reply"] is None


async def test_a_flood_of_messages_is_refused_and_the_session_goes_on(client: Client) -> None:
    async with session(client, chelsea(fps=5)) as owner:
        await owner.until(lambda: owner.of_type("state"))
        for number in range(3 * viewer.MESSAGES_AT_ONCE):
            owner.send(type="ping", t=number)
        await owner.until(lambda: len(owner.of_type("pong") + owner.of_type("error")) == 3 * viewer.MESSAGES_AT_ONCE)
        assert len(owner.of_type("pong")) >= viewer.MESSAGES_AT_ONCE
        assert {error["error"] for error in owner.of_type("error")} == {"busy"}
        await asyncio.sleep(2 / viewer.MESSAGES_A_SECOND)
        owner.send(type="ping", t=-1)
        await owner.until(lambda: owner.of_type("pong")[-1]["t"] == -1)


async def test_a_defect_in_a_session_ends_it_in_words(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async with session(client, chelsea(fps=5)) as owner:
        await owner.until(lambda: owner.of_type("state"))
        monkeypatch.setattr(Telemetry, "path", lambda *_: 1 / 0)
        await owner.until(lambda: owner.of_type("bye"))
        assert "failed" in owner.of_type("bye")[0]["detail"]


async def test_a_page_must_speak_though_it_opened_no_channel_and_a_player_need_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "SILENCE_LIMIT_S", 0.05)
    monkeypatch.setattr(viewer, "STATS_INTERVAL_S", 0.01)
    hub = client.app[HUB]
    stream = await hub.open_stream("camera", "camera", AnalysisSettings())
    page, player = (hub.add_viewer(stream, new_peer(hub), PaintSettings()) for _ in range(2))
    page.expect_heartbeat()
    async with asyncio.timeout(10):
        while page.id in hub.viewers:
            await asyncio.sleep(0.01)
            for each in (page, player):  # as after a handshake
                if each.peer.connectionState == "new":
                    each.peer._RTCPeerConnection__connectionState = "connected"
    await asyncio.sleep(0.1)
    assert list(hub.viewers) == [player.id]
    await hub.close_stream(stream, "")


async def test_a_session_without_a_channel_must_speak(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "SILENCE_LIMIT_S", 0.5)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver(chelsea(), direction="sendrecv")
    await peer.setLocalDescription(await peer.createOffer())
    async with client.post("/api/sessions", json={"sdp": peer.localDescription.sdp, "type": "offer"}) as response:
        answer = await response.json()
    hub = client.app[HUB]
    assert len(hub.viewers) == 1
    await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
    async with asyncio.timeout(20):
        while hub.viewers or hub.streams:
            await asyncio.sleep(0.05)
    await close_within(peer)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("no json", 400, "bad-offer"),
        ("[" * 100_000, 400, "bad-offer"),
        ("[]", 400, "bad-offer"),
        ('{"type": "offer"}', 400, "bad-offer"),
        ('{"sdp": "nonsense", "type": "offer"}', 400, "bad-offer"),
        ('{"sdp": "v=0\\r\\n", "type": "offer"}', 400, "bad-offer"),
        ('{"sdp": "v=0", "type": "answer"}', 400, "bad-offer"),
        ('{"sdp": "v=0", "type": "offer", "mode": "hologram"}', 400, "bad-setting"),
        ('{"sdp": "v=0", "type": "offer", "stream": "none"}', 404, "unknown-stream"),
        ('{"sdp": "v=0", "type": "offer", "settings": {"opacity": 7}}', 400, "bad-setting"),
        ('{"sdp": "v=0", "type": "offer", "settings": {"model": "/etc/passwd"}}', 404, "unknown-model"),
        ('{"sdp": "' + "x" * 200_000 + '", "type": "offer"}', 413, "too-large"),
    ],
)
async def test_a_bad_offer_gets_its_answer_and_leaves_nothing_behind(
    client: Client, body: str, status: int, code: str
) -> None:
    async with client.post("/api/sessions", data=body, headers={"Content-Type": "application/json"}) as response:
        answer = await response.json()
    assert (response.status, answer["error"]) == (status, code)
    assert answer["detail"].endswith(".")
    hub = client.app[HUB]
    assert not hub.streams
    assert not hub.viewers
    assert not hub.peers


@pytest.mark.parametrize("opening", ["[", '{"sdp":'])
async def test_brackets_without_end_are_refused_in_words(client: Client, opening: str) -> None:
    response = await client.post("/api/sessions", data=opening * (100_000 // len(opening)))
    assert (response.status, (await response.json())["error"]) == (400, "bad-offer")
