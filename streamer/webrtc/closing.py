"""A peer connection of aiortc's that is closed in time, whatever state it is in."""

import asyncio
import logging
from typing import Any

from aiortc import RTCPeerConnection

logger = logging.getLogger(__name__)


async def close_within(peer: RTCPeerConnection, seconds: float = 5.0) -> None:
    """Close a peer connection; neither a hung transport nor one that aiortc left in pieces keeps the server waiting.

    Afterwards its state is "closed" and its listeners know, whatever happened: places are counted by that event.
    """
    try:
        await asyncio.wait_for(peer.close(), seconds)
    except TimeoutError:
        logger.warning("A peer connection did not close within %g s and was left behind.", seconds)
    except AttributeError:
        # An offer that bundles a section it does not have leaves aiortc's transceivers without a transport.
        logger.debug("A peer connection could not be closed in order.", exc_info=True)
    if peer.connectionState != "closed":
        inner: Any = peer
        inner._RTCPeerConnection__connectionState = "closed"
        peer.emit("connectionstatechange")
