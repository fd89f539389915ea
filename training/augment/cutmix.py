"""CutMix: a box of another picture is pasted into each picture, and its class counts by the area it covers.

Each picture draws lambda ~ Beta(beta, beta) and a box of sides sqrt(1 - lambda) of the picture's, its centre anywhere,
clipped at the border; the loss is share * CE(label) + (1 - share) * CE(other), with the share that the clipped box
truly leaves.

Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV 2019,
arXiv:1905.04899. Defaults: beta 1 and probability 1 as Choe et al., "Evaluating Weakly Supervised Object Localization
Methods Right", CVPR 2020. Ours: lambda, box and coin are drawn for each picture where the authors draw one for the
batch, and a picture's partner is never itself. The partner is one of the same batch, so that a batch split over several
processes pairs its pictures otherwise than in one.
"""

import math
from dataclasses import dataclass

import torch
from pydantic import with_config
from torch import Tensor, nn

from seekcam.training.augment.augmentation import Targets
from seekcam.training.random_draws import Draws


@with_config(extra="forbid")
@dataclass(frozen=True)
class CutMixConfig:
    """What a recipe's `[augment.cutmix]` table may say.

    Raises:
        ValueError: beta is not above 0, or a probability outside [0, 1].
    """

    beta: float = 1.0  # lambda ~ Beta(beta, beta); 1 is uniform
    probability: float = 1.0  # of a picture to be mixed at all

    def __post_init__(self) -> None:
        if not (self.beta > 0 and math.isfinite(self.beta)):
            raise ValueError(f"beta of cutmix must be above 0, not {self.beta}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability of cutmix must lie in [0, 1], not {self.probability}")


class CutMix(nn.Module):
    """Mix the pictures of a batch while training; the identity in `eval()` mode.

    Shapes:
        images (B, C, H, W), any float dtype, any device; left untouched.
    """

    def __init__(self, config: CutMixConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, images: Tensor, targets: Targets, draws: Draws) -> tuple[Tensor, Targets]:
        """New images, `others` set to the classes pasted in and `share` to what is left of each picture's own."""
        if not self.training:
            return images, targets
        partner = partners(draws)
        pasted = self._boxes(images, draws)
        share = 1 - pasted.flatten(1).float().mean(1)
        mixed = torch.where(pasted, images[partner], images)
        return mixed, Targets(targets.labels, targets.labels[partner], share)

    def _boxes(self, images: Tensor, draws: Draws) -> Tensor:
        """(B, 1, H, W) of booleans: where the partner shows."""
        batch, _, height, width = images.shape
        side = (1 - symmetric_beta(self.config.beta, draws)).sqrt()
        chosen = (draws.uniform(1) < self.config.probability).view(batch, 1, 1, 1)
        rows = _span(side, height, draws).view(batch, 1, height, 1)
        columns = _span(side, width, draws).view(batch, 1, 1, width)
        return rows & columns & chosen


def partners(draws: Draws) -> Tensor:
    """int64 (B,): whom each picture is mixed with: its neighbour in a random ring of the whole batch.

    The ring depends on which pictures the batch holds, not on their order; with two or more nobody meets themselves.
    """
    ring = draws.uniform(1)[:, 0].argsort(stable=True)
    return torch.empty_like(ring).scatter_(0, ring, ring.roll(-1))


def symmetric_beta(beta: float, draws: Draws) -> Tensor:
    """float32 (B,): Beta(beta, beta), in closed form from two uniform draws, so that none is ever drawn again.

    With T of Student's t distribution on 2 beta degrees of freedom, (1 + T / sqrt(2 beta + T^2)) / 2 follows
    Beta(beta, beta), and T is sqrt(2 beta (U^(-1 / beta) - 1)) cos(2 pi V) for uniform U and V (Bailey, "Polar
    Generation of Random Variates with the t-Distribution", Mathematics of Computation, 1994).
    """
    u, v = draws.uniform(2).unbind(1)
    # 1 - u lies in (0, 1]; its power stands on both sides of the fraction, where it cannot overflow.
    power, cosine = (1 - u) ** (1 / beta), torch.cos(2 * math.pi * v)
    spread = (1 - power) * cosine.square()
    return 0.5 * (1 + cosine.sign() * (spread / (power + spread)).sqrt())


def _span(side: Tensor, length: int, draws: Draws) -> Tensor:
    """(B, length) of booleans: the pixels of one axis in a box of `side` (B,) times its length, clipped at the ends."""
    extent = (side * length).long().unsqueeze(1)
    start = draws.integers(1, length) - extent // 2
    place = torch.arange(length, device=side.device)
    return (place >= start) & (place < start + extent)
