"""EfficientNet-Lite0 against the package it is taken from, and against photographs whose contents are known."""

import cv2
import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

from export.zoo import imagenet_classes
from training.networks.efficientnet_lite import STRIDE16_BLOCK, EfficientNetLite0


@pytest.fixture(scope="module")
def pretrained() -> EfficientNetLite0:
    return EfficientNetLite0(pretrained=True).eval()


def normalised(photograph: NDArray[np.uint8], network: EfficientNetLite0, side: int = 224) -> Tensor:
    """A whole photograph, squashed to the side, as (1, 3, S, S)."""
    pixels = cv2.resize(photograph, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    image = (pixels - np.array(network.mean, np.float32)) / np.array(network.std, np.float32)
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def test_it_computes_what_the_package_computes(pretrained: EfficientNetLite0) -> None:
    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(pretrained.layers.state_dict())
    blocks: list[Tensor] = []
    theirs._blocks[STRIDE16_BLOCK].register_forward_hook(lambda _layer, _inputs, output: blocks.append(output))
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(pretrained(images), theirs(images))
        features = pretrained.forward_features(images)
        torch.testing.assert_close(features.last, theirs.extract_features(images))
    torch.testing.assert_close(features.stride16, blocks[0])


def test_it_knows_a_cat_and_a_cup_of_coffee(pretrained: EfficientNetLite0) -> None:
    names = imagenet_classes()
    with torch.no_grad():
        cat = pretrained(normalised(data.chelsea(), pretrained))[0].topk(3).indices.tolist()
        coffee = pretrained(normalised(data.coffee(), pretrained))[0].topk(3).indices.tolist()
    assert {names[i] for i in cat} & {"Egyptian cat", "tabby", "tiger cat"}
    assert {names[i] for i in coffee} & {"espresso", "cup", "coffee mug"}


@pytest.mark.parametrize("side", [224, 288])
def test_the_head_over_the_mean_of_the_features_is_the_network(side: int) -> None:
    network = EfficientNetLite0(classes=5, input_size=side).eval()
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        features = network.forward_features(images)
        torch.testing.assert_close(network.head(features.last.mean((2, 3))), network(images))
    assert features.last.shape == (1, 1280, side // 32, side // 32)
    assert features.stride16.shape == (1, 112, side // 16, side // 16)


def test_every_layer_of_it_trains() -> None:
    network = EfficientNetLite0(classes=2, input_size=64).train()
    network(torch.randn(4, 3, 64, 64)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_impossible_sizes_and_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32, not 100"):
        EfficientNetLite0(input_size=100)
    with pytest.raises(ValueError, match="1000 classes, not 5"):
        EfficientNetLite0(classes=5, pretrained=True)
