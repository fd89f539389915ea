"""A recipe's augmentation as a whole: its order, its determinism, and the sentences for what makes no sense."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from seekcam.training.augment.augmentation import Targets
from seekcam.training.augment.compose import RGB, Augmentation, AugmentationError, build_augmentation
from seekcam.training.augment.crop import random_crop_flip
from seekcam.training.augment.cutmix import CutMix, CutMixConfig
from seekcam.training.augment.googlenet_resize import GoogLeNetResize, GoogLeNetResizeConfig
from seekcam.training.augment.hide_and_seek import HideAndSeek, HideAndSeekConfig
from seekcam.training.augment.input_dropout import InputDropout, InputDropoutConfig
from seekcam.training.random_draws import Draws, sample_keys
from seekcam.training.recipe import AugmentStep, AugmentTable, InputTable

MEAN: RGB = (120.0, 117.0, 104.0)
STD: RGB = (58.0, 57.0, 60.0)
HIDE = HideAndSeekConfig(sizes=(4, 8))
ORDERS: list[tuple[AugmentStep, ...]] = [
    (),
    ("hide_and_seek",),
    ("googlenet_resize",),
    ("googlenet_resize", "hide_and_seek"),
    ("hide_and_seek", "googlenet_resize"),
    ("input_dropout",),
    ("googlenet_resize", "hide_and_seek", "cutmix", "input_dropout"),
]
ALONE = [steps for steps in ORDERS if "cutmix" not in steps]


def augmentation(
    steps: tuple[AugmentStep, ...], *, resize: int = 32, size: int = 24, flip: float = 0.5
) -> Augmentation:
    table = AugmentTable(steps=steps, hide_and_seek=HIDE)
    return build_augmentation(InputTable(size=size, resize=resize, flip=flip), table, MEAN, STD)


def pictures(batch: int, side: int = 32) -> Tensor:
    return torch.randint(256, (batch, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def by_pixel_values(images: Tensor) -> Tensor:
    """(pixel - mean) / std in double precision."""
    values = images.double().permute(0, 2, 3, 1)
    return ((values - torch.tensor(MEAN).double()) / torch.tensor(STD).double()).permute(0, 3, 1, 2)


@pytest.mark.parametrize("steps", ORDERS)
def test_it_is_crop_mirror_normalise_and_the_steps_in_their_order(steps: tuple[AugmentStep, ...]) -> None:
    images, labels, numbers = pictures(6), torch.arange(6), torch.arange(40, 46)
    result, targets = augmentation(steps)(images, labels, numbers, seed=3, epoch=2)
    draws = Draws(sample_keys(3, 2, numbers))
    expected = random_crop_flip(images, 32 if "googlenet_resize" in steps else 24, 0.5, draws).float()
    expected = (expected - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    shown = Targets(labels, labels, torch.ones(6))
    for step in steps:
        match step:
            case "hide_and_seek":
                expected = HideAndSeek(HIDE)(expected, draws)
            case "googlenet_resize":
                expected = GoogLeNetResize(GoogLeNetResizeConfig(), 24)(expected, draws)
            case "input_dropout":
                expected = InputDropout(InputDropoutConfig())(expected, draws)
            case "cutmix":
                expected, shown = CutMix(CutMixConfig())(expected, shown, draws)
    assert result.shape == (6, 3, 24, 24)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)
    for mine, theirs in zip(targets, shown, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("steps", ALONE)
def test_a_picture_comes_out_alike_whatever_the_batch(steps: tuple[AugmentStep, ...]) -> None:
    images, labels, numbers = pictures(6), torch.arange(6), torch.arange(10, 16)
    augment = augmentation(steps)
    whole, _ = augment(images, labels, numbers, seed=3, epoch=2)
    order = torch.tensor([4, 0, 5, 1, 3, 2])
    again, targets = augment(images[order], labels[order], numbers[order], seed=3, epoch=2)
    assert torch.equal(again, whole[order])
    assert torch.equal(targets.labels, labels[order])
    for i in range(6):
        alone, _ = augment(images[i : i + 1], labels[i : i + 1], numbers[i : i + 1], seed=3, epoch=2)
        assert torch.equal(alone, whole[i : i + 1])


def test_another_process_makes_of_its_half_what_one_makes_of_the_batch(tmp_path: Path) -> None:
    script = """
import sys
import torch
from seekcam.training.augment.compose import build_augmentation
from seekcam.training.augment.hide_and_seek import HideAndSeekConfig
from seekcam.training.recipe import AugmentTable, InputTable
torch.rand(7)  # another state of torch's own generator
steps = ("hide_and_seek", "googlenet_resize", "input_dropout")
table = AugmentTable(steps=steps, hide_and_seek=HideAndSeekConfig(sizes=(4, 8)))
augment = build_augmentation(InputTable(size=24, resize=32), table, (120, 117, 104), (58, 57, 60))
half, numbers = torch.load(sys.argv[1]), torch.arange(3, 6)
torch.save(augment(half, numbers, numbers, seed=1, epoch=5)[0], sys.argv[1])
"""
    file = tmp_path / "half.pt"
    torch.save(pictures(6)[3:], file)
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", script, str(file)], cwd=root, check=True, timeout=100)
    augment = augmentation(("hide_and_seek", "googlenet_resize", "input_dropout"))
    whole, _ = augment(pictures(6), torch.arange(6), torch.arange(6), seed=1, epoch=5)
    torch.testing.assert_close(torch.load(file, weights_only=True), whole[3:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", ORDERS[:-1])
def test_epochs_and_seeds_differ_and_come_again(steps: tuple[AugmentStep, ...]) -> None:
    def run(seed: int, epoch: int) -> Tensor:
        images, _ = augmentation(steps)(pictures(4), torch.arange(4), torch.arange(4), seed=seed, epoch=epoch)
        return images

    assert torch.equal(run(0, 0), run(0, 0))
    assert not torch.equal(run(0, 0), run(0, 1))
    assert not torch.equal(run(0, 0), run(1, 0))


def test_the_steps_do_not_share_their_draws() -> None:
    # Two steps that drew the same numbers would hide the pixels of one inside the patches of the other.
    table = AugmentTable(steps=("hide_and_seek", "input_dropout"), hide_and_seek=HideAndSeekConfig(sizes=(1,)))
    augment = build_augmentation(InputTable(size=64, resize=64, flip=0), table, MEAN, STD)
    images = torch.full((20, 3, 64, 64), 255, dtype=torch.uint8)
    result, _ = augment(images, torch.arange(20), torch.arange(20), seed=0, epoch=0)
    assert float((result == 0).float().mean()) == pytest.approx(0.75, abs=0.007)


def test_hidden_first_patches_are_zoomed_and_hidden_last_are_not() -> None:
    zoom = GoogLeNetResizeConfig(area=(0.25, 0.25), aspect=(1, 1))  # twice as large
    hide = HideAndSeekConfig(sizes=(8,))
    white = torch.full((64, 3, 64, 64), 255, dtype=torch.uint8)
    lengths = {}
    for steps in (("hide_and_seek", "googlenet_resize"), ("googlenet_resize", "hide_and_seek")):
        table = AugmentTable(steps=steps, hide_and_seek=hide, googlenet_resize=zoom)
        augment = build_augmentation(InputTable(size=64, resize=64), table, MEAN, STD)
        result, _ = augment(white, torch.zeros(64).long(), torch.arange(64), seed=0, epoch=0)
        hidden = result[:, 0] < 0.5 * float(result.max())
        edges = int((hidden[:, :, 1:] != hidden[:, :, :-1]).sum())
        lengths[steps[0]] = 64 * 64 * 63 / edges  # pixels between two edges along a row
    # Every second border between patches is an edge: 7 in a row of 64 pixels, one half of them seen.
    assert lengths["googlenet_resize"] == pytest.approx(63 / 3.5, rel=0.1)
    assert lengths["hide_and_seek"] == pytest.approx(2 * 63 / 3.5, rel=0.25)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("steps", ORDERS)
def test_input_and_memory_format_are_kept(steps: tuple[AugmentStep, ...], layout: torch.memory_format) -> None:
    images = pictures(4).to(memory_format=layout)
    before = images.clone()
    result, targets = augmentation(steps)(images, torch.arange(4), torch.arange(4), seed=0, epoch=0)
    assert torch.equal(images, before)
    assert result.is_contiguous(memory_format=layout)
    assert targets.share.dtype == torch.float32


@pytest.mark.parametrize("steps", ORDERS)
def test_evaluation_only_normalises(steps: tuple[AugmentStep, ...]) -> None:
    images = pictures(3, side=24)
    result = augmentation(steps).evaluation_images(images)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.double(), by_pixel_values(images), rtol=0, atol=1e-5)


def test_without_mirror_and_room_to_crop_training_sees_the_picture_as_it_is() -> None:
    images = pictures(3, side=24)
    augment = augmentation((), resize=24, flip=0)
    result, targets = augment(images, torch.tensor([2, 0, 1]), torch.arange(3), seed=0, epoch=0)
    assert torch.equal(result, augment.evaluation_images(images))
    assert targets.others.tolist() == targets.labels.tolist() == [2, 0, 1]
    assert targets.share.tolist() == [1, 1, 1]


def test_steps_that_make_no_sense_are_refused_with_a_sentence() -> None:
    with pytest.raises(AugmentationError, match="names cutmix 2 times"):
        augmentation(("cutmix", "hide_and_seek", "cutmix"))
    with pytest.raises(AugmentationError, match="put googlenet_resize first"):
        augmentation(("cutmix", "googlenet_resize"))
    with pytest.raises(AugmentationError, match="too small to crop 24 from"):
        augmentation((), resize=20)
    with pytest.raises(AugmentationError, match="patch of 8 pixels would hide a picture of 8 x 8 whole"):
        augmentation(("hide_and_seek",), size=8)
    with pytest.raises(AugmentationError, match="patch of 8 pixels would hide a picture of 8 x 8 whole"):
        augmentation(("hide_and_seek", "googlenet_resize"), resize=8)
    assert augmentation(("googlenet_resize",), resize=20).crop == 20  # what is zoomed may be smaller


@pytest.mark.parametrize("name", ["hide_and_seek", "googlenet_resize", "cutmix", "input_dropout"])
def test_a_recipe_with_an_unknown_name_in_a_steps_table_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="strength"):
        TypeAdapter(AugmentTable).validate_python({name: {"strength": 1}})


@pytest.mark.parametrize("steps", ORDERS[:-1])
def test_a_crop_smaller_than_the_network_s_input(steps: tuple[AugmentStep, ...]) -> None:
    table = AugmentTable(steps=steps, hide_and_seek=HideAndSeekConfig(sizes=(4, 8)))
    augment = build_augmentation(InputTable(size=32, resize=32, crop=16), table, MEAN, STD)
    images, _ = augment(pictures(4), torch.arange(4), torch.arange(4), seed=0, epoch=0)
    assert images.shape == (4, 3, 16, 16)
