"""The ICE servers of a session: as configured, or with TURN credentials that expire.

A TURN server with a shared secret takes a user name `expiry:user`, expiry in Unix seconds, and as password
base64(HMAC-SHA1(secret, user name)).
Source: J. Uberti, "A REST API For Access To TURN Services", draft-uberti-behave-turn-rest-00, 2013
(`use-auth-secret` in coturn).
"""

import base64
import hashlib
import hmac
from typing import TypedDict

from seekcam.streamer.config import ServerConfig

LIFETIME = 12 * 3600  # seconds a TURN credential lasts: longer than any session is expected to


class IceServer(TypedDict, total=False):
    """One entry of a browser's `RTCConfiguration.iceServers`; also the keywords of aiortc's `RTCIceServer`."""

    urls: list[str]
    username: str
    credential: str


def turn_credential(secret: str, user: str, expiry: int) -> tuple[str, str]:
    """User name and password that a TURN server with this shared secret takes until `expiry` (Unix seconds)."""
    username = f"{expiry}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def ice_servers(config: ServerConfig, now: float) -> list[IceServer]:
    """What to configure a peer connection with; `now` in Unix seconds."""
    stun = [url for url in config.ice_server if url.startswith("stun")]
    turn = [url for url in config.ice_server if url.startswith("turn")]
    servers: list[IceServer] = [{"urls": stun}] if stun else []
    if turn and config.ice_secret:
        secret = config.ice_secret.get_secret_value()
        username, credential = turn_credential(secret, config.ice_username or "seekcam", int(now) + LIFETIME)
        servers.append({"urls": turn, "username": username, "credential": credential})
    elif turn and config.ice_credential and config.ice_username:
        credential = config.ice_credential.get_secret_value()
        servers.append({"urls": turn, "username": config.ice_username, "credential": credential})
    return servers
