"""MobileNetV3 large and small, out of torchvision, with a linear head right on the last convolution.

torchvision's classifier has a hidden layer with a hard swish between pooling and logits. A class map is exact only
where the logit is linear in the pooled features, so that hidden layer is left out and the head is always new.

At map stride 16 the last strided stage keeps its grid, and its later depthwise convolutions are dilated by 2, as for
EfficientNet-Lite (and as torchvision's segmentation networks do to this one).

Source: Howard et al., "Searching for MobileNetV3", ICCV 2019. Layers and weights: torchvision.
"""

from typing import Any

from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from seekcam.training.networks.gap import GapNetwork, batchnorm_layers
from seekcam.training.networks.network import Features
from seekcam.training.networks.sizes import check_input_size, choose_map_stride

MAP_STRIDE = 32
MAP_STRIDES = (16, 32)
DROPOUT = 0.2
BATCHNORM_MOMENTUM = 0.1  # torchvision's 0.01 lets the running statistics lag behind the weights in a short fine-tuning


class MobileNetV3(GapNetwork):
    """A `TrainableNetwork`: K = 960 features (small: 576) over S/32 or S/16, 112 channels (48) over S/16.

    Args:
        layers: a torchvision MobileNetV3; its convolutions become the trunk of this one.
        name: what messages call it.

    Raises:
        NetworkError: an input size or a map stride that it does not have.
    """

    trunk: Any

    def __init__(
        self,
        layers: Any,
        name: str,
        classes: int,
        input_size: int,
        *,
        map_stride: int = 0,
        dropout: float | None = None,
    ) -> None:
        stride = choose_map_stride(name, map_stride, MAP_STRIDE, MAP_STRIDES)
        check_input_size(name, input_size, stride)
        super().__init__(layers.classifier[0].in_features, classes, DROPOUT if dropout is None else dropout)
        layers.classifier = nn.Identity()
        self.trunk = layers
        strided = [index for index, block in enumerate(layers.features) if _is_strided(block)]
        self.stride16_block = strided[-1] - 1  # the last block before the grid is halved for the fifth time
        if stride == 16:
            for block in layers.features[strided[-1] :]:
                _keep_grid(block)
        for layer in batchnorm_layers(self):
            layer.momentum = BATCHNORM_MOMENTUM
        for layer in layers.modules():
            if isinstance(layer, SqueezeExcitation):
                layer.avgpool = SpatialMean()

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        blocks = self.trunk.features
        stride16 = blocks[: self.stride16_block + 1](images)
        return Features(last=blocks[self.stride16_block + 1 :](stride16), stride16=stride16)


class SpatialMean(nn.Module):
    """(B, K, h, w) to (B, K, 1, 1) in one operator; torchvision's adaptive pooling exports as shape arithmetic."""

    def forward(self, x: Tensor) -> Tensor:
        """The mean over the grid."""
        return x.mean((2, 3), keepdim=True)


def _is_strided(block: nn.Module) -> bool:
    return any(isinstance(layer, nn.Conv2d) and max(layer.stride) > 1 for layer in block.modules())


def _keep_grid(block: nn.Module) -> None:
    """Stride 1 in the strided depthwise convolution, twice the distance between the taps of those after it."""
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d) and max(layer.stride) > 1:
            layer.stride = (1, 1)
        elif isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1:
            layer.dilation = (2, 2)
            layer.padding = (layer.kernel_size[0] - 1, layer.kernel_size[1] - 1)
