"""Offers that WHIP and WHEP refuse, or that came damaged: the reason is told and nothing is left behind."""

import json
import random
import re
from collections.abc import Callable

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
from skimage import data

from seekcam.streamer.webrtc.closing import close_within
from tests.helpers.peers import Camera
from tests.helpers.whip_peers import TRICKLE, Client, connect, hub_of, is_empty, offer_of, post, status_of, until


def only_codec(sdp: str) -> str:
    """The offer with a video codec that nobody has."""
    return re.sub(r"(VP8|H264|rtx)/90000", "AV2/90000", sdp)


OFFERS: dict[str, Callable[[str], str]] = {
    "whole": str,
    "junk": lambda _: "no SDP at all",
    "empty": lambda _: "",
    "cut": lambda sdp: sdp[:200],
    "large": lambda _: "v=0\r\n" + "a=x\r\n" * 30_000,
    "foreign codec": only_codec,
    "foreign bundle": lambda sdp: sdp.replace("a=group:BUNDLE 0", "a=group:BUNDLE 7"),
    "foreign payload": lambda sdp: sdp.replace("a=fmtp:", "a=fmtp:1", 1),
    "without video": lambda sdp: sdp[: sdp.index("m=video")],
}


REFUSALS: tuple[tuple[str, list[str], str, int, str], ...] = (
    ("/whip/cat", ["sendonly"], "junk", 400, "bad-offer"),
    ("/whip/cat", ["sendonly"], "empty", 400, "bad-offer"),
    ("/whip/cat", ["sendonly"], "cut", 400, "bad-offer"),
    ("/whip/cat", ["sendonly"], "large", 413, "too-large"),
    ("/whip/cat", ["sendonly"], "foreign bundle", 400, "bad-offer"),
    ("/whip/cat", ["sendonly"], "foreign payload", 400, "bad-offer"),
    ("/whip/cat", ["sendonly"], "without video", 400, "bad-offer"),
    ("/whip/cat", ["recvonly"], "whole", 400, "bad-offer"),
    ("/whip/cat", ["sendonly", "sendonly"], "whole", 406, "too-many-tracks"),
    ("/whip/cat", ["sendonly"], "foreign codec", 406, "codec-refused"),
    ("/whip/..%2Fcat", ["sendonly"], "whole", 400, "bad-offer"),
    ("/whip/" + "c" * 65, ["sendonly"], "whole", 400, "bad-offer"),
    ("/whep/cat", ["recvonly"], "whole", 404, "unknown-stream"),
    ("/whep/cat", ["recvonly"], "large", 413, "too-large"),
)


async def test_a_refused_offer_gets_its_reason_and_leaves_nothing_behind(client: Client) -> None:
    for path, directions, offer, status, code in REFUSALS:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for direction in directions:
            peer.addTransceiver("video", direction=direction)
        answered, _, text = await post(client, path, OFFERS[offer](await offer_of(peer)))
        await close_within(peer)
        assert (answered, json.loads(text)["error"]) == (status, code), (path, directions, offer)
        await until(lambda: is_empty(hub_of(client)), 2)


def damaged(sdp: str, luck: random.Random) -> str:
    """The offer with one to four lines lost, doubled, cut, or with a character or word changed."""
    lines = sdp.splitlines()
    for _ in range(luck.choice((1, 1, 2, 4))):
        at = luck.randrange(len(lines))
        line = lines[at]
        place = luck.randrange(len(line) + 1)
        lines[at : at + 1] = luck.choice(
            (
                [],
                [line, luck.choice(lines)],
                [line[:place]],
                [line[:place] + luck.choice("09azA: /=;-é,") + line[place + 1 :]],
                [line.replace(luck.choice("0123456789"), luck.choice(("", "999999999999", "-1", "x")))],
                [" ".join(word for word in line.split() if luck.random() < 0.8)],
            )
        )
    return "\r\n".join([*lines, ""])


async def test_a_damaged_offer_is_answered_or_refused_and_leaves_nothing_behind(
    client: Client, peer: RTCPeerConnection
) -> None:
    luck = random.Random(9725)
    peer.addTransceiver("video", direction="sendonly")
    peer.addTransceiver("audio", direction="sendonly")
    peer.createDataChannel("any")
    whole = await offer_of(peer)
    statuses = set()
    for _ in range(60):
        offer = damaged(whole, luck)
        status, headers, _ = await post(client, "/whip/cat", offer)
        statuses.add(status)
        if status == 201:
            assert await status_of(client, "DELETE", headers["Location"]) in (200, 404), offer
        await until(lambda: is_empty(hub_of(client)), 2)
    assert {201, 400} <= statuses <= {201, 400, 406}


async def test_a_player_that_only_sends_is_refused(
    client: Client, peer: RTCPeerConnection, player: RTCPeerConnection
) -> None:
    peer.addTransceiver(Camera(data.chelsea(), fps=5), direction="sendonly")
    await connect(client, "/whip/cat", peer)
    player.addTransceiver("video", direction="sendonly")
    status, _, text = await post(client, "/whep/cat", await offer_of(player))
    assert (status, json.loads(text)["error"]) == (400, "bad-offer")
    hub = hub_of(client)
    await until(lambda: not hub.viewers and len(hub.peers) == 1, 2)


async def test_another_content_type_is_a_415(client: Client) -> None:
    for path in ("/whip/cat", "/whep/cat"):
        for headers in ({"Content-Type": "application/json"}, {"Content-Type": "text/plain"}, {}):
            async with client.post(path, data=b"v=0", headers=headers) as response:
                assert (response.status, (await response.json())["error"]) == (415, "wrong-content-type")


async def test_an_unknown_session_is_a_404(client: Client) -> None:
    for kind in ("whip", "whep"):
        for method in ("DELETE", "PATCH", "GET"):
            async with client.request(method, f"/{kind}/cat/nobody", data=b"", headers=TRICKLE) as response:
                assert (response.status, (await response.json())["error"]) == (404, "not-found")


def test_the_refused_codec_is_none_of_ours() -> None:
    """What `only_codec` relies on."""
    known = RTCRtpSender.getCapabilities("video")
    assert known is not None
    assert {codec.mimeType for codec in known.codecs} == {"video/VP8", "video/H264", "video/rtx"}
