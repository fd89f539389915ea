"""How the steps of a recipe compose: each takes a batch and its targets and gives a new batch and new targets."""

from typing import NamedTuple, Protocol

from torch import Tensor

from seekcam.training.random_draws import Draws


class Targets(NamedTuple):
    """What a batch of B pictures shows: mostly one class each, and two where pictures were mixed."""

    labels: Tensor  # int64 (B,)
    others: Tensor  # int64 (B,): the second class; equal to `labels` where nothing was mixed
    share: Tensor  # float32 (B,) in [0, 1]: how much of the picture is `labels`


class Step(Protocol):
    """One augmentation, on normalised images of any float dtype on any device; the input is left untouched."""

    def __call__(self, images: Tensor, targets: Targets, draws: Draws) -> tuple[Tensor, Targets]:
        """(B, 3, H, W) to (B, 3, H', W')."""
