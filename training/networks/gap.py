"""`GapNetwork`: what all networks of the catalogue share: a trunk, global average pooling (GAP) and a linear head.

The linear head over a plain mean is what makes class maps exact: with F the last features, W and b the head's weight
and bias, the map W[c] . F has the mean logit_c - b_c (Zhou et al., "Learning Deep Features for Discriminative
Localization", CVPR 2016).
"""

from typing import ClassVar, Self, cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seekcam.training.networks.network import Features

IMAGENET_MEAN = (123.675, 116.28, 103.53)  # of RGB pixels in 0..255: torchvision's 0.485, 0.456, 0.406
IMAGENET_STD = (58.395, 57.12, 57.375)  # 0.229, 0.224, 0.225


class GapNetwork(nn.Module):
    """A `TrainableNetwork`; a family adds its layers and `forward_features`.

    Shapes:
        images (B, 3, S, S), normalised; logits (B, C).
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    head_name: ClassVar[str] = ""  # what published state dicts call a head that this one can take over; "": none
    trunk: nn.Module  # the layers that published weights fill, under their published names
    between: nn.Module | None  # layers from trunk to head that no published weights have
    head: nn.Linear  # weight (C, K), bias (C)

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.between = None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)
        self._batchnorm_frozen = False

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to their features."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised images to (B, C) logits."""
        pooled = self.forward_features(images).last.mean((2, 3))
        return cast(Tensor, self.head(self.dropout(pooled)))

    def fast_layers(self) -> tuple[nn.Module, ...]:
        """The layers that learn at the head's rate: the head, and what lies between it and the trunk."""
        return (self.head,) if self.between is None else (self.between, self.head)

    def start_head_at_zero(self) -> None:
        """Begin with equal logits: a random head over pretrained features would push them about before it learns."""
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def train(self, mode: bool = True) -> Self:
        """As for any `nn.Module`, but frozen BatchNorm layers stay in `eval()`."""
        super().train(mode)
        if self._batchnorm_frozen:
            for layer in batchnorm_layers(self):
                layer.eval()
        return self


def batchnorm_layers(network: nn.Module) -> list[_BatchNorm]:
    """All BatchNorm layers of a network."""
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]


def he_initialise(network: nn.Module) -> None:
    """Random convolutions that keep the variance through ReLUs: He et al., "Delving Deep into Rectifiers", 2015."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def freeze_batchnorm(network: GapNetwork) -> None:
    """Let BatchNorm normalise by the running statistics it has, in training too, and update them no more.

    A sample's result then depends on no other sample of its batch, so that batches can be small or split over
    processes. The layers' scale and shift stay trainable: they are ordinary weights, and a new task may want them.
    """
    network._batchnorm_frozen = True
    network.train(network.training)
