"""What a session's data channels carry: messages of one SCTP chunk, and none that nobody takes in."""

import json
from typing import Any, cast

from aiortc import RTCDataChannel
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.viewers.channels import MAX_UNSENT, Channels, cut, echo
from seekcam.streamer.viewers.outputs import MAX_MESSAGE


class Pipe:
    """As much of a data channel as is looked at."""

    def __init__(self, state: str = "open", waiting: int = 0, longest: int = MAX_MESSAGE) -> None:
        self.readyState = state
        self.bufferedAmount = waiting
        self.sent: list[str | bytes] = []
        self._longest = longest

    def send(self, message: str | bytes) -> None:
        if len(message) > self._longest:
            raise ValueError("too long for the remote party")
        self.sent.append(message)


def channels(control: Pipe | None = None, results: Pipe | None = None) -> tuple[Channels, list[str]]:
    """Channels, and the reasons for which they gave up."""
    reasons: list[str] = []
    made = Channels(reasons.append)
    made.control, made.results = cast("RTCDataChannel", control), cast("RTCDataChannel", results)
    return made, reasons


def test_a_client_that_takes_in_nothing_is_given_up() -> None:
    for waiting, given_up in ((MAX_UNSENT, False), (MAX_UNSENT + 1, True)):
        pipe = Pipe(waiting=waiting)
        made, reasons = channels(pipe)
        made.send({"type": "pong"})
        assert (len(pipe.sent), len(reasons)) == ((0, 1) if given_up else (1, 0))


def test_a_client_that_allows_no_message_is_given_up_and_harms_nobody_else() -> None:
    made, reasons = channels(Pipe(longest=1), Pipe(longest=1))
    made.send({"type": "pong"})
    made.send_result(lambda: b"map")
    assert reasons == ["too long for the remote party"] * 2


def test_nothing_is_sent_before_the_channel_is_open() -> None:
    pipe = Pipe("connecting", waiting=MAX_UNSENT + 1)
    for made, reasons in (channels(pipe, pipe), channels()):
        made.send({"type": "pong"})
        assert made.send_result(unwanted) == "not open"
        assert not reasons
    assert not pipe.sent


def test_a_result_is_made_only_when_nothing_waits() -> None:
    busy, free = Pipe(waiting=1), Pipe()
    assert channels(results=busy)[0].send_result(unwanted) == "busy"
    assert channels(results=free)[0].send_result(lambda: b"map") == "sent"
    assert (busy.sent, free.sent) == ([], [b"map"])


def unwanted() -> Any:
    raise AssertionError("a message was made that cannot be sent")


@given(value=st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.integers()), st.booleans()))
@settings(deadline=None)
def test_what_a_client_wants_back_stays_small(value: object) -> None:
    echoed = echo(value)
    assert len(json.dumps(echoed, ensure_ascii=False).encode()) <= 64 * 4 + 2
    if isinstance(value, str) and len(value) <= 64 and value.isprintable():
        assert echoed == value


def test_half_a_character_is_not_sent_back() -> None:
    assert echo(json.loads('"\\ud800"')) is None  # no message could hold it


@given(sentence=st.text(max_size=3000) | st.text('"\\\n\x00', min_size=700, max_size=900))
@settings(deadline=None)
def test_an_errors_sentence_is_cut_by_bytes_between_characters(sentence: str) -> None:
    short = cut(sentence)
    assert sentence.startswith(short)
    whole = {"v": 1, "type": "error", "error": "unknown-stream", "detail": short, "reply": "\U0001f408" * 64}
    assert len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_MESSAGE
    assert len(short) >= min(len(sentence), 100)
