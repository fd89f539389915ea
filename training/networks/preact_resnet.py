"""Pre-activation ResNet-18 and ResNet-34 for small pictures, such as Tiny ImageNet's 64 x 64.

The stem is one 3 x 3 convolution of stride 1, without pooling, and the four stages have strides 1, 2, 2, 2: 64 x 64
pixels have an 8 x 8 map. Every convolution comes after its BatchNorm and ReLU, so one more of both end the trunk: what
they put out is what global average pooling averages.

Source: He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016. No published weights have this form: it
learns from scratch.
"""

from collections import OrderedDict
from typing import Any, cast

from torch import Tensor, nn

from seekcam.training.networks.gap import GapNetwork, he_initialise
from seekcam.training.networks.network import Features
from seekcam.training.networks.sizes import SPREAD_STRIDE, check_input_size, choose_map_stride

BLOCKS_18 = (2, 2, 2, 2)  # per stage
BLOCKS_34 = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)
MAP_STRIDE = 8
FINE_GRID = 32  # cells a side; the affinities of a finer grid would cost more than the network


class PreActBlock(nn.Module):
    """BatchNorm, ReLU and a 3 x 3 convolution, twice, beside a shortcut: (B, before, h, w) to (B, after, h/s, w/s)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        same = before == after and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def activate(self, x: Tensor) -> Tensor:
        """What the first convolution sees of the input."""
        return cast(Tensor, self.norm1(x)).relu()

    def forward(self, x: Tensor) -> Tensor:
        """The block's sum, not activated."""
        active = self.activate(x)
        # A shortcut that changes the shape starts from the activated input, as in the paper's code.
        beside = x if self.shortcut is None else self.shortcut(active)
        inner = self.conv2(self.norm2(self.conv1(active)).relu())
        return cast(Tensor, beside + inner)


class PreActResNet(GapNetwork):
    """A `TrainableNetwork`: K = 512 features over S/8.

    The features that spread the maps are 256 channels over S/4, so that small pictures have a fine map too (16 x 16 at
    64); for pictures above 128 pixels they are the last features themselves.

    Args:
        blocks: per stage. name: what messages call it.

    Raises:
        NetworkError: an input size or a map stride that it does not have.
    """

    trunk: Any

    def __init__(
        self,
        blocks: tuple[int, ...],
        name: str,
        classes: int,
        input_size: int,
        *,
        map_stride: int = 0,
        dropout: float | None = None,
    ) -> None:
        choose_map_stride(name, map_stride, MAP_STRIDE)
        check_input_size(name, input_size, SPREAD_STRIDE)
        super().__init__(WIDTHS[-1], classes, dropout or 0.0)
        layers: list[tuple[str, nn.Module]] = [("stem", nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False))]
        before, stride = WIDTHS[0], 1
        for number, (count, width) in enumerate(zip(blocks, WIDTHS, strict=True), start=1):
            first = PreActBlock(before, width, stride)
            rest = [PreActBlock(width, width, 1) for _ in range(count - 1)]
            layers.append((f"stage{number}", nn.Sequential(first, *rest)))
            before, stride = width, 2
        layers.append(("norm", nn.BatchNorm2d(before)))
        self.trunk = nn.Sequential(OrderedDict(layers))
        self._spreads_finer = input_size // 4 <= FINE_GRID
        he_initialise(self)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        net = self.trunk
        fine = net.stage3(net.stage2(net.stage1(net.stem(images))))
        last = net.norm(net.stage4(fine)).relu()
        # The sums that run along the shortcuts are no activations yet: the next block's first layers make them so.
        return Features(last=last, stride16=net.stage4[0].activate(fine) if self._spreads_finer else last)
