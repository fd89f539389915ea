"""The pre-activation ResNets against a second writing of the paper's figure 1(b), in plain functions."""

from collections.abc import Mapping

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seekcam.training.networks.preact_resnet import BLOCKS_18, BLOCKS_34, PreActResNet
from tests.helpers.settled import settle


def activated(x: Tensor, state: Mapping[str, Tensor], norm: str) -> Tensor:
    """BatchNorm by its running statistics, then ReLU."""
    mean, var, scale, shift = (
        state[f"{norm}.{part}"].view(1, -1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / (var + 1e-5).sqrt() * scale + shift).clamp_min(0)


def by_the_paper(images: Tensor, state: Mapping[str, Tensor], blocks: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The features that are averaged, and what the last stage's first convolution sees."""
    x, guide = F.conv2d(images, state["stem.weight"], padding=1), images
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            name = f"stage{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            active = activated(x, state, f"{name}.norm1")
            if stage == 4 and block == 0:
                guide = active
            inner = F.conv2d(active, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            inner = F.conv2d(activated(inner, state, f"{name}.norm2"), state[f"{name}.conv2.weight"], padding=1)
            beside = F.conv2d(active, state[f"{name}.shortcut.weight"], stride=stride) if stride == 2 else x
            x = beside + inner
    return activated(x, state, "norm"), guide


@pytest.mark.parametrize("blocks", [BLOCKS_18, BLOCKS_34])
def test_it_computes_what_the_paper_draws(blocks: tuple[int, ...]) -> None:
    network = settle(PreActResNet(blocks, "preact", 7, 32), 32).double()
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        last, guide = network.forward_features(images)
        wanted, wanted_guide = by_the_paper(images, network.trunk.state_dict(), blocks)
    assert last.std() > 0.01
    torch.testing.assert_close(last, wanted)
    torch.testing.assert_close(guide, wanted_guide)


@pytest.mark.parametrize(("side", "spread"), [(64, 16), (128, 32), (160, 20)])
def test_small_pictures_are_spread_on_a_finer_grid_than_the_map(side: int, spread: int) -> None:
    with torch.device("meta"):
        features = PreActResNet(BLOCKS_18, "preact", 7, side).forward_features(torch.empty(1, 3, side, side))
    assert features.last.shape == (1, 512, side // 8, side // 8)
    assert features.stride16.shape[2:] == (spread, spread)
