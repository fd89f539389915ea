"""What the WHIP and WHEP tests share: a client of a running server, offers and answers, and waiting."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from aiohttp.test_utils import TestClient
from aiortc import RTCPeerConnection, RTCSessionDescription

from seekcam.streamer.hub import HUB, Hub

Client = TestClient[Any, Any]
SDP = {"Content-Type": "application/sdp"}
TRICKLE = {"Content-Type": "application/trickle-ice-sdpfrag"}


def hub_of(client: Client) -> Hub:
    hub: Hub = client.app[HUB]
    return hub


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def is_empty(hub: Hub) -> bool:
    return not (hub.peers or hub.streams or hub.viewers)


async def offer_of(peer: RTCPeerConnection) -> str:
    await peer.setLocalDescription(await peer.createOffer())
    return peer.localDescription.sdp


async def post(client: Client, path: str, sdp: str, headers: dict[str, str] | None = None) -> tuple[int, Any, str]:
    async with client.post(path, data=sdp, headers={**SDP, **(headers or {})}) as response:
        return response.status, response.headers, await response.text()


async def connect(client: Client, path: str, peer: RTCPeerConnection, headers: dict[str, str] | None = None) -> Any:
    """Offer, expect 201 and apply the answer; returns the answer's headers."""
    status, answered, text = await post(client, path, await offer_of(peer), headers)
    assert status == 201, text
    assert answered["Content-Type"].startswith("application/sdp")
    assert re.fullmatch(re.escape(path) + r"/[\w-]{24}", answered["Location"])
    await peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
    return answered


async def status_of(client: Client, method: str, path: str, **options: Any) -> int:
    async with client.request(method, path, **options) as response:
        return response.status
