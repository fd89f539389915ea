"""Random crop and mirror image: whole pixels are taken, so nothing is smoothed.

Source: Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012;
the 256 -> 224 crop with a flip of probability 0.5 is what Hide-and-Seek's authors and the benchmark of Choe et al.,
"Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, train with.
"""

import torch
from torch import Tensor

from seekcam.training.random_draws import Draws


def random_crop_flip(images: Tensor, size: int, flip: float, draws: Draws) -> Tensor:
    """A square of each picture, at a random place, mirrored left to right with probability `flip`.

    Args:
        images: (B, C, H, W), any dtype; left untouched.
        size: side of the square in pixels.
        flip: probability of a mirror image.

    Returns:
        (B, C, size, size) of the same dtype and memory format.

    Raises:
        ValueError: the square does not fit.
    """
    batch, _, height, width = images.shape
    if not 1 <= size <= min(height, width):
        raise ValueError(f"a crop of {size} x {size} does not fit into {height} x {width}")
    top, left = draws.integers(1, height - size + 1)[:, 0], draws.integers(1, width - size + 1)[:, 0]
    mirrored = draws.uniform(1).view(batch, 1, 1, 1) < flip
    # A view of all crops there are, of which each picture's own is copied.
    windows = images.unfold(2, size, 1).unfold(3, size, 1)
    crops = windows[torch.arange(batch, device=images.device), :, top, left]
    return torch.where(mirrored, crops.flip(3), crops)
