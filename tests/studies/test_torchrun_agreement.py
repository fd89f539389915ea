"""Two processes on the CPU learn what one learns, when nothing looks at the batch as a whole."""

from pathlib import Path

import pytest
import torch

from seekcam.studies.torchrun_agreement import CHANGES, agreement
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.networks.catalogue import build_network
from seekcam.training.recipe_files import load_recipe


@pytest.mark.slow
@pytest.mark.timeout(500)  # three interpreters import PyTorch
def test_two_processes_agree_with_one_when_batchnorm_is_frozen(tmp_path: Path) -> None:
    assert agreement(20, "frozen", tmp_path) < 1e-4
    # Training has moved the weights, down to the first layer, by much more than that.
    recipe = load_recipe("has-mixed", CHANGES)
    torch.manual_seed(recipe.seed)
    start = build_network(recipe.network, 2, recipe.input.size).state_dict()
    learnt = Checkpoint.load(tmp_path / "one" / "last.pt").network
    assert float((learnt["trunk.conv1.weight"] - start["trunk.conv1.weight"]).abs().max()) > 1e-3
