"""Dropout on the input: single pixels are hidden instead of Hide-and-Seek's patches, as the paper's comparison does.

A pixel is hidden with all its channels; on normalised input it becomes 0, the data set's mean colour, and the pixels
that stay are not scaled up. Single pixels leave no part of the object hidden, so that this does not do what patches do:
with AlexNet on ILSVRC the paper has 42.2 % GT-known Loc hiding in training only, 53.5 % in training and at test, and
58.7 % for Hide-and-Seek.

Source: Singh & Lee, "Hide-and-Seek: Forcing a Network to be Meticulous", ICCV 2017, arXiv:1704.04232, after Srivastava
et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 2014. Ours: probability 0.5 and the
mean fill, as for the patches; and one mask for all pictures at test, because an exported model has to answer the same
frame in the same way, and its live map must not flicker.
"""

from dataclasses import dataclass

import torch
from pydantic import with_config
from torch import Tensor, nn

from seekcam.training.random_draws import Draws, fresh_draws, sample_keys

_TEST_SEED = 2017  # of the one mask for every test picture; any number does, but it must never change


@with_config(extra="forbid")
@dataclass(frozen=True)
class InputDropoutConfig:
    """What a recipe's `[augment.input_dropout]` table may say.

    Raises:
        ValueError: a probability outside [0, 1).
    """

    probability: float = 0.5  # of a pixel to be hidden
    at_test: bool = False  # hide pixels at test too, by `fixed_mask`

    def __post_init__(self) -> None:
        if not 0 <= self.probability < 1:
            raise ValueError(f"probability of input_dropout must lie in [0, 1), not {self.probability}")


class InputDropout(nn.Module):
    """Hide single pixels of a normalised batch while training; the identity in `eval()` mode.

    Shapes:
        input and output: (B, C, H, W), any float dtype, any device; the input is left untouched.
    """

    def __init__(self, config: InputDropoutConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, images: Tensor, draws: Draws | None = None) -> Tensor:
        """Hide by the pictures' own `draws`, or else by torch's generator."""
        if not self.training:
            return images
        batch, _, height, width = images.shape
        draws = draws or fresh_draws(batch, images.device)
        kept = draws.uniform(height * width) >= self.config.probability
        return images * kept.view(batch, 1, height, width)


def fixed_mask(size: int, probability: float) -> Tensor:
    """float32 (1, 1, size, size) of zeros and ones: the pixels every test picture keeps; always the same."""
    draws = Draws(sample_keys(_TEST_SEED, 0, torch.zeros(1, dtype=torch.int64)))
    return (draws.uniform(size * size) >= probability).float().view(1, 1, size, size)
