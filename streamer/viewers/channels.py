"""A session's two data channels as the server writes to them, without ever queueing for a client that does not read."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiortc import RTCDataChannel

from seekcam.streamer.viewers.outputs import Outcome

PROTOCOL = 1
MAX_UNSENT = 64 * 1024  # bytes: a client with more on its control channel takes in nothing
MAX_DETAIL = 800  # bytes of an error's sentence, as JSON spells it


class Channels:
    """What the page opened, as far as it did.

    Args:
        give_up: called with the reason, perhaps more than once, when no message will reach this client any more.
    """

    def __init__(self, give_up: Callable[[str], None]) -> None:
        self.control: RTCDataChannel | None = None
        self.results: RTCDataChannel | None = None
        self._give_up = give_up

    def send(self, body: Mapping[str, Any]) -> None:
        """Send a message on the control channel, where it is open."""
        channel = self.control
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount > MAX_UNSENT:
            self._give_up("it does not take in what it is sent")
        else:
            self._put(channel, json.dumps({"v": PROTOCOL, **body}, ensure_ascii=False, separators=(",", ":")))

    def send_result(self, message: Callable[[], str | bytes]) -> Outcome:
        """Ask for a message and send it, where that can be done at once."""
        channel = self.results
        if channel is None or channel.readyState != "open":
            return "not open"
        if channel.bufferedAmount > 0:
            return "busy"
        self._put(channel, message())
        return "sent"

    def _put(self, channel: RTCDataChannel, message: str | bytes) -> None:
        try:
            channel.send(message)
        except ValueError as error:  # the client's offer allows short messages only
            self._give_up(str(error))


def echo(value: object) -> float | str | None:
    """What a client wants to have back: a number or a short text, so that it still fits one message."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else None
    return value if isinstance(value, str) and len(value) <= 64 and value.isprintable() else None


def cut(sentence: str) -> str:
    """The beginning of a sentence that takes at most `MAX_DETAIL` bytes between the quotes of JSON."""
    short = sentence.encode(errors="replace")[:MAX_DETAIL].decode(errors="ignore")
    while len(json.dumps(short, ensure_ascii=False).encode()) > MAX_DETAIL + 2:
        short = short[: 9 * len(short) // 10]
    return short
