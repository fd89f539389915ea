"""Weights from files: what is taken over, and how what does not fit is named."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor

from seekcam.training.checkpoint import Checkpoint
from seekcam.training.networks.catalogue import build_network
from seekcam.training.networks.gap import GapNetwork
from seekcam.training.networks.network import NetworkError
from seekcam.training.recipe import NetworkTable
from tests.helpers.settled import settle

SIDE = 32


def saved(state: Any, folder: Path, name: str = "weights.pth") -> str:
    """The path of a file that holds it."""
    torch.save(state, folder / name)
    return str(folder / name)


def from_file(name: str, path: str, classes: int = 5) -> GapNetwork:
    return build_network(NetworkTable(name=name, weights=path), classes, SIDE)


def same_features(network: GapNetwork, other: GapNetwork) -> None:
    images = torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        found, wanted = network.eval().forward_features(images), other.eval().forward_features(images)
    torch.testing.assert_close(found.last, wanted.last)


@pytest.mark.parametrize(("classes", "taken"), [(5, True), (6, False)])
def test_a_head_is_taken_over_when_it_has_as_many_classes(classes: int, taken: bool, tmp_path: Path) -> None:
    theirs = torchvision.models.resnet18(num_classes=5)
    network = from_file("resnet18", saved(theirs.state_dict(), tmp_path), classes)
    assert torch.equal(network.trunk.state_dict()["layer4.1.conv2.weight"], theirs.layer4[1].conv2.weight)
    if taken:
        assert torch.equal(network.head.weight, theirs.fc.weight)
        assert torch.equal(network.head.bias, theirs.fc.bias)
    else:
        assert network.head.weight.abs().max() == network.head.bias.abs().max() == 0


@pytest.mark.parametrize("name", ["preact-resnet18", "vgg16-gap", "efficientnet-lite0"])
def test_a_checkpoint_of_this_program_can_be_started_from(name: str, tmp_path: Path) -> None:
    table = NetworkTable(name=name)
    trained = settle(build_network(table, 5, SIDE, load=False), SIDE)
    Checkpoint(
        recipe={"network": {"name": name}},
        recipe_hash="",
        classes=("a",) * 5,
        class_ids=("a",) * 5,
        network=trained.state_dict(),
        dataset="made up",
        data_folder=str(tmp_path),
    ).save(tmp_path / "best.ckpt")
    again = from_file(name, str(tmp_path / "best.ckpt"), 5)
    same_features(again, trained)
    assert torch.equal(again.head.weight, trained.head.weight)
    other = from_file(name, saved(trained.state_dict(), tmp_path), 7)
    same_features(other, trained)
    assert other.head.weight.shape == (7, trained.head.in_features)


def state_of(name: str) -> dict[str, Tensor]:
    state: dict[str, Tensor] = getattr(torchvision.models, name)().state_dict()
    return state


def test_weights_of_another_network_are_refused_with_three_differences(tmp_path: Path) -> None:
    path = saved(state_of("resnet50"), tmp_path)
    with pytest.raises(NetworkError) as caught:
        from_file("resnet18", path)
    message = str(caught.value)
    assert message.startswith("weights.pth holds the weights of another network: ")
    assert "layer1.0.conv1.weight is 64 x 64 x 1 x 1, not 64 x 64 x 3 x 3" in message
    assert message.count(" is ") == 3
    assert message.endswith(" more.")


def test_a_deeper_network_of_the_same_family_is_refused_too(tmp_path: Path) -> None:
    path = saved(state_of("resnet34"), tmp_path)
    with pytest.raises(NetworkError, match=r"layer1\.2\.conv1\.weight is not part of it"):
        from_file("resnet18", path)
    with pytest.raises(NetworkError, match=r"conv1\.weight is 64 x 3 x 7 x 7, not .* more\.|is missing"):
        from_file("googlenet-gap", path)


def test_what_a_file_lacks_is_named(tmp_path: Path) -> None:
    state = state_of("mobilenet_v3_small")
    del state["features.3.block.1.0.weight"]
    path = saved(state, tmp_path)
    with pytest.raises(NetworkError, match=r"another network: features\.3\.block\.1\.0\.weight is missing\.$"):
        from_file("mobilenet-v3-small", path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no weights"),
        (b"\x89PNG\r\n\x1a\nnothing", "holds no weights"),
        (torch.nn.Linear(1, 1), "holds no weights"),
        ({}, "holds no state dict"),
        ({"epoch": 3, "state_dict": {}}, "holds no state dict"),
        ([torch.zeros(1)], "holds no state dict"),
    ],
    ids=["empty", "picture", "code of a class", "no layers", "wrapped", "list"],
)
def test_files_that_hold_no_weights_are_refused(content: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(NetworkError, match=rf"file\.pth {sentence}"):
        from_file("mobilenet-v3-small", str(path))
    with pytest.raises(NetworkError, match=r"no weights file at .*gone\.pth"):
        from_file("mobilenet-v3-small", str(tmp_path / "gone.pth"))
