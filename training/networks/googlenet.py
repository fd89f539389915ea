"""GoogLeNet-GAP: GoogLeNet up to inception_4e, one convolution more, and a linear head over its mean.

What comes after inception_4e is cut off, so that the map has stride 16 (14 x 14 at 224) where GoogLeNet ends at 32.

Sources: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015; Zhou et al., "Learning Deep Features for
Discriminative Localization", CVPR 2016, for the GAP form. Layers and weights: torchvision, which has BatchNorm after
every convolution and 3 x 3 where the paper has 5 x 5. Its weights, converted from TensorFlow's, see RGB in [-1, 1].
"""

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models import googlenet

from seekcam.training.networks.gap import GapNetwork, he_initialise
from seekcam.training.networks.network import Features
from seekcam.training.networks.sizes import SPREAD_STRIDE, check_input_size, choose_map_stride

TRUNK = (
    *("conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3"),
    *("inception4a", "inception4b", "inception4c", "inception4d", "inception4e"),
)
TRUNK_CHANNELS = 832
CAM_CHANNELS = 1024
MAP_STRIDE = 16


class GoogLeNet(GapNetwork):
    """A `TrainableNetwork`: K = 1024 features over S/16, 832 channels of inception_4e over the same.

    Raises:
        NetworkError: an input size or a map stride that it does not have.
    """

    mean = (127.5, 127.5, 127.5)
    std = (127.5, 127.5, 127.5)

    between: nn.Sequential

    def __init__(self, classes: int, input_size: int, *, map_stride: int = 0, dropout: float | None = None) -> None:
        choose_map_stride("googlenet-gap", map_stride, MAP_STRIDE)
        check_input_size("googlenet-gap", input_size, SPREAD_STRIDE)
        super().__init__(CAM_CHANNELS, classes, dropout or 0.0)
        layers = googlenet(weights=None, aux_logits=False, init_weights=False)
        self.trunk = nn.Sequential(OrderedDict((name, getattr(layers, name)) for name in TRUNK))
        self.between = nn.Sequential(nn.Conv2d(TRUNK_CHANNELS, CAM_CHANNELS, 3, padding=1), nn.ReLU())
        he_initialise(self)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        inception4e = self.trunk(images)
        return Features(last=self.between(inception4e), stride16=inception4e)
