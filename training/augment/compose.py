"""From a recipe's tables to what happens to a training batch: crop, mirror, normalise, then the steps in their order.

Pictures come from the loader squashed to `resize` x `resize`. They are cropped at random, to `crop` or else the
network's size, unless GoogLeNet-Resize is among the steps: it takes its part out of the whole picture and makes it of
the crop's size.
Hide-and-Seek named before it ("GR after HaS") therefore hides patches of the `resize`-sided picture, which the zoom
then makes as much larger as everything else; named after it ("HaS after GR"), patches of the network's input.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seekcam.localization.errors import UserError
from seekcam.training.augment.augmentation import Step, Targets
from seekcam.training.augment.crop import random_crop_flip
from seekcam.training.augment.cutmix import CutMix
from seekcam.training.augment.googlenet_resize import GoogLeNetResize
from seekcam.training.augment.hide_and_seek import HideAndSeek
from seekcam.training.augment.input_dropout import InputDropout
from seekcam.training.random_draws import Draws, sample_keys
from seekcam.training.recipe import AugmentStep, AugmentTable, InputTable

RGB = tuple[float, float, float]


class AugmentationError(UserError):
    """A recipe's steps do not go together, or not with its input size."""

    code = "bad-recipe"


@dataclass(frozen=True)
class Augmentation:
    """What one recipe does to its pictures, on whichever device they are."""

    crop: int  # side of the random crop
    flip: float  # probability of a mirror image
    mean: RGB  # of pixels in 0..255, as the network wants them
    std: RGB
    steps: tuple[Step, ...]

    def __call__(
        self, images: Tensor, labels: Tensor, numbers: Tensor, *, seed: int, epoch: int
    ) -> tuple[Tensor, Targets]:
        """One training batch.

        What becomes of a picture depends on it, `seed`, `epoch` and its number alone, not on the batch around it;
        only CutMix looks at the others.

        Args:
            images: uint8 (B, 3, R, R) from the loader, R the recipe's `resize`; left untouched.
            labels: int64 (B,).
            numbers: int64 (B,), which picture of the training part each is; on any device.
            seed: the run's.
            epoch: the epoch that the batch belongs to.

        Returns:
            float32 (B, 3, c, c), c the recipe's crop, normalised, in the memory format of `images`; and what they show.
        """
        draws = Draws(sample_keys(seed, epoch, numbers.to(images.device)))
        batch = normalised(random_crop_flip(images, self.crop, self.flip, draws), self.mean, self.std)
        targets = Targets(labels, labels, torch.ones(len(labels), device=labels.device))
        for step in self.steps:
            batch, targets = step(batch, targets, draws)
        return batch, targets

    def evaluation_images(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, S, S), squashed to the network's size, to float32 (B, 3, S, S): normalised, no more."""
        return normalised(images, self.mean, self.std)


def build_augmentation(table_of_input: InputTable, table: AugmentTable, mean: RGB, std: RGB) -> Augmentation:
    """The augmentation of a recipe's `[input]` and `[augment]` tables, for a network with this `mean` and `std`.

    Raises:
        AugmentationError: a step named twice, an order that makes no sense, or sizes that do not fit.
    """
    size, resize, steps = table_of_input.crop_side, table_of_input.resize, table.steps
    _check_order(steps)
    zoomed = "googlenet_resize" in steps
    if resize < size and not zoomed:
        raise AugmentationError(
            f"input.resize is {resize}, too small to crop {size} from: make it {size} or more, or input.crop smaller."
        )
    crop = resize if zoomed else size
    if "hide_and_seek" in steps:
        hides_first = zoomed and steps.index("hide_and_seek") < steps.index("googlenet_resize")
        _check_patches(table.hide_and_seek.sizes, crop if hides_first else size)
    makers: dict[AugmentStep, Callable[[], Step]] = {
        "hide_and_seek": lambda: _images_only(HideAndSeek(table.hide_and_seek)),
        "googlenet_resize": lambda: _images_only(GoogLeNetResize(table.googlenet_resize, size)),
        "cutmix": lambda: CutMix(table.cutmix),
        "input_dropout": lambda: _images_only(InputDropout(table.input_dropout)),
    }
    return Augmentation(crop, table_of_input.flip, mean, std, tuple(makers[step]() for step in steps))


def normalised(images: Tensor, mean: RGB, std: RGB) -> Tensor:
    """uint8 (B, 3, H, W) to float32 (pixel - mean) / std, one mean and deviation per RGB channel."""
    shift = torch.tensor(mean, dtype=torch.float32, device=images.device).view(3, 1, 1)
    scale = torch.tensor(std, dtype=torch.float32, device=images.device).view(3, 1, 1)
    return (images - shift).div_(scale)


def _images_only(change: HideAndSeek | GoogLeNetResize | InputDropout) -> Step:
    """A step that leaves the targets as they are."""

    def step(images: Tensor, targets: Targets, draws: Draws) -> tuple[Tensor, Targets]:
        return change(images, draws), targets

    return step


def _check_order(steps: Sequence[AugmentStep]) -> None:
    for step in steps:
        if steps.count(step) > 1:
            raise AugmentationError(f"augment.steps names {step} {steps.count(step)} times: once is enough.")
    if {"cutmix", "googlenet_resize"} <= set(steps) and steps.index("cutmix") < steps.index("googlenet_resize"):
        raise AugmentationError(
            "augment.steps names cutmix before googlenet_resize, whose crop would change how much of each class is "
            "seen: put googlenet_resize first."
        )


def _check_patches(sizes: Sequence[int], side: int) -> None:
    if max(sizes) >= side:
        raise AugmentationError(
            f"A patch of {max(sizes)} pixels would hide a picture of {side} x {side} whole: make "
            f"augment.hide_and_seek.sizes smaller than {side}."
        )
