"""Training: what a run leaves, that it can be broken off anywhere, and that every way to end early says what to do."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seekcam.datasets.dataset import TRAIN, VALIDATION, DatasetError, LabelledPicture, PictureSet
from seekcam.localization.errors import UserError
from seekcam.training.checkpoint import Checkpoint, CheckpointError
from seekcam.training.curves import EpochRow
from seekcam.training.fit import FitResult, fit
from seekcam.training.run_errors import DivergedError, InterruptedRunError, OutOfMemoryError
from seekcam.training.run_folder import RunFolderError
from tests.helpers.tiny_runs import Listener, tiny_pictures, tiny_recipe

MID_EPOCH = (2, 2)  # epoch and step at which the tests break a run off; an epoch has 3 steps


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """How sums are split over threads shows in their last bits, and these networks blow that up."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    return tiny_pictures(tmp_path_factory.mktemp("tints"))


@pytest.fixture(scope="module")
def left_alone(pictures: PictureSet, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return fit(pictures, tiny_recipe(), tmp_path_factory.mktemp("left") / "run")


class BreakAt(Listener):
    """Does something at a step of an epoch."""

    def __init__(self, do: Callable[[], object], at: tuple[int, int] = MID_EPOCH) -> None:
        super().__init__()
        self._do, self._at = do, at

    def step(self, epoch: int, done: int, loss: float, rate: float) -> None:
        super().step(epoch, done, loss, rate)
        if (epoch, done) == self._at:
            self._do()


def measured(rows: tuple[EpochRow, ...]) -> list[dict[str, float | None]]:
    """The rows without their times."""
    return [{name: value for name, value in asdict(row).items() if "seconds" not in name} for row in rows]


def assert_same(first: FitResult, second: FitResult) -> None:
    """Equal to the last bit: metrics, weights, and BatchNorm's statistics."""
    assert measured(first.rows) == measured(second.rows)
    for path in ("best", "last"):
        one, other = (Checkpoint.load(getattr(result, path)).network for result in (first, second))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def crash() -> None:
    raise ZeroDivisionError("as a defect would")


def test_a_run_leaves_what_the_folder_promises(left_alone: FitResult, pictures: PictureSet) -> None:
    folder = left_alone.best.parent
    assert {path.name for path in folder.iterdir()} == {
        *("recipe.toml", "metrics.csv", "curves.png", "last.pt", "best.pt", "tensorboard")
    }
    with (folder / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1", "2"]
    assert [float(line["loss"]) for line in lines] == [row.loss for row in left_alone.rows]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    best = Checkpoint.load(left_alone.best)
    assert best.classes == pictures.classes
    assert best.epoch == left_alone.best_row.epoch
    assert best.metrics["validation_top1"] == max(row.validation_top1 or 0 for row in left_alone.rows)


@pytest.mark.timeout(500)  # a second interpreter imports PyTorch
def test_killed_in_mid_epoch_and_resumed_is_as_left_alone(
    pictures: PictureSet, left_alone: FitResult, tmp_path: Path
) -> None:
    child = (
        "import os, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from tests.training.test_fit import BreakAt\n"
        "from tests.helpers.tiny_runs import tiny_pictures, tiny_recipe\n"
        "from seekcam.training.fit import fit\n"
        "torch.set_num_threads(1)\n"
        "report = BreakAt(lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        "recipe = tiny_recipe('hardware.save_minutes=1e-9')\n"  # a checkpoint after every step
        "fit(tiny_pictures(Path(sys.argv[1])), recipe, Path(sys.argv[2]), report=report)\n"
    )
    run = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", child, str(pictures.root), str(run)], timeout=400)
    assert done.returncode == -signal.SIGKILL
    kept = Checkpoint.load(run / "last.pt")
    assert kept.epoch == 1
    assert kept.step == 4  # the second step of the second epoch was done and not yet saved
    listener = Listener()
    assert_same(fit(pictures, tiny_recipe(), run, resume=True, report=listener), left_alone)
    assert listener.steps == [(2, 2), (2, 3)]


def test_broken_off_after_an_epoch_was_saved_and_resumed_is_as_left_alone(
    pictures: PictureSet, left_alone: FitResult, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        fit(pictures, tiny_recipe(), tmp_path, report=BreakAt(crash))
    listener = Listener()
    assert_same(fit(pictures, tiny_recipe(), tmp_path, resume=True, report=listener), left_alone)
    assert listener.steps == [(2, 1), (2, 2), (2, 3)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_step_and_the_state_is_kept(
    number: signal.Signals, pictures: PictureSet, left_alone: FitResult, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGINT)  # a shell that starts this in the background has it ignored
    with pytest.raises(InterruptedRunError, match=r"epoch 1 and 2 steps.*--resume") as caught:
        fit(pictures, tiny_recipe(), tmp_path, report=BreakAt(lambda: os.kill(os.getpid(), number)))
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(signal.SIGINT) is before
    assert not Checkpoint.load(tmp_path / "last.pt").metrics  # what epoch 1 measured is not of these weights
    assert_same(fit(pictures, tiny_recipe(), tmp_path, resume=True), left_alone)


def test_a_finished_run_is_not_trained_again(left_alone: FitResult, pictures: PictureSet) -> None:
    folder, listener = left_alone.best.parent, Listener()
    table = (folder / "metrics.csv").read_bytes()
    (folder / "metrics.csv").unlink()  # as if killed between the last checkpoint and the table
    again = fit(pictures, tiny_recipe(), folder, resume=True, report=listener)
    assert again.rows == left_alone.rows
    assert again.best_row == left_alone.best_row
    assert not listener.steps
    assert (folder / "metrics.csv").read_bytes() == table
    with pytest.raises(RunFolderError, match="holds a finished run"):
        fit(pictures, tiny_recipe(), folder)


def test_weights_alone_are_no_run_to_resume(left_alone: FitResult, pictures: PictureSet, tmp_path: Path) -> None:
    shutil.copyfile(left_alone.best, tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match="holds weights only"):
        fit(pictures, tiny_recipe(), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("optimiser.learning_rate=0.5", "optimiser.learning_rate = 0.001, not 0.5"),
        ("augment.steps=[]", "augment.steps"),
        ("seed=3", "seed = 0, not 3"),
    ],
)
def test_a_run_is_not_resumed_with_another_recipe(
    change: str, named: str, left_alone: FitResult, pictures: PictureSet
) -> None:
    with pytest.raises(RunFolderError, match=named):
        fit(pictures, tiny_recipe(change), left_alone.best.parent, resume=True)


def test_a_run_is_not_resumed_on_other_pictures(left_alone: FitResult, pictures: PictureSet) -> None:
    fewer = replace(pictures, parts={**pictures.parts, TRAIN: pictures.parts[TRAIN][1:]})
    with pytest.raises(RunFolderError, match="not those that the run"):
        fit(fewer, tiny_recipe(), left_alone.best.parent, resume=True)


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for(pictures: PictureSet, tmp_path: Path) -> None:
    fit(pictures, tiny_recipe("schedule.epochs=1"), tmp_path)
    longer = fit(pictures, tiny_recipe(), tmp_path, resume=True)
    assert [row.epoch for row in longer.rows] == [1, 2]
    assert [row.step for row in longer.rows] == [3, 6]


def test_a_diverging_run_says_what_to_change_and_keeps_the_last_good_state(
    pictures: PictureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def to_nothing() -> None:
        monkeypatch.setattr("seekcam.training.fit.mixed_cross_entropy", lambda logits, *_: logits.sum(1) * float("nan"))

    with pytest.raises(DivergedError, match=r"epoch 2.*--set optimiser.learning_rate=0.0001 \(it was 0.001\)"):
        fit(pictures, tiny_recipe(), tmp_path, report=BreakAt(to_nothing, (2, 1)))
    kept = Checkpoint.load(tmp_path / "last.pt")
    assert kept.epoch == 1
    assert all(bool(value.isfinite().all()) for value in kept.network.values())


def test_too_high_a_rate_diverges(pictures: PictureSet, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"epoch 1: its loss is NaN or infinite\. Train anew with a lower rate"):
        fit(pictures, tiny_recipe("optimiser.learning_rate=1e30"), tmp_path)
    assert not (tmp_path / "last.pt").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_out_of_memory_says_what_to_change(
    error: Exception, pictures: PictureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Tensor:
        raise error

    monkeypatch.setattr("seekcam.training.fit.mixed_cross_entropy", fail)
    with pytest.raises(OutOfMemoryError, match=r"8 pictures.*32 x 32.*schedule.accumulate=2.*--batch.*--size"):
        fit(pictures, tiny_recipe(), tmp_path)


def test_memory_that_the_system_will_not_give_is_such_an_error() -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        torch.empty(2**60, dtype=torch.uint8)


def test_a_full_disk_leaves_the_old_checkpoint_whole(pictures: PictureSet, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:  # no file may grow beyond a megabyte
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))

    try:
        with pytest.raises(RunFolderError, match=r"last\.pt could not be written .*make room.*--resume"):
            fit(pictures, tiny_recipe("hardware.save_minutes=1e-9"), tmp_path, report=BreakAt(fill))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = Checkpoint.load(tmp_path / "last.pt")
    assert (kept.epoch, kept.step) == (1, 4)
    assert not list(tmp_path.glob(".*"))


def test_unreadable_pictures_are_named_and_left_out(pictures: PictureSet, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    train = (*pictures.parts[TRAIN], LabelledPicture(broken, 0))
    listener = Listener()
    recipe = tiny_recipe("schedule.epochs=1")
    result = fit(replace(pictures, parts={TRAIN: train}), recipe, tmp_path / "run", report=listener)
    assert [path for path, _ in result.skipped] == [broken]
    assert any(str(broken) in line for line in listener.said)
    assert result.rows[0].step == 3


def test_without_a_validation_part_the_newest_is_the_best(pictures: PictureSet, tmp_path: Path) -> None:
    result = fit(replace(pictures, parts={TRAIN: pictures.parts[TRAIN]}), tiny_recipe(), tmp_path)
    assert result.best_row == result.rows[-1]
    assert result.best_row.validation_top1 is None
    best, last = Checkpoint.load(result.best).network, Checkpoint.load(result.last).network
    assert all(torch.equal(best[name], last[name]) for name in best)


def test_nothing_to_train_on_is_refused(pictures: PictureSet, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures to train on"):
        fit(replace(pictures, parts={VALIDATION: pictures.parts[VALIDATION]}), tiny_recipe(), tmp_path)


def test_parts_of_a_step_add_up_to_the_step(pictures: PictureSet, tmp_path: Path) -> None:
    # Frozen, BatchNorm sees no batch; without dropout, nothing else does.
    still = ("network.batchnorm=frozen", "network.dropout=0.0", "schedule.epochs=1")
    runs = [
        fit(pictures, tiny_recipe(*still, f"schedule.accumulate={parts}"), tmp_path / str(parts)) for parts in (1, 3)
    ]
    whole, parts = (Checkpoint.load(run.last).network for run in runs)
    assert max(float((whole[name] - parts[name]).abs().max()) for name in whole) < 1e-6
    assert runs[0].rows[0].loss == pytest.approx(runs[1].rows[0].loss, rel=1e-6)


def test_bad_hardware_is_a_sentence(pictures: PictureSet, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no CUDA device"):
            fit(pictures, tiny_recipe("hardware.device=cuda"), tmp_path)
    with pytest.raises(UserError, match="32-true or bf16-mixed"):
        fit(pictures, tiny_recipe("hardware.precision=16-mixed"), tmp_path)
