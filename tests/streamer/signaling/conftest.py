"""A running server and two peers, as the tests of WHIP and WHEP want them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from seekcam.streamer.webrtc.closing import close_within
from tests.helpers.peers import serving
from tests.helpers.whip_peers import Client


@pytest.fixture
async def client(tmp_path: Path, default_model_path: Path) -> AsyncIterator[Client]:
    async with serving(default_model_path, tmp_path) as opened:
        yield opened


@pytest.fixture
async def peer() -> AsyncIterator[RTCPeerConnection]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield connection
    await close_within(connection)


@pytest.fixture
async def player() -> AsyncIterator[RTCPeerConnection]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield connection
    await close_within(connection)
