"""The clock of a source against a clock of our own: frames wait, never go back, and survive jumps."""

import time
from fractions import Fraction

import av
import pytest

from seekcam.streamer.sources.source_clock import SourceClock


def test_frames_of_a_file_wait_for_their_time_and_do_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = SourceClock()
    shown = []
    for _ in range(3):  # three rounds of a file whose decoding takes 10 ms a frame and whose opening takes 30
        clock.begin(timed=True, paced=True)
        now[0] += 0.03
        for number in range(25):
            frame = av.VideoFrame(16, 16)
            frame.pts, frame.time_base = 7000 + number, Fraction(1, 25)
            now[0] += 0.01
            now[0] += clock.stamp(frame)
            shown.append(now[0])
    assert shown == pytest.approx([shown[0] + n / 25 for n in range(75)], abs=1e-3)
    now[0] += 60  # the machine slept: no rush to make up for a minute
    clock.stamp(frame := _at(7025))
    assert clock.stamp(_at(7026)) == pytest.approx(1 / 25, abs=1e-3)
    assert frame.time == pytest.approx(3.0, abs=1e-3)


def _at(pts: int) -> av.VideoFrame:
    frame = av.VideoFrame(16, 16)
    frame.pts, frame.time_base = pts, Fraction(1, 25)
    return frame


def test_a_camera_whose_clock_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = SourceClock()
    clock.begin(timed=True, paced=False)
    delivered = []
    for pts in [1000, 1001, 1002, 90_000, 90_001, 5, 6]:
        frame = _at(pts)
        assert clock.stamp(frame) == 0
        delivered.append(frame.time)
        now[0] += 1 / 25
    assert delivered == pytest.approx([n / 25 for n in range(7)], abs=1e-3)
