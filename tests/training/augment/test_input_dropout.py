"""Dropout on the input: single pixels with all their channels, nothing scaled, one unchanging mask at test."""

from itertools import islice

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from seekcam.training.augment.input_dropout import InputDropout, InputDropoutConfig, fixed_mask
from seekcam.training.random_draws import Draws, sample_keys
from tests.helpers.splitmix import uniforms


def draws(numbers: Tensor, *, seed: int = 0, epoch: int = 0) -> Draws:
    return Draws(sample_keys(seed, epoch, numbers))


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
def test_single_pixels_are_hidden_and_the_rest_is_not_scaled(p: float) -> None:
    images = torch.randn(8, 3, 50, 70)
    result = InputDropout(InputDropoutConfig(probability=p))(images, draws(torch.arange(8), seed=6))
    for i in range(8):
        hidden = torch.tensor(list(islice(uniforms(6, 0, i), 50 * 70))).view(50, 70) < p
        assert torch.equal(result[i], images[i].masked_fill(hidden, 0))
    share = float((result == 0).float().mean())
    assert share == pytest.approx(p, abs=4.5 * (p * (1 - p) / (8 * 50 * 70)) ** 0.5)


def test_neighbouring_pixels_pictures_and_epochs_are_independent() -> None:
    drop = InputDropout(InputDropoutConfig())
    first, second = (drop(torch.ones(2, 1, 200, 200), draws(torch.arange(2), epoch=e))[:, 0] for e in (0, 1))
    pairs = [(first[0, 1:], first[0, :-1]), (first[0, :, 1:], first[0, :, :-1]), (first[0], first[1]), (first, second)]
    for one, other in pairs:
        assert abs(float(torch.corrcoef(torch.stack((one.flatten(), other.flatten())))[0, 1])) < 0.0225


def test_every_call_without_draws_is_new() -> None:
    drop = InputDropout(InputDropoutConfig())
    images = torch.ones(1, 3, 20, 20)
    assert not torch.equal(drop(images), drop(images))


def test_a_picture_is_hidden_alike_whatever_the_batch() -> None:
    drop, images = InputDropout(InputDropoutConfig()), torch.randn(4, 3, 11, 13)
    whole = drop(images, draws(torch.arange(4)))
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(drop(images[order], draws(order)), whole[order])
    assert torch.equal(drop(images[2:3], draws(torch.tensor([2]))), whole[2:3])


def test_the_input_is_left_untouched_and_nothing_is_hidden_at_test() -> None:
    images = torch.randn(2, 3, 16, 20)
    before = images.clone()
    drop = InputDropout(InputDropoutConfig())
    drop(images)
    assert torch.equal(images, before)
    assert drop.eval()(images) is images


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dtype_and_memory_format_are_kept(dtype: torch.dtype, layout: torch.memory_format) -> None:
    images = torch.randn(2, 3, 16, 20).to(dtype, memory_format=layout)
    result = InputDropout(InputDropoutConfig())(images)
    assert result.dtype == dtype
    assert result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(("size", "p"), [(7, 0.5), (32, 0.2)])
def test_the_mask_at_test_never_changes(size: int, p: float) -> None:
    # From plain Python: exported models depend on these very pixels.
    kept = torch.tensor(list(islice(uniforms(2017, 0, 0), size * size))) >= p
    assert torch.equal(fixed_mask(size, p), kept.float().view(1, 1, size, size))


@pytest.mark.parametrize("table", [{"probability": -0.1}, {"probability": 1.0}])
def test_nonsense_is_refused_with_a_sentence(table: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=r"must lie in \[0, 1\)"):
        TypeAdapter(InputDropoutConfig).validate_python(table)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="rate"):
        TypeAdapter(InputDropoutConfig).validate_python({"rate": 0.5})
