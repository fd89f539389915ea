"""What a viewer is shown: always the newest picture."""

import av
import pytest
from aiortc.mediastreams import MediaStreamError

from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers.outputs import AnnotatedTrack


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
