"""ICE candidates in an SDP fragment (RFC 8840, section 9), as WHIP and WHEP clients send them after their offer."""

from aiortc import RTCIceCandidate, RTCPeerConnection
from aiortc.sdp import candidate_from_sdp

from seekcam.localization.errors import UserError
from seekcam.streamer.signaling.sessions import OfferError


class IceRestartError(UserError):
    """Candidates for another ICE session than the one that was answered."""

    code = "no-ice-restart"


async def add_candidates(peer: RTCPeerConnection, fragment: str) -> None:
    """Add a fragment's candidates to a connection that has its remote description.

    Raises:
        IceRestartError: the user fragment is a new one.
        OfferError: a line that is no candidate; those before it are added.
    """
    offer = peer.remoteDescription.sdp
    lines = [line.strip() for line in fragment.splitlines()]
    for line in lines:
        if line.startswith("a=ice-ufrag:") and line not in offer.splitlines():
            raise IceRestartError("ICE restarts are not supported: end this session and post a new offer.")
    # With everything bundled, only the first section has a transport; some clients leave its name out. Sections of an
    # offer without names have the empty one.
    named = (line.removeprefix("a=mid:") for line in offer.splitlines() if line.startswith("a=mid:"))
    mid = next(named, "")
    for line in lines:
        if line.startswith("a=mid:"):
            mid = line.removeprefix("a=mid:")
        elif line.startswith("a=candidate:"):
            candidate = _parse(line)
            candidate.sdpMid = mid
            await peer.addIceCandidate(candidate)
        elif line == "a=end-of-candidates":
            await peer.addIceCandidate(None)


def _parse(line: str) -> RTCIceCandidate:
    try:
        return candidate_from_sdp(line.removeprefix("a=candidate:"))
    except (ValueError, IndexError, AssertionError) as error:
        raise OfferError(f"This is no ICE candidate: {line[:120]!r}.") from error
