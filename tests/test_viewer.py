"""What a viewer sends: one SCTP chunk a message, and always the newest picture."""

import json

import av
import pytest
from aiortc.mediastreams import MediaStreamError
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import viewer as viewer_module
from streamer.telemetry import Telemetry
from streamer.viewer import AnnotatedTrack


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
    assert len(json.dumps(echoed)) <= 64 * 12 + 2  # JSON may spell a character as two \\uXXXX
    if isinstance(value, str) and len(value) <= 64:
        assert echoed == value


@given(sentence=st.text(max_size=3000))
@settings(deadline=None)
def test_an_errors_sentence_is_cut_by_bytes_between_characters(sentence: str) -> None:
    cut = viewer_module._cut(sentence)
    assert sentence.startswith(cut)
    assert len(cut.encode()) <= viewer_module.MAX_DETAIL
