"""The files of a run: whole or not there."""

import os
from pathlib import Path

import pytest

from seekcam.training.curves import EpochRow
from seekcam.training.recipe_files import load_recipe
from seekcam.training.run_folder import RunFolder, RunFolderError
from seekcam.training.run_state import RunState
from tests.helpers.tiny_runs import tiny_recipe

ROW = EpochRow(1, 10, 0.1, 0.7, 0.8, 60.0, None, 1.0, 0.5)


def test_the_recipe_that_is_written_is_the_recipe_of_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "new" / "run")
    run.begin(tiny_recipe())
    assert load_recipe(str(run.recipe)) == tiny_recipe()


def test_a_failing_write_is_a_sentence_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path)
    run.record([ROW])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"metrics.csv", "curves.png"}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunFolderError, match=r"metrics\.csv could not be written in .* \(No space left on device\)"):
        run.record([ROW, ROW])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="could not be written"):
        RunFolder(tmp_path / "file" / "run").begin(tiny_recipe())


def test_files_are_as_readable_as_the_person_wants_new_files_to_be(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        RunFolder(tmp_path).begin(tiny_recipe())
    finally:
        os.umask(before)
    assert (tmp_path / "recipe.toml").stat().st_mode & 0o777 == 0o640


def test_tensorboard_is_told_every_number_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = RunFolder(tmp_path)
    with run.scalars(0, wanted=True) as scalars:
        scalars.add(ROW)
    with RunFolder(tmp_path / "other").scalars(0, wanted=False) as silent:
        silent.add(ROW)
    events = EventAccumulator(str(run.tensorboard))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        *("training/learning_rate", "training/loss", "training/seconds"),
        *("validation/loss", "validation/top1", "validation/seconds"),
    }
    assert [(event.step, event.value) for event in events.Scalars("validation/top1")] == [(10, 60.0)]
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(50, 1.0), (60, 1.2), (55, 0.5)], 2),
        ([(60, 1.0), (60, 0.9), (60, 1.1)], 2),  # as many right: the smaller loss
        ([(60, 1.0), (60, 1.0)], 1),
        ([(None, None), (None, None)], 2),  # without a validation part the newest
    ],
)
def test_the_best_epoch_is_the_one_with_most_right(scores: list[tuple[float | None, float | None]], best: int) -> None:
    state = RunState()
    kept = [
        state.end_epoch(EpochRow(epoch, epoch, 0.1, 1.0, loss, top1, None, 1.0, 0.0))
        for epoch, (top1, loss) in enumerate(scores, start=1)
    ]
    assert state.best_epoch == best
    assert max(epoch for epoch, is_best in enumerate(kept, start=1) if is_best) == best
