"""Two processes on the CPU learn what one learns, when nothing looks at the batch as a whole."""

from pathlib import Path

import torch

from studies.torchrun_agreement import agreement, greatest_difference
from tests.tiny_runs import tiny_pictures, tiny_recipe
from training.checkpoint import Checkpoint
from training.fit import fit


def test_two_processes_agree_with_one_when_batchnorm_is_frozen(tmp_path: Path) -> None:
    assert agreement(20, "frozen", tmp_path) < 1e-4
    one = Checkpoint.load(tmp_path / "one" / "last.pt")
    start = fit(tiny_pictures(tmp_path / "others"), tiny_recipe("optimiser.learning_rate=1e-12"), tmp_path / "start")
    # The weights have moved by much more than they differ by.
    moved = greatest_difference(one, Checkpoint.load(start.last))
    assert moved > 1e-2
    assert torch.isfinite(torch.tensor(moved))
