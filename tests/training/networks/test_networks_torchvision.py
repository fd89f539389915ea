"""The networks out of torchvision against torchvision's own, fed the same weights through its own download function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.googlenet import googlenet
from torchvision.models.vgg import cfgs, make_layers

from seekcam.training.networks.catalogue import build_network
from seekcam.training.networks.network import NetworkError
from seekcam.training.recipe import NetworkTable
from tests.helpers.settled import settle

SIDE = 64
NORMALISE = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # as torchvision tells all


@dataclass(frozen=True)
class Shared:
    """How far torchvision's network and ours are the same."""

    make: Callable[[], Any]  # torchvision's, with random weights
    last: str  # its layer that ours shares last
    stride16: str
    file: str  # how the file that is downloaded begins
    prefix: str = ""  # what that file puts before the names of `make`'s layers


SHARED = {
    "resnet18": Shared(torchvision.models.resnet18, "layer4", "layer3", "resnet18-"),
    "resnet34": Shared(torchvision.models.resnet34, "layer4", "layer3", "resnet34-"),
    "resnet50-cam": Shared(torchvision.models.resnet50, "layer4", "layer3", "resnet50-"),
    "mobilenet-v3-large": Shared(
        torchvision.models.mobilenet_v3_large, "features", "features.12", "mobilenet_v3_large-"
    ),
    "mobilenet-v3-small": Shared(
        torchvision.models.mobilenet_v3_small, "features", "features.8", "mobilenet_v3_small-"
    ),
    # Its published weights come with `transform_input`, which undoes the ImageNet normalisation.
    "googlenet-gap": Shared(
        lambda: googlenet(init_weights=False, transform_input=True), "inception4e", "inception4e", "googlenet-"
    ),
    # Without the fully connected layers, which hold 120 million weights.
    "vgg16-gap": Shared(lambda: make_layers(cfgs["D"]), "29", "29", "vgg16-", "features."),
}


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Tensor]]:
    """What torchvision's download function finds, by the beginning of the file's name; it finds nothing else."""
    files: dict[str, dict[str, Tensor]] = {}

    def load(url: str, *_args: Any, **options: Any) -> dict[str, Tensor]:
        assert options["check_hash"]
        file = url.rpartition("/")[2]
        return next(state for begin, state in files.items() if file.startswith(begin))

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", load)
    return files


def outputs(network: nn.Module, images: Tensor, *layers: str) -> list[Tensor]:
    """What some layers of a network put out."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _layer, _inputs, output: found.update({name: output.clone()})

    handles = [network.get_submodule(name).register_forward_hook(keep(name)) for name in set(layers)]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return [found[name] for name in layers]


@pytest.mark.parametrize("name", SHARED)
def test_pretrained_features_are_torchvisions_own(name: str, downloads: dict[str, dict[str, Tensor]]) -> None:
    shared = SHARED[name]
    theirs = settle(shared.make(), SIDE)
    downloads[shared.file] = {shared.prefix + key: value for key, value in theirs.state_dict().items()}
    ours = build_network(NetworkTable(name=name), 5, SIDE).double().eval()
    picture = torch.rand(2, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (ours.mean, ours.std))
    images = (255 * picture - mean) / std
    last, stride16 = outputs(theirs.double(), NORMALISE(picture), shared.last, shared.stride16)
    with torch.no_grad():
        features = ours.forward_features(images)
        found = features.last if ours.between is None else ours.trunk(images)
        assert ours(images).tolist() == [[0.0] * 5] * 2, "the head is new, and starts at zero"
    assert last.std() > 0.1 * last.abs().mean()
    torch.testing.assert_close(found, last)
    torch.testing.assert_close(features.stride16, stride16)


def test_a_resnet_with_the_published_classes_is_the_published_network(downloads: dict[str, dict[str, Tensor]]) -> None:
    theirs = settle(torchvision.models.resnet18(), SIDE)
    # Files of old PyTorch versions do not count the batches that BatchNorm has seen.
    downloads["resnet18-"] = {k: v for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}
    ours = build_network(NetworkTable(name="resnet18"), 1000, SIDE).eval()
    images = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("stride", [8, 16])
def test_a_resnet_with_finer_maps_has_the_same_weights_and_only_other_strides(
    stride: int, downloads: dict[str, dict[str, Tensor]]
) -> None:
    theirs = settle(torchvision.models.resnet50(), SIDE)
    downloads["resnet50-"] = theirs.state_dict()
    ours = build_network(NetworkTable(name="resnet50-cam", map_stride=stride), 5, SIDE).eval()  # type: ignore[arg-type]
    for stage in ("layer3", "layer4") if stride == 8 else ("layer4",):
        block = getattr(theirs, stage)[0]
        block.conv2.stride = block.downsample[0].stride = 1
    images = torch.randn(1, 3, SIDE, SIDE)
    last, stride16 = outputs(theirs, images, "layer4", "layer3")
    with torch.no_grad():
        features = ours.forward_features(images)
    torch.testing.assert_close(features.last, last)
    torch.testing.assert_close(features.stride16, stride16)


def test_the_fine_maps_of_a_mobilenet_see_what_the_coarse_ones_saw(downloads: dict[str, dict[str, Tensor]]) -> None:
    """Dilated filters meet the same cells; only squeeze-and-excitation, which averages all cells, can tell."""
    theirs = settle(torchvision.models.mobilenet_v3_large(), SIDE)
    for layer in theirs.modules():
        if isinstance(layer, torchvision.ops.SqueezeExcitation):
            nn.init.zeros_(layer.fc2.weight)  # its gates stay where their bias puts them
    downloads["mobilenet_v3_large-"] = theirs.state_dict()
    coarse = build_network(NetworkTable(name="mobilenet-v3-large"), 5, SIDE).eval()
    fine = build_network(NetworkTable(name="mobilenet-v3-large", map_stride=16), 5, SIDE).eval()
    images = torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        wanted, found = coarse.forward_features(images), fine.forward_features(images)
    assert found.last.shape[2:] == (4, 4)
    torch.testing.assert_close(found.last[:, :, ::2, ::2], wanted.last, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.stride16, wanted.stride16)


@pytest.mark.parametrize(
    "error", [URLError("no route to host"), RuntimeError('invalid hash value (expected "a", got "b")'), TimeoutError()]
)
def test_a_download_that_fails_says_what_else_there_is(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_args: Any, **_options: Any) -> None:
        raise error

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", load)
    with pytest.raises(NetworkError) as caught:
        build_network(NetworkTable(name="mobilenet-v3-small"), 5, SIDE)
    message = str(caught.value)
    assert message.startswith("The ImageNet weights of mobilenet-v3-small could not be downloaded (")
    assert message.endswith("network.weights=FILE, or start without with network.pretrained=false.")
    assert "\n" not in message
    build_network(NetworkTable(name="mobilenet-v3-small", pretrained=False), 5, SIDE)
