"""VGG16-GAP: the thirteen convolutions of VGG16, one more, and a linear head over its mean.

Four of VGG's five poolings stay, so that the map has stride 16 (14 x 14 at 224); without the fourth it has stride 8.
The fully connected layers, which are most of VGG16's weights, are gone.

Sources: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, table 1,
column D; Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, for the GAP form, here with
one group in the added convolution as in Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right",
CVPR 2020. Weights: torchvision, whose names (`features.0`, ...) are kept.
"""

from collections import OrderedDict

from torch import Tensor, nn

from seekcam.training.networks.gap import GapNetwork, he_initialise
from seekcam.training.networks.network import Features
from seekcam.training.networks.sizes import SPREAD_STRIDE, check_input_size, choose_map_stride

# Channels of the 3 x 3 convolutions, stage by stage; all stages but the last end in a 2 x 2 pooling.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
CAM_CHANNELS = 1024
MAP_STRIDE = 16
MAP_STRIDES = (8, 16)
DROPOUT = 0.5


class VGG16(GapNetwork):
    """A `TrainableNetwork`: K = 1024 features over S/16 or S/8, 512 channels of conv5_3 over the same.

    Raises:
        NetworkError: an input size or a map stride that it does not have.
    """

    between: nn.Sequential

    def __init__(self, classes: int, input_size: int, *, map_stride: int = 0, dropout: float | None = None) -> None:
        stride = choose_map_stride("vgg16-gap", map_stride, MAP_STRIDE, MAP_STRIDES)
        check_input_size("vgg16-gap", input_size, SPREAD_STRIDE)
        super().__init__(CAM_CHANNELS, classes, DROPOUT if dropout is None else dropout)
        self.trunk = nn.Sequential(OrderedDict(features=_convolutions(pool4=stride == MAP_STRIDE)))
        self.between = nn.Sequential(nn.Conv2d(STAGES[-1][-1], CAM_CHANNELS, 3, padding=1), nn.ReLU())
        he_initialise(self)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        conv5 = self.trunk(images)
        return Features(last=self.between(conv5), stride16=conv5)


def _convolutions(*, pool4: bool) -> nn.Sequential:
    """conv1_1 to conv5_3, counted as torchvision counts them: a pooling that is left out keeps its number."""
    layers: list[nn.Module] = []
    before = 3
    for stage, widths in enumerate(STAGES, start=1):
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        if stage < len(STAGES):
            layers.append(nn.MaxPool2d(2) if stage < 4 or pool4 else nn.Identity())
    return nn.Sequential(*layers)
