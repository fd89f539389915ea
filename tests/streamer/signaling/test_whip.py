"""WHIP and WHEP over HTTP as other tools speak them: aiortc for the protocol's lines, FFmpeg as a foreign publisher."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from pydantic import SecretStr
from skimage import data

from seekcam.streamer.signaling import sessions as signaling
from seekcam.streamer.signaling import whip
from tests.helpers.certificates import self_signed
from tests.helpers.peers import Camera, serving
from tests.helpers.whip_peers import SDP, TRICKLE, Client, connect, hub_of, is_empty, offer_of, post, status_of, until

OTHER_SITE = {"Origin": "https://dashboard.example"}
TOKEN = "open sesame"
CATS = {"tabby", "tiger cat", "Egyptian cat", "Persian cat", "Siamese cat", "lynx"}


@pytest.fixture
async def guarded(tmp_path: Path, default_model_path: Path) -> AsyncIterator[Client]:
    async with serving(default_model_path, tmp_path, token=SecretStr(TOKEN)) as opened:
        yield opened


@pytest.fixture
async def turning(tmp_path: Path, default_model_path: Path) -> AsyncIterator[Client]:
    turn = {"ice_server": ("turn:127.0.0.1:3478",), "ice_username": "guest", "ice_credential": SecretStr("pass")}
    async with serving(default_model_path, tmp_path, token=SecretStr(TOKEN), **turn) as opened:
        yield opened


async def test_video_goes_in_by_whip_and_comes_back_annotated_by_whep(
    client: Client, peer: RTCPeerConnection, player: RTCPeerConnection
) -> None:
    hub = hub_of(client)
    # sendrecv is allowed too; the answer takes one direction only.
    peer.addTransceiver(Camera(data.chelsea()), direction="sendrecv")
    peer.addTrack(AudioStreamTrack())
    published = await connect(client, "/whip/cat", peer)
    assert [t.currentDirection for t in peer.getTransceivers()] == ["sendonly", "sendonly"]
    await until(lambda: "cat" in hub.streams and hub.streams["cat"].counters.received > 3)
    assert hub.stream_summaries()[0]["source"] == "whip"

    tracks: list[MediaStreamTrack] = []
    player.on("track", tracks.append)
    player.addTransceiver("audio", direction="recvonly")
    player.addTransceiver("video", direction="recvonly")
    played = await connect(client, "/whep/cat", player)
    assert [t.currentDirection for t in player.getTransceivers()] == ["inactive", "recvonly"]
    video = next(track for track in tracks if track.kind == "video")
    async with asyncio.timeout(20):
        frames = [await video.recv() for _ in range(5)]
    rgb = frames[-1].to_ndarray(format="rgb24")  # type: ignore[union-attr]
    assert rgb.shape == (300, 450, 3)
    # A box and a heat map are more saturated than any cat.
    assert (rgb.max(axis=2).astype(int) - rgb.min(axis=2)).max() > 150

    for session in (played["Location"], published["Location"]):
        assert await status_of(client, "GET", session) == 204
        assert await status_of(client, "PUT", session) == 405
        assert await status_of(client, "DELETE", session, headers={"If-Match": '"ignored"'}) == 200
        assert await status_of(client, "DELETE", session) == 404
    await until(lambda: is_empty(hub))


async def test_a_player_that_would_send_too_is_only_sent_to(
    client: Client, peer: RTCPeerConnection, player: RTCPeerConnection
) -> None:
    peer.addTransceiver(Camera(data.chelsea(), fps=5), direction="sendonly")
    await connect(client, "/whip/cat", peer)
    player.addTransceiver(Camera(data.coffee(), fps=5), direction="sendrecv")
    player.addTrack(AudioStreamTrack())
    await connect(client, "/whep/cat", player)
    assert [t.currentDirection for t in player.getTransceivers()] == ["recvonly", "inactive"]


@pytest.mark.skipif("whip" not in av.formats_available, reason="this PyAV's FFmpeg has no WHIP muxer (FFmpeg 8)")
async def test_ffmpeg_publishes_with_a_token_and_frees_its_name_at_the_end(guarded: Client, tmp_path: Path) -> None:
    hub = hub_of(guarded)
    async with ffmpeg(guarded, tmp_path, "--token", TOKEN, "--seconds", "4") as process:
        seen: set[str] = set()
        await until(lambda: "cat" in hub.streams)
        stream = hub.streams["cat"]
        stream.subscribe(lambda result: seen.add(result.prediction.top[0].name), lambda _: None)
        await until(lambda: stream.counters.received > 20)
        assert seen & CATS
        assert (stream.width, stream.height) == (448, 300)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
    await until(lambda: is_empty(hub), 5)  # it says DELETE


@pytest.mark.skipif("whip" not in av.formats_available, reason="this PyAV's FFmpeg has no WHIP muxer (FFmpeg 8)")
async def test_a_publisher_that_is_killed_frees_its_name(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whip, "SILENCE_S", 1.0)
    hub = hub_of(client)
    async with ffmpeg(client, tmp_path) as process:
        await until(lambda: "cat" in hub.streams and hub.streams["cat"].counters.received)
        await asyncio.sleep(2.2)
        assert "cat" in hub.streams  # it is not silent while it sends
        process.kill()
        await until(lambda: is_empty(hub), 10)


@contextlib.asynccontextmanager
async def ffmpeg(client: Client, folder: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    certificate, key = self_signed(folder, "127.0.0.1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.helpers.ffmpeg_publisher",
        str(client.make_url("/whip/cat")), certificate, key, *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_peer_that_never_connects_gives_its_place_back(
    client: Client, peer: RTCPeerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signaling, "HANDSHAKE_LIMIT_S", 0.5)
    peer.addTransceiver("video", direction="sendonly")
    status, headers, _ = await post(client, "/whip/cat", await offer_of(peer))
    assert status == 201
    await until(lambda: is_empty(hub_of(client)))
    assert await status_of(client, "DELETE", headers["Location"]) == 404
    # Closed to its end: aiortc watches the transport of a connection that was closed halfway forever.
    await until(lambda: not any("_monitor" in repr(task) for task in asyncio.all_tasks()), 3)


async def test_of_two_publishers_of_one_name_the_first_gets_it(client: Client, peer: RTCPeerConnection) -> None:
    peer.addTransceiver("video", direction="sendonly")
    sdp = await offer_of(peer)
    answers = await asyncio.gather(*(post(client, "/whip/cat", sdp) for _ in range(2)))
    assert sorted(status for status, _, _ in answers) == [201, 409]
    assert [json.loads(text)["error"] for status, _, text in answers if status == 409] == ["stream-taken"]
    assert len(hub_of(client).peers) == 1


async def test_the_session_cap_is_a_503_with_retry_after(client: Client, peer: RTCPeerConnection) -> None:
    peer.addTransceiver("video", direction="sendonly")
    sdp = await offer_of(peer)
    answers = await asyncio.gather(*(post(client, f"/whip/cat{number}", sdp) for number in range(6)))
    refused = [(status, headers) for status, headers, _ in answers if status != 201]
    assert [status for status, _ in refused] == [503, 503]
    assert all(int(headers["Retry-After"]) > 0 for _, headers in refused)
    assert len(hub_of(client).peers) == 4


async def test_options_say_what_may_be_sent(turning: Client) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/whip/cat", "/whep/cat"):
        async with turning.options(path, headers=bearer) as response:
            assert (response.status, response.headers["Accept-Post"]) == (200, "application/sdp")
            assert response.headers["Link"] == (
                '<turn:127.0.0.1:3478>; rel="ice-server"; username="guest"; credential="pass"; '
                'credential-type="password"'
            )
        assert await status_of(turning, "OPTIONS", path) == 401
        assert await status_of(turning, "GET", path, headers=bearer) == (204 if "whip" in path else 404)
        assert await status_of(turning, "PUT", path, headers=bearer) == 405
    async with turning.options("/whip/cat/session", headers=bearer) as response:
        assert (response.status, response.headers["Accept-Patch"]) == (200, TRICKLE["Content-Type"])


async def test_a_preflight_is_not_told_the_turn_password(turning: Client) -> None:
    preflight = {**OTHER_SITE, "Access-Control-Request-Method": "POST"}
    async with turning.options("/whip/cat", headers=preflight) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert "Link" not in response.headers
    headers = {**SDP, **OTHER_SITE, "Authorization": f"Bearer {TOKEN}"}
    async with turning.post("/whip/cat", data="v=0", headers=headers) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (400, "*")


async def test_a_token_in_the_query_is_carried_over_to_the_session(guarded: Client, peer: RTCPeerConnection) -> None:
    peer.addTransceiver("video", direction="sendonly")
    status, headers, _ = await post(guarded, "/whip/cat?token=open%20sesame", await offer_of(peer))
    assert status == 201
    assert await status_of(guarded, "DELETE", headers["Location"].partition("?")[0]) == 401
    assert await status_of(guarded, "DELETE", headers["Location"]) == 200


async def test_trickled_candidates_make_the_connection(client: Client, peer: RTCPeerConnection) -> None:
    peer.addTransceiver(Camera(data.chelsea(), fps=5), direction="sendonly")
    whole = await offer_of(peer)
    ice = [line for line in whole.splitlines() if line.startswith(("a=candidate", "a=end-of"))]
    bare = "".join(f"{line}\r\n" for line in whole.splitlines() if line not in ice)
    status, headers, answer = await post(client, "/whip/cat", bare)
    assert status == 201
    session, tag = headers["Location"], headers["ETag"]
    ufrag = next(line for line in whole.splitlines() if line.startswith("a=ice-ufrag:"))
    fragment = "\r\n".join([ufrag, "m=video 9 RTP/AVP 0", "a=mid:0", *ice, ""])

    async def patch(text: str, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in (TRICKLE | headers).items()}
        return await status_of(client, "PATCH", session, data=text, headers=named)

    assert await patch(fragment) == 428
    assert await patch(fragment, If_Match='"another"') == 412
    assert await patch(fragment, If_Match=tag, Content_Type="application/sdp") == 415
    assert await patch("a=ice-ufrag:new\r\na=ice-pwd:newnewnewnewnewnewnewnew\r\n", If_Match="*") == 422
    assert await patch("a=candidate:nonsense\r\n", If_Match=tag) == 400
    assert await patch("a" * 200_000, If_Match=tag) == 413
    resource = client.app[whip.RESOURCES][session]
    assert "a=candidate" not in resource.peer.remoteDescription.sdp
    # What cannot be used is passed over: a name that nobody resolves, TCP, an unknown type.
    odd = ["1 1 udp 1 no.such.host 9 typ host", "2 1 tcp 1 127.0.0.1 9 typ host", "3 1 udp 1 127.0.0.1 9 typ magic"]
    assert await patch("".join(f"a=candidate:{line}\r\n" for line in odd), If_Match=tag) == 204
    assert await patch(fragment, If_Match=tag) == 204
    assert ice[0] in resource.peer.remoteDescription.sdp
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await until(lambda: hub_of(client).streams["cat"].counters.received)
