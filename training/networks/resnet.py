"""ResNet-18, ResNet-34 and ResNet-50-CAM, out of torchvision: their own pooling and head are already GAP and linear.

Map stride 32 is the published network. At 16 the last stage keeps its grid, and at 8 the last two do: stride 1 where
there was 2, not dilated, which is what the field calls ResNet50-CAM. The pretrained filters of the last stage then see
half the extent they were trained for, so that stage learns at the head's rate (as in wsolevaluation's two groups).

Sources: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Choe et al., "Evaluating Weakly
Supervised Object Localization Methods Right", CVPR 2020, for the CAM form. Layers and weights: torchvision.
"""

from typing import Any

from torch import Tensor, nn

from seekcam.training.networks.gap import GapNetwork
from seekcam.training.networks.network import Features
from seekcam.training.networks.sizes import SPREAD_STRIDE, check_input_size, choose_map_stride

MAP_STRIDE = 32
MAP_STRIDES = (8, 16, 32)


class ResNet(GapNetwork):
    """A `TrainableNetwork`: K = 512 features (ResNet-50: 2048) over S / map stride, half as many over S/16 or finer.

    Args:
        layers: a torchvision ResNet; it becomes the trunk of this one and loses its head.
        name: what messages call it.

    Raises:
        NetworkError: an input size or a map stride that it does not have.
    """

    head_name = "fc"
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
        check_input_size(name, input_size, max(stride, SPREAD_STRIDE))
        super().__init__(layers.fc.in_features, classes, dropout or 0.0)
        layers.fc = nn.Identity()
        self.trunk = layers
        self._last_stage_as_trained = stride == MAP_STRIDE
        if stride <= 16:
            _keep_grid(layers.layer4)
        if stride <= 8:
            _keep_grid(layers.layer3)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        net = self.trunk
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        stride16 = net.layer3(net.layer2(net.layer1(x)))
        return Features(last=net.layer4(stride16), stride16=stride16)

    def fast_layers(self) -> tuple[nn.Module, ...]:
        """The head, and the last stage where its grid is not the one it was trained on."""
        return (self.head,) if self._last_stage_as_trained else (self.trunk.layer4, self.head)


def _keep_grid(stage: nn.Module) -> None:
    """Stride 1 wherever a stage has 2: in its first block, and in the shortcut beside it."""
    for layer in stage.modules():
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
