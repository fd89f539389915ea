"""SDP fragments against a real offer: whose candidates they are, and what is refused."""

import re
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.errors import UserError
from seekcam.streamer.signaling.sessions import OfferError
from seekcam.streamer.signaling.trickle import IceRestartError, add_candidates
from seekcam.streamer.webrtc.closing import close_within

FIRST = "candidate:1 1 udp 2130706431 127.0.0.1 40001 typ host"
SECOND = "candidate:2 1 udp 2130706430 127.0.0.1 40002 typ host"


@pytest.fixture
async def peer() -> AsyncIterator[RTCPeerConnection]:
    """A connection with a remote offer of two bundled sections, 0 and 1, without candidates."""
    connection = await offered()
    yield connection
    await close_within(connection)


async def offered(named: bool = True) -> RTCPeerConnection:
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    caller.addTransceiver("audio", direction="sendonly")
    caller.addTransceiver("video", direction="sendonly")
    called = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    offer = await caller.createOffer()
    if not named:
        offer.sdp = re.sub(r"a=(mid:|group:BUNDLE).*\r\n", "", offer.sdp)
    await called.setRemoteDescription(offer)
    await close_within(caller)
    return called


def candidates(peer: RTCPeerConnection) -> dict[str, list[str]]:
    """What the remote description holds by section name."""
    found: dict[str, list[str]] = {}
    for section in peer.remoteDescription.sdp.split("\r\nm=")[1:]:
        lines = section.splitlines()
        name = next(line.removeprefix("a=mid:") for line in lines if line.startswith("a=mid:"))
        found[name] = [line.removeprefix("a=") for line in lines if line.startswith("a=candidate:")]
    return found


def ufrag(peer: RTCPeerConnection) -> str:
    return next(line for line in peer.remoteDescription.sdp.splitlines() if line.startswith("a=ice-ufrag:"))


async def test_candidates_go_to_the_section_that_is_named(peer: RTCPeerConnection) -> None:
    assert candidates(peer) == {"0": [], "1": []}
    await add_candidates(peer, f"{ufrag(peer)}\r\nm=audio 9 X 0\r\na=mid:0\r\na={FIRST}\r\na=mid:1\r\na={SECOND}\r\n")
    assert candidates(peer) == {"0": [FIRST], "1": [SECOND]}


async def test_without_a_name_they_are_the_first_section_s(peer: RTCPeerConnection) -> None:
    await add_candidates(peer, f"a={FIRST}\na=end-of-candidates\n")
    assert candidates(peer)["0"] == [FIRST]
    assert "a=end-of-candidates" in peer.remoteDescription.sdp


async def test_an_offer_whose_sections_have_no_names_takes_candidates() -> None:
    peer = await offered(named=False)
    try:
        assert "a=mid:" not in peer.remoteDescription.sdp
        await add_candidates(peer, f"a={FIRST}\r\n")
        assert f"a={FIRST}" in peer.remoteDescription.sdp.splitlines()
    finally:
        await close_within(peer)


async def test_another_user_fragment_is_a_restart_and_changes_nothing(peer: RTCPeerConnection) -> None:
    with pytest.raises(IceRestartError, match="post a new offer"):
        await add_candidates(peer, f"a={FIRST}\r\na=ice-ufrag:other\r\n")
    assert candidates(peer) == {"0": [], "1": []}


async def test_a_line_that_is_no_candidate_is_quoted(peer: RTCPeerConnection) -> None:
    for line in ("candidate:1 1 udp", "candidate:1 one udp 1 127.0.0.1 9 typ host", "candidate:"):
        with pytest.raises(OfferError, match="no ICE candidate") as refusal:
            await add_candidates(peer, f"a={line}")
        assert line in str(refusal.value)


words = st.sampled_from(["1", "udp", "tcp", "127.0.0.1", "::1", "typ", "host", "relay", "raddr", "rport", "-1", "x"])


@settings(deadline=None, max_examples=30)
@given(st.lists(words, max_size=12).map(" ".join) | st.text(max_size=80))
async def test_whatever_comes_is_taken_or_refused_in_words(text: str) -> None:
    peer = await offered()
    try:
        await add_candidates(peer, f"a=mid:0\r\na=candidate:{text}\r\n")
    except UserError as refusal:
        assert str(refusal).endswith(".")  # noqa: PT017 - either outcome is right
    finally:
        await close_within(peer)
