"""AlexNet-GAP: AlexNet's five convolutions, two more, and a linear head over their mean; the network of Hide-and-Seek.

In its published form the poolings are not padded, and a 224 x 224 input has an 11 x 11 map of stride 16 that does not
reach the picture's rim: its outer cells are centred 31 and 32 pixels inside. Map stride 0 builds that. Map stride 16
pads the first convolution and the poolings, so that each halves its grid and the 14 x 14 map covers the picture.

Sources: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012; Zhou et al.,
"Learning Deep Features for Discriminative Localization", CVPR 2016, for the GAP form; Singh & Lee, "Hide-and-Seek",
ICCV 2017, for BatchNorm in the place of local response normalisation (LRN). No published weights have this form.
"""

from torch import Tensor, nn

from seekcam.training.networks.gap import GapNetwork, he_initialise
from seekcam.training.networks.network import Features
from seekcam.training.networks.sizes import SMALLEST, SPREAD_STRIDE, check_input_size, choose_map_stride

MAP_STRIDE = 16
CAM_CHANNELS = 512
CONV5 = 7  # layers of the trunk up to the fifth convolution
SMALLEST_UNPADDED = 96  # pixels, of which 3 x 3 cells are left
DROPOUT = 0.5


class AlexNet(GapNetwork):
    """A `TrainableNetwork`: K = 512 features over (S/16 - 3) or S/16 cells a side, 384 channels of conv5 over the same.

    Args:
        map_stride: 0 for the published form, 16 for the padded one.
        groups: in two halves that see nothing of each other, in conv2 and conv4 to conv7, as on Krizhevsky's two GPUs.
        lrn: local response normalisation after the first two poolings, instead of BatchNorm in every layer.

    Raises:
        NetworkError: an input size or a map stride that it does not have.
    """

    trunk: nn.Sequential

    def __init__(
        self,
        classes: int,
        input_size: int,
        *,
        map_stride: int = 0,
        dropout: float | None = None,
        groups: bool = False,
        lrn: bool = False,
    ) -> None:
        choose_map_stride("alexnet-gap", map_stride, MAP_STRIDE)
        padded = map_stride == MAP_STRIDE
        smallest = SMALLEST if padded else SMALLEST_UNPADDED
        check_input_size("alexnet-gap", input_size, SPREAD_STRIDE, smallest=smallest)
        super().__init__(CAM_CHANNELS, classes, DROPOUT if dropout is None else dropout)
        rim = 1 if padded else 0
        halves = 2 if groups else 1

        def pooling() -> nn.Module:
            pool = nn.MaxPool2d(3, stride=2, padding=rim)
            return nn.Sequential(pool, nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)) if lrn else pool

        self.trunk = nn.Sequential(
            _convolution(3, 96, 11, stride=4, padding=5 if padded else 2, lrn=lrn),
            pooling(),
            _convolution(96, 256, 5, parts=halves, lrn=lrn),
            pooling(),
            _convolution(256, 384, 3, lrn=lrn),
            _convolution(384, 384, 3, parts=halves, lrn=lrn),
            _convolution(384, 384, 3, parts=halves, lrn=lrn),
            nn.MaxPool2d(3, stride=1, padding=rim),
            _convolution(384, CAM_CHANNELS, 3, parts=halves, lrn=lrn),
            _convolution(CAM_CHANNELS, CAM_CHANNELS, 3, parts=halves, lrn=lrn),
        )
        self._cut = 1 - rim  # cells at the rim of conv5 that an unpadded last pooling leaves no cell for
        he_initialise(self)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        conv5 = self.trunk[:CONV5](images)
        cut = self._cut
        inside = conv5[:, :, cut : conv5.shape[2] - cut, cut : conv5.shape[3] - cut]
        return Features(last=self.trunk[CONV5:](conv5), stride16=inside)


def _convolution(
    before: int, after: int, side: int, *, stride: int = 1, padding: int | None = None, parts: int = 1, lrn: bool
) -> nn.Module:
    """A convolution that keeps its grid unless it is told otherwise, and its ReLU; with BatchNorm where LRN is not."""
    around = side // 2 if padding is None else padding
    layer = nn.Conv2d(before, after, side, stride, around, groups=parts, bias=lrn)
    return nn.Sequential(layer, nn.ReLU()) if lrn else nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU())
