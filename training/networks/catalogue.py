"""The networks that a recipe can name, and how one is built from its `[network]` table."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from torchvision import models

from seekcam.training.networks import alexnet, efficientnet_lite, googlenet, mobilenet, preact_resnet, resnet, vgg
from seekcam.training.networks.alexnet import AlexNet
from seekcam.training.networks.efficientnet_lite import LITE0, LITE1, LITE2, EfficientNetLite
from seekcam.training.networks.efficientnet_lite import Variant as LiteVariant
from seekcam.training.networks.gap import GapNetwork, freeze_batchnorm
from seekcam.training.networks.googlenet import GoogLeNet
from seekcam.training.networks.mobilenet import MobileNetV3
from seekcam.training.networks.network import NetworkError
from seekcam.training.networks.preact_resnet import PreActResNet
from seekcam.training.networks.resnet import ResNet
from seekcam.training.networks.vgg import VGG16
from seekcam.training.networks.weights import PublishedWeights, load_weights, read_weights, torchvision_weights
from seekcam.training.recipe import NetworkTable


class Builder(Protocol):
    """A family's constructor, all its own choices made."""

    def __call__(self, classes: int, input_size: int, *, map_stride: int, dropout: float | None) -> GapNetwork:
        """A network with random weights; raises NetworkError for a size it cannot have."""


@dataclass(frozen=True)
class NetworkEntry:
    """One network of the catalogue."""

    summary: str
    input_size: int  # S that its weights were trained for, or its paper's, in pixels
    map_strides: tuple[int, ...]  # input pixels per cell of the last features; the largest is its own
    build: Builder
    published: PublishedWeights | None = None  # ImageNet weights; None: it learns from scratch

    @property
    def source(self) -> str:
        """Where its ImageNet weights come from; empty where there are none."""
        return self.published.source if self.published else ""

    @property
    def licence(self) -> str:
        """The licence of its ImageNet weights; empty where there are none."""
        return self.published.licence if self.published else ""


def _lite(variant: LiteVariant, about: str) -> NetworkEntry:
    build = partial(EfficientNetLite, variant)
    return NetworkEntry(about, variant.input_size, efficientnet_lite.MAP_STRIDES, build, variant.published)


def _resnet(name: str, layers: Callable[..., Any], weights: Any, about: str) -> NetworkEntry:
    def build(classes: int, input_size: int, *, map_stride: int, dropout: float | None) -> GapNetwork:
        return ResNet(layers(weights=None), name, classes, input_size, map_stride=map_stride, dropout=dropout)

    return NetworkEntry(about, 224, resnet.MAP_STRIDES, build, torchvision_weights(name, weights.IMAGENET1K_V1))


def _mobilenet(name: str, layers: Callable[..., Any], weights: Any, about: str) -> NetworkEntry:
    def build(classes: int, input_size: int, *, map_stride: int, dropout: float | None) -> GapNetwork:
        return MobileNetV3(layers(weights=None), name, classes, input_size, map_stride=map_stride, dropout=dropout)

    return NetworkEntry(about, 224, mobilenet.MAP_STRIDES, build, torchvision_weights(name, weights.IMAGENET1K_V1))


def _preact(name: str, blocks: tuple[int, ...], about: str) -> NetworkEntry:
    return NetworkEntry(about, 64, (preact_resnet.MAP_STRIDE,), partial(PreActResNet, blocks, name))


_vgg16 = torchvision_weights("vgg16-gap", models.VGG16_Weights.IMAGENET1K_V1)
_googlenet = torchvision_weights("googlenet-gap", models.GoogLeNet_Weights.IMAGENET1K_V1)

NETWORKS: Mapping[str, NetworkEntry] = {
    "efficientnet-lite0": _lite(LITE0, "EfficientNet-Lite0: the fast default"),
    "efficientnet-lite1": _lite(LITE1, "EfficientNet-Lite1: deeper"),
    "efficientnet-lite2": _lite(LITE2, "EfficientNet-Lite2: deeper and wider"),
    "alexnet-gap": NetworkEntry("AlexNet-GAP: the network of Hide-and-Seek", 224, (alexnet.MAP_STRIDE,), AlexNet),
    "googlenet-gap": NetworkEntry(
        "GoogLeNet-GAP: cut at inception_4e", 224, (googlenet.MAP_STRIDE,), GoogLeNet, _googlenet
    ),
    "vgg16-gap": NetworkEntry("VGG16-GAP: most used in the papers", 224, vgg.MAP_STRIDES, VGG16, _vgg16),
    "resnet18": _resnet("resnet18", models.resnet18, models.ResNet18_Weights, "ResNet-18"),
    "resnet34": _resnet("resnet34", models.resnet34, models.ResNet34_Weights, "ResNet-34"),
    "resnet50-cam": _resnet(
        "resnet50-cam", models.resnet50, models.ResNet50_Weights, "ResNet-50; map stride 16 is the papers' ResNet50-CAM"
    ),
    "preact-resnet18": _preact("preact-resnet18", preact_resnet.BLOCKS_18, "pre-activation ResNet-18 for 64 x 64"),
    "preact-resnet34": _preact("preact-resnet34", preact_resnet.BLOCKS_34, "pre-activation ResNet-34 for 64 x 64"),
    "mobilenet-v3-large": _mobilenet(
        "mobilenet-v3-large", models.mobilenet_v3_large, models.MobileNet_V3_Large_Weights, "MobileNetV3 large"
    ),
    "mobilenet-v3-small": _mobilenet(
        "mobilenet-v3-small", models.mobilenet_v3_small, models.MobileNet_V3_Small_Weights, "MobileNetV3 small"
    ),
}


def find_network(name: str) -> NetworkEntry:
    """The entry of that name.

    Raises:
        NetworkError: there is none; says which are near.
    """
    if name not in NETWORKS:
        near = difflib.get_close_matches(name.lower(), NETWORKS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(NETWORKS)}."
        raise NetworkError(f"There is no network {name!r}: {hint}")
    return NETWORKS[name]


def pretrained_source(name: str) -> tuple[str, str]:
    """Where a network's ImageNet weights come from, and their licence; two empty texts where there are none.

    Raises:
        NetworkError: no network of that name.
    """
    entry = find_network(name)
    return entry.source, entry.licence


def weights_origin(table: NetworkTable) -> tuple[str, str]:
    """Where the weights that a run starts from come from, and their licence as far as it is known.

    Raises:
        NetworkError: no network of that name.
    """
    if table.weights:
        return f"the file {Path(table.weights).name}", ""
    return pretrained_source(table.name) if table.pretrained else ("", "")


def build_network(table: NetworkTable, classes: int, input_size: int, *, load: bool = True) -> GapNetwork:
    """The network of a recipe.

    Args:
        classes: C of the head. input_size: S in pixels.
        load: start from `table.weights`, or from ImageNet weights when `table.pretrained` and there are any. Without,
            only the architecture is built, with random weights: for a checkpoint to fill.

    Raises:
        NetworkError: an unknown name, a size that the network cannot have, or weights that cannot be had or are not
            its own.
    """
    entry = find_network(table.name)
    network = entry.build(classes, input_size, map_stride=table.map_stride, dropout=table.dropout)
    if load and table.weights:
        path = Path(table.weights).expanduser()
        load_weights(network, read_weights(path), path.name)
    elif load and table.pretrained and entry.published:
        load_weights(network, entry.published.read(), entry.published.source)
    if table.batchnorm == "frozen":
        freeze_batchnorm(network)
    return network
