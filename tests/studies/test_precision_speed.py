"""Files are timed in turns, each against the first."""

from pathlib import Path

import pytest

from seekcam.studies import precision_speed
from seekcam.studies.precision_speed import WARM_UP, measure
from tests.helpers.exported import open_file


def test_the_median_over_the_turns_is_told(small_model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [open_file(small_model_path), open_file(small_model_path)]
    # The second takes half as long as the first, but for a warm-up and one turn in which the machine is busy.
    times = iter([9.0, 9.0] * WARM_UP + [0.002, 0.001, 0.004, 0.002, 0.003, 0.1])
    asked: list[object] = []

    def seconds(model: object, frame: object) -> float:
        asked.append(model)
        return next(times)

    monkeypatch.setattr(precision_speed, "_seconds", seconds)
    first, second = measure(models, turns=3)
    assert asked == models * (WARM_UP + 3)
    assert [speed.ms for speed in (first, second)] == pytest.approx([3, 2])
    assert [speed.ratio for speed in (first, second)] == pytest.approx([1, 0.5])
    assert first.megabytes == pytest.approx(small_model_path.stat().st_size / 1e6)
    assert (first.model, first.precision) == ("small", "fp32")


def test_real_files_are_timed(small_model_path: Path) -> None:
    (speed,) = measure([open_file(small_model_path)], turns=2)
    assert speed.ms > 0
