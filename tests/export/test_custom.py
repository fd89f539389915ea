"""A person's own network, a torchvision ResNet-18 with random weights, from its layers to boxes in Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from skimage import data
from torch import Tensor, nn
from torch.nn import functional as F

from seekcam.export import custom as own
from seekcam.export.custom import IMAGENET_MEAN, IMAGENET_STD, export_cam_network
from seekcam.export.onnx import ExportError
from seekcam.localization.errors import UserError
from seekcam.localization.model import LocalizationModel, read_card

SIDE = 96
NAMES = ["cat", "chien", "鸟"]


def resnet(classes: int = len(NAMES)) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.resnet18(num_classes=classes).eval()


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    network, path = resnet(), tmp_path_factory.mktemp("models") / "pets.onnx"
    card = export_cam_network(
        network,
        features=network.layer4,
        head=network.fc,
        stride16=network.layer3,
        classes=NAMES,
        path=path,
        input_size=SIDE,
        dataset="my pets",
        threshold=0.4,
    )
    assert card == read_card(path)
    return network, path


def test_the_card_says_what_the_network_is(pets: tuple[Any, Path]) -> None:
    card = read_card(pets[1])
    assert (card.name, card.network, card.dataset, card.threshold) == ("pets", "ResNet", "my pets", 0.4)
    assert card.classes == card.class_ids == tuple(NAMES)
    assert (card.input_size, card.map_size, card.spread_size, card.features, card.mapped) == (SIDE, 3, 6, 512, 3)


def test_the_file_sees_a_photograph_as_torchvision_sees_it(pets: tuple[Any, Path]) -> None:
    network, path = pets
    photograph = np.ascontiguousarray(data.chelsea()[: SIDE * 3 : 3, : SIDE * 3 : 3])
    model = LocalizationModel(path, "cpu")
    found = model.run(photograph[None], np.full((1, 3), -1), np.zeros(1, np.int64))
    image = torch.from_numpy(photograph).permute(2, 0, 1).float() / 255
    image = torchvision.transforms.functional.normalize(image, list(IMAGENET_MEAN), list(IMAGENET_STD))
    with torch.no_grad():
        logits = network(image[None])
    np.testing.assert_allclose(found["logits"], logits.numpy(), rtol=1e-3, atol=1e-4)
    assert found["chosen"][0].tolist() == logits[0].argsort(descending=True).tolist()
    # The classes come in the order of their logits, so the maps' own means must be in that order too.
    offsets = network.fc.bias.detach().numpy()[np.argsort(-logits[0].numpy())]
    ranked = np.sort(logits[0].numpy())[::-1]
    np.testing.assert_allclose(found["maps"][0].mean((1, 2)) + offsets, ranked, rtol=1e-3, atol=1e-4)


def test_without_a_finer_layer_the_spread_maps_are_as_coarse_as_the_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "export_network", lambda *_: None)
    network = resnet()
    card = export_cam_network(
        network, features=network.layer4, head=network.fc, classes=NAMES, path=tmp_path / "x.onnx", input_size=SIDE
    )
    assert card.spread_size == card.map_size == 3


def test_no_hook_stays_on_the_network(pets: tuple[Any, Path]) -> None:
    assert not any(layer._forward_hooks for layer in pets[0].modules())


class ReluAfterwards(nn.Module):
    """Pools behind an activation that is no layer, as DenseNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Conv2d(3, 8, 3, stride=8), nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(F.relu(self.body(images)).mean((2, 3)))
        return logits


def refusal(network: Any, **changes: Any) -> str:
    """The sentence with which an export is refused."""
    arguments = {"features": network.layer4, "head": network.fc, "classes": NAMES, "path": "x.onnx", "input_size": SIDE}
    with pytest.raises(UserError) as caught:
        export_cam_network(network, **{**arguments, **changes})
    return str(caught.value)


def test_wrong_layers_are_refused_with_what_to_do() -> None:
    network = resnet()
    assert "name the layer whose output is averaged" in refusal(network, features=network.layer3)
    assert "`features` is no layer of the network" in refusal(network, features=nn.Conv2d(3, 3, 3))
    assert "must be the network's last nn.Linear, not a Conv2d" in refusal(network, head=network.conv1)
    assert "give one for each" in refusal(network, classes=["only one"])
    assert "must end in .onnx" in refusal(network, path="pets.pt")
    assert "three numbers each" in refusal(network, std=(1.0, 0.0, 1.0))
    assert "a square grid" in refusal(network, stride16=network.fc)


def test_a_network_that_pools_something_else_is_refused_with_numbers(tmp_path: Path) -> None:
    network = ReluAfterwards()
    with pytest.raises(ExportError, match=r"differ by .* of the largest logit.*after its last activation"):
        export_cam_network(
            network, features=network.body, head=network.fc, classes=NAMES, path=tmp_path / "x.onnx", input_size=SIDE
        )
    assert not list(tmp_path.iterdir())


def test_a_layer_that_does_not_run_is_refused() -> None:
    network = resnet()
    network.unused = nn.Conv2d(3, 3, 3)
    assert "puts out no tensor" in refusal(network, stride16=network.unused)
