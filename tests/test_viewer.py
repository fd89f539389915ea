"""What a viewer sends: one SCTP chunk a message, and always the newest picture."""

import json

import av
import pytest
from aiortc.mediastreams import MediaStreamError
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import viewer as viewer_module
from streamer.returns import MAX_MESSAGE, AnnotatedTrack
from streamer.telemetry import Telemetry


async def test_the_track_sends_the_newest_picture_and_counts_the_others() -> None:
    telemetry = Telemetry()
    track = AnnotatedTrack(telemetry)
    for pts in range(3):
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pts = pts
        track.show(frame)
    assert (await track.recv()).pts == 2
    assert b'seekcam_frames_dropped_total{reason="encoder busy"} 2.0' in telemetry.exposition()


async def test_a_stopped_track_lets_its_sender_go() -> None:
    track = AnnotatedTrack(Telemetry())
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()


@given(value=st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.integers()), st.booleans()))
@settings(deadline=None)
def test_what_a_client_wants_back_stays_small(value: object) -> None:
    echoed = viewer_module._echo(value)
    assert len(json.dumps(echoed, ensure_ascii=False).encode()) <= 64 * 4 + 2
    if isinstance(value, str) and len(value) <= 64 and value.isprintable():
        assert echoed == value


def test_half_a_character_is_not_sent_back() -> None:
    assert viewer_module._echo(json.loads('"\\ud800"')) is None  # no message could hold it


@given(sentence=st.text(max_size=3000) | st.text('"\\\n\x00', min_size=700, max_size=900))
@settings(deadline=None)
def test_an_errors_sentence_is_cut_by_bytes_between_characters(sentence: str) -> None:
    cut = viewer_module._cut(sentence)
    assert sentence.startswith(cut)
    whole = {"v": 1, "type": "error", "error": "unknown-stream", "detail": cut, "reply": "\U0001f408" * 64}
    assert len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_MESSAGE
    assert len(cut) >= min(len(sentence), 100)
