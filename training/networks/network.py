"""What every network here offers, so that methods, training and export need to know no family by name."""

from typing import NamedTuple, Protocol, Self

from torch import Tensor, nn

from seekcam.localization.errors import UserError


class NetworkError(UserError):
    """No such network, one that cannot be built as asked, or weights that are not its own."""

    code = "bad-network"


class Features(NamedTuple):
    """What a network's convolutions say of a batch of images of side S."""

    last: Tensor  # (B, K, h, w): the map that global average pooling averages
    # A layer whose affinities spread the class maps: (B, K16, S/16, S/16), or as fine as `last` where that is finer.
    stride16: Tensor


class Network(Protocol):
    """A convolutional classifier with global average pooling (GAP) and a linear head.

    `mean` and `std` normalise the pixels: images enter as (pixel - mean) / std, with pixels in 0..255 and one value per
    RGB channel. In `eval()` mode `forward(images)` equals `head(features.last.mean((2, 3)))`: that identity is what
    makes a class map a map of the class's own logit.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    training: bool

    @property
    def head(self) -> nn.Linear:
        """The classifier over the pooled features: weight (C, K), bias (C)."""

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised images to (B, C) logits."""

    def train(self, mode: bool = True) -> Self:
        """As for any `nn.Module`."""


class TrainableNetwork(Network, Protocol):
    """A network of the catalogue: one that is an `nn.Module` and says which of its layers are new."""

    def fast_layers(self) -> tuple[nn.Module, ...]:
        """The layers that learn at the head's rate: the head, and those that no pretrained weights suit as they are."""
