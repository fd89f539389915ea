"""Where ICE candidates are gathered, by a real peer connection: fails when aioice asks for addresses in another way."""

import asyncio
import contextlib
import socket

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from seekcam.streamer.webrtc import gathering
from seekcam.streamer.webrtc.closing import close_within


async def gathered() -> list[tuple[str, int]]:
    """Address and port of every candidate of a new peer connection."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("any")
    await peer.setLocalDescription(await peer.createOffer())
    lines = peer.localDescription.sdp.split("\r\n")
    await close_within(peer)
    return [(words[4], int(words[5])) for line in lines if line.startswith("a=candidate:") for words in [line.split()]]


def three_free_ports() -> int:
    """The first of three in a row, below those that systems hand out by themselves, so that nobody else takes them."""
    for low in range(20_000, 30_000, 3):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(low, low + 3):
                stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
            return low
    raise AssertionError("no three free ports in a row")


@pytest.fixture(autouse=True)
def stock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test changes in aioice is undone."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)


async def test_only_the_given_addresses_are_offered() -> None:
    gathering.gather_on(["127.0.0.1"])
    assert {address for address, _ in await gathered()} == {"127.0.0.1"}


async def test_ports_are_taken_from_the_range_in_turn_and_past_those_in_use() -> None:
    gathering.gather_on(["127.0.0.1"])
    low = three_free_ports()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", low))
        gathering.limit_udp_ports(asyncio.get_running_loop(), low, low + 2)
        ports = [port for _ in range(4) for _, port in await gathered()]
    assert low not in ports
    assert set(ports) == {low + 1, low + 2}
    assert ports == ports[:2] * 2


async def test_a_range_without_a_free_port_says_so() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        loop = asyncio.get_running_loop()
        gathering.limit_udp_ports(loop, port, port)
        with pytest.raises(OSError, match=f"no free UDP port from {port} to {port} on 127.0.0.1"):
            await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))


def test_without_a_setting_this_machines_own_server_offers_loopback_too() -> None:
    everywhere = gathering.default_addresses(loopback=False)
    assert gathering.default_addresses(loopback=True) == ["127.0.0.1", *everywhere]
