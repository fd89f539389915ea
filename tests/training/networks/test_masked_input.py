"""The network behind a mask: the same mask for everyone at test, none in training, one head and one state."""

import pytest
import torch
from torch import nn

from seekcam.training.augment.input_dropout import InputDropoutConfig, fixed_mask
from seekcam.training.networks.masked_input import MaskedInput, as_tested
from seekcam.training.networks.network import Features
from seekcam.training.recipe import AugmentStep, AugmentTable, InputTable


class SmallNetwork(nn.Module):
    mean = (127.0, 127.0, 127.0)
    std = (128.0, 128.0, 128.0)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.head = nn.Linear(8, 5)

    def fast_layers(self) -> tuple[nn.Module, ...]:
        return (self.head,)

    def forward_features(self, images: torch.Tensor) -> Features:
        last = self.conv(images).relu()
        return Features(last, last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.forward_features(images).last.mean((2, 3)))
        return logits


def test_every_picture_is_seen_through_the_mask_at_test() -> None:
    network, images = SmallNetwork(), torch.randn(3, 3, 32, 32)
    mask = fixed_mask(32, 0.5)
    masked = MaskedInput(network, mask).eval()
    hidden = images.masked_fill(mask == 0, 0)
    with torch.no_grad():
        torch.testing.assert_close(masked(images), network(hidden))
        features = masked.forward_features(images)
        torch.testing.assert_close(features.last, network.forward_features(hidden).last)
        torch.testing.assert_close(masked.head(features.last.mean((2, 3))), masked(images))
        assert not torch.allclose(masked(images), network(images))


def test_the_mask_follows_the_pictures_to_their_device() -> None:
    device = torch.device("meta")  # as a GPU: nothing on another device goes together with it
    masked = MaskedInput(SmallNetwork().to(device), fixed_mask(32, 0.5)).eval()
    assert masked(torch.zeros(2, 3, 32, 32, device=device)).device == device


def test_in_training_nothing_is_masked_and_the_layers_are_the_networks_own() -> None:
    network, images = SmallNetwork(), torch.randn(3, 3, 32, 32)
    masked = MaskedInput(network, fixed_mask(32, 0.5)).train()
    torch.testing.assert_close(masked(images), network(images))
    assert masked.fast_layers() == (network.head,)
    assert masked.head is network.head
    assert (masked.mean, masked.std) == (network.mean, network.std)
    assert [id(p) for p in masked.parameters()] == [id(p) for p in network.parameters()]
    assert set(masked.state_dict()) == {f"network.{name}" for name in network.state_dict()}


@pytest.mark.parametrize(
    ("steps", "at_test", "masked"),
    [(("input_dropout",), True, True), (("input_dropout",), False, False), ((), True, False)],
)
def test_the_recipe_says_whether_there_is_a_mask(steps: tuple[AugmentStep, ...], at_test: bool, masked: bool) -> None:
    network = SmallNetwork()
    table = AugmentTable(steps=steps, input_dropout=InputDropoutConfig(probability=0.3, at_test=at_test))
    tested = as_tested(network, InputTable(size=32), table)
    if masked:
        assert isinstance(tested, MaskedInput)
        assert torch.equal(tested.mask, fixed_mask(32, 0.3))
    else:
        assert tested is network
