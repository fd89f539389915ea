"""The random crop against slicing one picture at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.training.augment.crop import random_crop_flip
from seekcam.training.random_draws import Draws, sample_keys
from tests.helpers.splitmix import uniforms


@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    data=st.data(),
    flip=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 2**63),
)
@settings(deadline=None, max_examples=60)
def test_it_is_a_slice_of_each_picture(height: int, width: int, data: st.DataObject, flip: float, seed: int) -> None:
    size = data.draw(st.integers(1, min(height, width)))
    images = torch.randint(256, (4, 3, height, width), dtype=torch.uint8)
    before = images.clone()
    numbers = torch.tensor([7, 0, 3, 12])
    result = random_crop_flip(images, size, flip, Draws(sample_keys(seed, 1, numbers)))
    assert result.dtype == torch.uint8
    assert torch.equal(images, before)
    for image, crop, number in zip(images, result, numbers.tolist(), strict=True):
        drawn = uniforms(seed, 1, number)
        top, left = int(next(drawn) * (height - size + 1)), int(next(drawn) * (width - size + 1))
        expected = image[:, top : top + size, left : left + size]
        assert torch.equal(crop, expected.flip(2) if next(drawn) < flip else expected)


def test_every_place_and_both_directions_come_up_evenly() -> None:
    images = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3).expand(6000, 3, 3, 3)
    crops = random_crop_flip(images, 2, 0.5, Draws(sample_keys(0, 0, torch.arange(6000))))[:, 0]
    mirrored = crops[:, 0, 0] > crops[:, 0, 1]
    corner = torch.where(mirrored, crops[:, 0, 1], crops[:, 0, 0])
    assert float(mirrored.float().mean()) == pytest.approx(0.5, abs=0.026)
    for place in (0, 1, 3, 4):
        assert float((corner == place).float().mean()) == pytest.approx(0.25, abs=0.023)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_memory_format_is_kept(layout: torch.memory_format) -> None:
    images = torch.randint(256, (3, 3, 20, 30), dtype=torch.uint8).to(memory_format=layout)
    result = random_crop_flip(images, 16, 0.5, Draws(sample_keys(0, 0, torch.arange(3))))
    assert result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("size", [0, 21])
def test_a_crop_that_does_not_fit_is_refused(size: int) -> None:
    images = torch.zeros(1, 3, 20, 30, dtype=torch.uint8)
    with pytest.raises(ValueError, match="does not fit into 20 x 30"):
        random_crop_flip(images, size, 0.5, Draws(sample_keys(0, 0, torch.arange(1))))
