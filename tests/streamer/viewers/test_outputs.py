"""What overlay mode counts: results that left, and those that an earlier one was in the way of."""

from collections.abc import Callable

import av
import pytest

from seekcam.localization.prediction import Prediction
from seekcam.streamer.stream import Arrival, Result, SentAs
from seekcam.streamer.telemetry import Telemetry
from seekcam.streamer.viewers.outputs import Outcome, OverlayReturn
from seekcam.streamer.viewers.overlay_message import read_stamps
from seekcam.streamer.window import Window


def result(sent_as: SentAs | None) -> Result:
    return Result(Arrival(av.VideoFrame(16, 16, "yuv420p"), 2.5, 9, 0.0, sent_as), Prediction("m", "cam", ()))


@pytest.mark.parametrize(("outcome", "left", "in_the_way"), [("sent", 1, 0), ("busy", 0, 1), ("not open", 0, 0)])
def test_only_what_was_sent_counts(outcome: Outcome, left: int, in_the_way: int) -> None:
    window, telemetry = Window(), Telemetry()
    OverlayReturn(lambda _: outcome, window, telemetry).offer(result(SentAs(1, 2.0)))
    metrics = telemetry.exposition().decode()
    assert window.rate() == left
    assert f'seekcam_stage_seconds_count{{stage="total"}} {left}.0' in metrics
    assert ('seekcam_frames_dropped_total{reason="channel busy"} 1.0' in metrics) == bool(in_the_way)


def test_a_frame_that_cannot_be_named_is_sent_undated() -> None:
    messages: list[str | bytes] = []

    def send(message: Callable[[], str | bytes]) -> Outcome:
        messages.append(message())
        return "sent"

    back = OverlayReturn(send, Window(), Telemetry())
    for sent_as in (None, SentAs(7, 1.5e12)):
        back.offer(result(sent_as))
    undated, dated = (read_stamps(message) for message in messages if isinstance(message, bytes))
    assert (undated.rtp, undated.captured, undated.frame, undated.pts) == (0, None, 9, 2.5)
    assert (dated.rtp, dated.captured) == (7, 1.5e12)
