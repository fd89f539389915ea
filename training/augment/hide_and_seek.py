"""Hide-and-Seek: hide random patches of the training picture so that the network must find the whole object.

Each image is cut into a grid of s x s pixel patches and every patch is hidden with probability p, anew for every image
at every iteration; nothing is hidden at test time. On normalised input a hidden pixel is 0, which is the data set's
mean colour: the first layer then has the same mean activation in training and at test (section 3.2 of the paper).

Source: Singh & Lee, "Hide-and-Seek: Forcing a Network to be Meticulous", ICCV 2017, arXiv:1704.04232.
Defaults: p = 0.5 and sizes {0, 16, 32, 44, 56} from the paper (its "mixed" row; 0 leaves the picture whole).
Where the image side is no multiple of s, the last row and column of patches are cut short, as the authors do.
"""

from dataclasses import dataclass

import torch
from pydantic import with_config
from torch import Tensor, nn

from seekcam.training.random_draws import Draws, fresh_draws

MIXED_SIZES = (0, 16, 32, 44, 56)  # patch sides in pixels for 224 x 224 input


@with_config(extra="forbid")
@dataclass(frozen=True)
class HideAndSeekConfig:
    """What a recipe's `[augment.hide_and_seek]` table may say.

    Raises:
        ValueError: a negative size, no size at all, or a probability outside [0, 1].
    """

    sizes: tuple[int, ...] = MIXED_SIZES  # one is drawn for each picture
    hide_probability: float = 0.5

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 0:
            raise ValueError(f"sizes must be patch sides in pixels, 0 for none, not {tuple(self.sizes)}")
        if not 0 <= self.hide_probability <= 1:
            raise ValueError(f"hide_probability must lie in [0, 1], not {self.hide_probability}")


class HideAndSeek(nn.Module):
    """Hide patches of a normalised batch while training; the identity in `eval()` mode.

    Shapes:
        input and output: (B, C, H, W), any float dtype, any device; the input is left untouched.

    Example:
        >>> hide = HideAndSeek(HideAndSeekConfig(sizes=(32,)))
        >>> hide(torch.randn(8, 3, 224, 224)).shape
        torch.Size([8, 3, 224, 224])
    """

    def __init__(self, config: HideAndSeekConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, images: Tensor, draws: Draws | None = None) -> Tensor:
        """Hide by the pictures' own `draws`, or else by torch's generator."""
        if not self.training:
            return images
        return images * self._kept(images, draws or fresh_draws(len(images), images.device))

    def _kept(self, images: Tensor, draws: Draws) -> Tensor:
        """(B, 1, H, W) of booleans: one draw of size per image, one draw of hiding per patch."""
        batch, _, height, width = images.shape
        side = draws.choice(torch.tensor(self.config.sizes, device=images.device)).view(batch, 1, 1)
        cell = side.clamp_min(1)
        row = torch.arange(height, device=images.device).view(1, height, 1) // cell
        column = torch.arange(width, device=images.device).view(1, 1, width) // cell
        # The finest grid any size needs holds a draw for every patch of every other size too.
        finest = min((s for s in self.config.sizes if s > 0), default=max(height, width))
        rows, columns = -(-height // finest), -(-width // finest)
        kept = draws.uniform(rows * columns).view(batch, rows, columns) >= self.config.hide_probability
        # Size 0 counts single pixels, more than the grid has; what they pick does not matter.
        picture = torch.arange(batch, device=images.device).view(batch, 1, 1)
        shown = kept[picture, row.clamp_max(rows - 1), column.clamp_max(columns - 1)] | (side == 0)
        return shown.unsqueeze(1)
