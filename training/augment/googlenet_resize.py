"""GoogLeNet-Resize (GR): a random part of the picture, between 8 and 100 % of its area, stretched to the input size.

Each picture draws an area a and an aspect ratio r: the part is round(sqrt(a H W r)) wide and round(sqrt(a H W / r))
high, at a random place. Where it does not fit, both are drawn again, ten times at most; the last resort is the central
square. A network that sees parts at every scale learns the whole object, as with Hide-and-Seek, and the two do not add
up: after each other, in either order, they localise less well than GR alone.

Sampling is bilinear between the pixels of the part only, as if it had been cut out first. A part is never shrunk by
more than the picture's side over the input size, 256 / 224 in the usual recipe, where bilinear sampling misses no
pixel; from a factor of 1.5 on, each output pixel averages 2 x 2 samples, from 2.5 on 3 x 3, against aliasing.

Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015; for localisation Choe, Park & Shim, "Improved
Techniques for the Weakly-Supervised Object Localization", 2018, arXiv:1802.07888. The area and aspect limits are the
papers'; the aspect is uniform as in tensorpack, or log-uniform as in torchvision; ten tries are what both of those do.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import with_config
from torch import Tensor, nn

from seekcam.training.random_draws import Draws, fresh_draws


@with_config(extra="forbid")
@dataclass(frozen=True)
class GoogLeNetResizeConfig:
    """What a recipe's `[augment.googlenet_resize]` table may say.

    Raises:
        ValueError: limits in the wrong order or out of range, or no try at all.
    """

    area: tuple[float, float] = (0.08, 1.0)  # share of the picture, smallest and largest
    aspect: tuple[float, float] = (3 / 4, 4 / 3)  # width over height, smallest and largest
    log_aspect: bool = False  # draw the logarithm of the aspect uniformly instead of the aspect
    tries: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"area must be the smallest and the largest share, within (0, 1], not {self.area}")
        if not (0 < self.aspect[0] <= self.aspect[1] and math.isfinite(self.aspect[1])):
            raise ValueError(f"aspect must be the smallest and the largest width over height, not {self.aspect}")
        if self.tries < 1:
            raise ValueError(f"tries must be at least 1, not {self.tries}")


class Parts(NamedTuple):
    """The part each of B pictures is zoomed into, in whole pixels; int64 (B,) each."""

    left: Tensor
    top: Tensor
    width: Tensor
    height: Tensor


class GoogLeNetResize(nn.Module):
    """Zoom into a random part of each picture while training; the identity in `eval()` mode.

    Args:
        config: how the parts are drawn.
        size: side of the result in pixels.

    Shapes:
        (B, C, H, W) to (B, C, size, size), any float dtype, any device; the input is left untouched.
    """

    def __init__(self, config: GoogLeNetResizeConfig, size: int) -> None:
        super().__init__()
        self.config = config
        self.size = size

    def forward(self, images: Tensor, draws: Draws | None = None) -> Tensor:
        """Zoom by the pictures' own `draws`, or else by torch's generator."""
        if not self.training:
            return images
        draws = draws or fresh_draws(len(images), images.device)
        height, width = images.shape[2:]
        return resized_parts(images, draw_parts(self.config, height, width, draws), self.size)


def draw_parts(config: GoogLeNetResizeConfig, height: int, width: int, draws: Draws) -> Parts:
    """A part of each picture of height x width pixels: all tries are drawn at once and the first that fits is taken."""
    shares, ratios, across, down = draws.uniform(4 * config.tries).chunk(4, 1)
    areas = height * width * _between(config.area, shares)
    if config.log_aspect:
        aspects = _between((math.log(config.aspect[0]), math.log(config.aspect[1])), ratios).exp()
    else:
        aspects = _between(config.aspect, ratios)
    widths, heights = (areas * aspects).sqrt().round(), (areas / aspects).sqrt().round()
    fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
    first = fits.long().argmax(1, keepdim=True)  # of equals, the first
    fitting, w, h, x, y = (tries.gather(1, first).squeeze(1) for tries in (fits, widths, heights, across, down))
    square = min(height, width)
    w, h = torch.where(fitting, w, square), torch.where(fitting, h, square)
    x, y = torch.where(fitting, x, 0.5), torch.where(fitting, y, 0.5)
    # float32 rounds the product of a draw near 1 up to one place too many.
    left, top = (x * (width - w + 1)).floor().minimum(width - w), (y * (height - h + 1)).floor().minimum(height - h)
    return Parts(left.long(), top.long(), w.long(), h.long())


def resized_parts(images: Tensor, parts: Parts, size: int) -> Tensor:
    """(B, C, H, W) to (B, C, size, size): each picture's part, stretched; dtype and memory format are kept."""
    height, width = images.shape[2:]
    samples = max(1, math.floor(max(height, width) / size + 0.5))  # along each side of an output pixel
    across = _sampled(parts.left, parts.width, width, size * samples)
    down = _sampled(parts.top, parts.height, height, size * samples)
    shape = (len(images), size * samples, size * samples)
    grid = torch.stack((across.unsqueeze(1).expand(shape), down.unsqueeze(2).expand(shape)), dim=3)
    # Half precision would place the samples pixels beside where they belong.
    exact = images if images.dtype == torch.float64 else images.float()
    sampled = F.grid_sample(exact, grid.to(exact.dtype), mode="bilinear", padding_mode="border", align_corners=False)
    if samples > 1:
        sampled = F.avg_pool2d(sampled, samples)
    channels_last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return sampled.to(images.dtype, memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def _sampled(start: Tensor, extent: Tensor, length: int, count: int) -> Tensor:
    """(B, count): where one axis is sampled, in `grid_sample`'s -1..1; never beyond the part's outermost pixels."""
    start, extent = start.float().unsqueeze(1), extent.float().unsqueeze(1)
    centres = (torch.arange(count, device=start.device) + 0.5) / count
    pixels = (start + extent * centres).clamp(start + 0.5, start + extent - 0.5)
    return pixels * 2 / length - 1


def _between(limits: tuple[float, float], uniform: Tensor) -> Tensor:
    low, high = limits
    return low + (high - low) * uniform
