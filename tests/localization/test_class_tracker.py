"""The class tracker against the recursion it was measured with, and over frame rates, gaps and broken input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seekcam.localization.class_tracker import LONGEST_GAP, MARGIN, ClassTracker


def logits(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def shown_by_recursion(frames: NDArray[np.float32]) -> list[int]:
    """Weight .2 for the new frame, at 24 frames a second; another class is shown when it leads by more than .5."""
    average = frames[0].astype(np.float64)
    held = int(np.argmax(average))
    shown = [held]
    for frame in frames[1:]:
        average = 0.8 * average + 0.2 * frame
        if average.max() - average[held] > 0.5:
            held = int(np.argmax(average))
        shown.append(held)
    return shown


@given(st.integers(0, 2**32 - 1), st.floats(0, 1e5))
@settings(deadline=None, max_examples=25)
def test_at_24_frames_a_second_it_is_the_measured_recursion(seed: int, start: float) -> None:
    steps = np.random.default_rng(seed).standard_normal((60, 5)) / 2
    frames = np.cumsum(steps, axis=0).astype(np.float32)
    tracker = ClassTracker()
    assert [tracker.update(frame, start + i / 24) for i, frame in enumerate(frames)] == shown_by_recursion(frames)


@pytest.mark.parametrize("fps", [5, 15, 24, 30, 60, 120])
def test_a_new_object_is_shown_after_the_same_time_at_any_frame_rate(fps: int) -> None:
    tracker = ClassTracker()
    for i in range(2 * fps):
        assert tracker.update(logits(4, 0), i / fps) == 0
    switched = next(i for i in range(10 * fps) if tracker.update(logits(0, 4), 2 + i / fps) == 1)
    # The averages' difference falls from 4 to -4 with the time constant; the margin is crossed at 8 e^(-t/T) = 3.5.
    expected = np.log(8 / 3.5) / (24 * np.log(1 / 0.8))
    assert abs((switched + 1) / fps - expected) <= 1 / fps + 1e-9


def test_neighbours_that_take_turns_do_not_flicker() -> None:
    frames = [logits(5.2, 5.0, 0) if i % 2 else logits(5.0, 5.2, 0) for i in range(200)]
    tracker = ClassTracker()
    assert len({tracker.update(frame, i / 30) for i, frame in enumerate(frames)}) == 1


def test_a_lead_within_the_margin_never_switches_and_one_beyond_it_does() -> None:
    for lead, expected in ((MARGIN * 0.98, 0), (MARGIN * 1.02, 1)):
        tracker = ClassTracker()
        tracker.update(logits(1, 0), 0.0)
        assert [tracker.update(logits(0, lead), 0.04 * i) for i in range(1, 200)][-1] == expected


@pytest.mark.parametrize("pts", [-0.01, LONGEST_GAP + 0.01, 3600.0])
def test_a_jump_in_time_starts_afresh(pts: float) -> None:
    tracker = ClassTracker()
    tracker.update(logits(9, 0), 0.0)
    assert tracker.update(logits(0, 0.1), pts) == 1


def test_a_gap_just_short_of_the_limit_keeps_the_held_class() -> None:
    tracker = ClassTracker()
    tracker.update(logits(9, 0), 0.0)
    assert tracker.update(logits(0, 0.1), LONGEST_GAP) == 0


def test_another_number_of_classes_starts_afresh() -> None:
    tracker = ClassTracker()
    tracker.update(logits(9, 0), 0.0)
    assert tracker.held == 0
    assert tracker.update(logits(0, 0, 0.1), 0.02) == 2


def test_the_same_frame_twice_changes_nothing() -> None:
    tracker = ClassTracker()
    tracker.update(logits(1, 0), 5.0)
    assert all(tracker.update(logits(0, 100), 5.0) == 0 for _ in range(50))


def test_broken_logits_are_passed_over() -> None:
    tracker = ClassTracker()
    assert tracker.update(logits(np.nan, 1, 2), 0.0) == 2
    assert tracker.held is None
    assert tracker.update(logits(3, 0, 0), 0.1) == 0
    assert tracker.update(logits(np.nan, np.inf, 0), 0.2) == 0
    assert tracker.update(logits(3, 0, 0), 0.3) == 0


def test_without_a_time_constant_every_frame_decides() -> None:
    tracker = ClassTracker(time_constant=0, margin=0)
    assert [tracker.update(logits(i % 2, 0.5), i / 30) for i in range(6)] == [1, 0, 1, 0, 1, 0]


def test_only_a_mapped_class_is_switched_to() -> None:
    tracker = ClassTracker(time_constant=0)
    assert tracker.update(np.array([3.0, 0.0, 0.0], np.float32), 0.0, mapped=(0, 1)) == 0
    assert tracker.update(np.array([0.0, 0.0, 9.0], np.float32), 0.1, mapped=(0, 1)) == 0
    assert tracker.update(np.array([0.0, 0.0, 9.0], np.float32), 0.2, mapped=(0, 2)) == 2
