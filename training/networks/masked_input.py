"""A network that sees every picture through one fixed mask: input dropout "in training and at test".

The mask is part of the network, not of the picture's preparation, so that an exported graph applies it too and answers
a frame in the same way each time.
"""

from torch import Tensor, nn

from seekcam.training.augment.input_dropout import fixed_mask
from seekcam.training.networks.network import Features, TrainableNetwork
from seekcam.training.recipe import AugmentTable, InputTable


class MaskedInput(nn.Module):
    """`network` behind a mask, as a `TrainableNetwork`; in training mode nothing is masked: augmentation draws anew.

    Args:
        network: what sees the masked pictures; its layers are shared, not copied.
        mask: (1, 1, S, S) of zeros and ones; not part of the state dict, for `fixed_mask` makes it again.
    """

    mask: Tensor

    def __init__(self, network: TrainableNetwork, mask: Tensor) -> None:
        super().__init__()
        self.network = network
        self.mean, self.std = network.mean, network.std
        self.register_buffer("mask", mask, persistent=False)

    @property
    def head(self) -> nn.Linear:
        """The classifier of the network behind the mask."""
        return self.network.head

    def fast_layers(self) -> tuple[nn.Module, ...]:
        """The layers of the network behind the mask that learn at the head's rate."""
        return self.network.fast_layers()

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to the features of what the mask leaves of them."""
        return self.network.forward_features(self._masked(images))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised images to (B, C) logits."""
        return self.network.forward(self._masked(images))

    def _masked(self, images: Tensor) -> Tensor:
        # The network may have been moved to another device before it was put behind the mask.
        return images if self.training else images * self.mask.to(images)


def as_tested(network: TrainableNetwork, table_of_input: InputTable, table: AugmentTable) -> TrainableNetwork:
    """The network to validate, score and export: itself, or behind a mask where the recipe drops input at test too."""
    if "input_dropout" not in table.steps or not table.input_dropout.at_test:
        return network
    return MaskedInput(network, fixed_mask(table_of_input.size, table.input_dropout.probability))
