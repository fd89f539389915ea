"""The draws of a picture: bit for bit SplitMix64, and as random as they must be."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seekcam.training.random_draws import Draws, fresh_draws, sample_keys
from tests.helpers.splitmix import key, splitmix64, uniforms


def draws(pictures: int, *, seed: int = 0, epoch: int = 0, first: int = 0) -> Draws:
    return Draws(sample_keys(seed, epoch, torch.arange(first, first + pictures)))


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack((first.flatten(), second.flatten())))[0, 1])


def test_the_oracle_gives_the_published_words() -> None:
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert list(islice(splitmix64(1234567), 4)) == published


@given(
    seed=st.integers(-(2**63), 2**64),
    epoch=st.integers(0, 10_000),
    number=st.integers(0, 2**40),
    counts=st.lists(st.integers(0, 9), max_size=4),
)
@settings(deadline=None, max_examples=50)
def test_every_draw_is_splitmix64_to_the_bit(seed: int, epoch: int, number: int, counts: list[int]) -> None:
    keys = sample_keys(seed, epoch, torch.tensor([number, number + 1]))
    assert [int(k) % 2**64 for k in keys] == [key(seed, epoch, number), key(seed, epoch, number + 1)]
    made = Draws(keys)
    drawn = torch.cat([made.uniform(count) for count in (*counts, 1)], dim=1)
    for row, picture in zip(drawn, (number, number + 1), strict=True):
        assert row.tolist() == list(islice(uniforms(seed, epoch, picture), sum(counts) + 1))


def test_the_keys_and_the_picture_numbers_are_left_untouched() -> None:
    numbers = torch.arange(5)
    keys = sample_keys(1, 2, numbers)
    before = keys.clone()
    Draws(keys).uniform(7)
    assert torch.equal(keys, before)
    assert torch.equal(numbers, torch.arange(5))


def test_uniform_draws_fill_the_interval_evenly() -> None:
    drawn = draws(400).uniform(500)
    assert drawn.dtype == torch.float32
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = torch.histc(drawn, bins=100, min=0, max=1)
    expected = drawn.numel() / 100
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert 61 < chi_squared < 149  # 99 degrees of freedom, 0.1 % at each end


@pytest.mark.parametrize(
    "other",
    [draws(300, first=1), draws(300, epoch=1), draws(300, seed=1), draws(300, first=300), draws(300, seed=1, epoch=-1)],
    ids=["next picture", "next epoch", "next seed", "far picture", "seed and epoch"],
)
def test_pictures_epochs_and_seeds_are_independent(other: Draws) -> None:
    assert abs(correlation(draws(300).uniform(300), other.uniform(300))) < 0.013  # 4 standard errors of 1 / 300


def test_successive_draws_are_independent_and_new() -> None:
    made = draws(300)
    first, second = made.uniform(300), made.uniform(300)
    assert abs(correlation(first, second)) < 0.013
    assert abs(correlation(first[:, 1:], first[:, :-1])) < 0.013
    assert torch.unique(torch.cat((first, second), 1)[0]).numel() > 590


def test_no_two_of_many_pictures_share_a_key() -> None:
    keys = torch.cat([sample_keys(seed, epoch, torch.arange(20_000)) for seed in range(3) for epoch in range(3)])
    assert torch.unique(keys).numel() == keys.numel()


@pytest.mark.parametrize("below", [1, 2, 7, 33])
def test_integers_are_even_and_in_range(below: int) -> None:
    drawn = draws(300, seed=5).integers(300, below)
    assert drawn.dtype == torch.int64
    counts = torch.bincount(drawn.flatten(), minlength=below)
    assert len(counts) == below
    expected = 90_000 / below
    torch.testing.assert_close(counts.float(), torch.full((below,), expected), rtol=0, atol=4.5 * expected**0.5)


def test_the_greatest_draw_is_still_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Draws, "uniform", lambda self, count: torch.full((len(self.keys), count), 1 - 2.0**-24))
    made = draws(1)
    assert [int(made.integers(1, below)) for below in range(1, 2000)] == list(range(1999))


@pytest.mark.parametrize("below", [0, -3, 2**20 + 1])
def test_a_range_that_draws_cannot_fill_is_refused(below: int) -> None:
    with pytest.raises(ValueError, match="below must lie in"):
        draws(1).integers(1, below)


def test_a_choice_is_one_of_the_values() -> None:
    values = torch.tensor([0, 16, 44])
    chosen = draws(3000).choice(values)
    assert chosen.shape == (3000,)
    for value in values:
        assert float((chosen == value).float().mean()) == pytest.approx(1 / 3, abs=0.035)


def test_fresh_draws_follow_torchs_generator() -> None:
    torch.manual_seed(3)
    first, second = (fresh_draws(4, torch.device("cpu")).uniform(5) for _ in range(2))
    torch.manual_seed(3)
    assert torch.equal(fresh_draws(4, torch.device("cpu")).uniform(5), first)
    assert not torch.equal(first, second)
    assert torch.unique(first).numel() == first.numel()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_device_draws_the_same_bits() -> None:
    keys = sample_keys(7, 3, torch.arange(64))
    torch.testing.assert_close(Draws(keys.cuda()).uniform(100).cpu(), Draws(keys).uniform(100), rtol=0, atol=0)
