"""CutMix against the definition: one box of one partner, and classes that count by the area they cover."""

import itertools
import math
from collections.abc import Sequence
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from seekcam.training.augment.augmentation import Targets
from seekcam.training.augment.cutmix import CutMix, CutMixConfig, partners, symmetric_beta
from seekcam.training.random_draws import Draws, sample_keys
from tests.helpers.splitmix import uniforms


def draws(numbers: Tensor, *, seed: int = 0, epoch: int = 0) -> Draws:
    return Draws(sample_keys(seed, epoch, numbers))


def plain(labels: Tensor) -> Targets:
    return Targets(labels, labels, torch.ones(len(labels)))


def flat_pictures(batch: int, height: int, width: int) -> Tensor:
    """Picture i is i all over, so that every pixel says where it comes from."""
    return torch.arange(batch).float().view(-1, 1, 1, 1).expand(batch, 3, height, width).clone()


def spans(place: float, side: float, length: int) -> set[tuple[int, int]]:
    """Where a box may begin and end on one axis; more than one answer where float32 may round the other way."""
    found = set()
    for near, far in itertools.product((-1e-3, 0, 1e-3), repeat=2):
        extent, centre = int(side * length + near), int(min(max(place * length + far, 0), length - 1))
        start, stop = (min(max(end, 0), length) for end in (centre - extent // 2, centre - extent // 2 + extent))
        found.add((start, stop))
    return found


def mixed_by_loops(image: Tensor, other: Tensor, drawn: Sequence[float], beta: float, p: float) -> list[Tensor]:
    """What may become of a picture and its partner's box, with its draws from plain Python."""
    _, u, v, coin, down, across = drawn
    t = math.sqrt(2 * beta * ((1 - u) ** (-1 / beta) - 1)) * math.cos(2 * math.pi * v)  # Student's
    side = math.sqrt(1 - (1 + t / math.sqrt(2 * beta + t * t)) / 2)
    if coin >= p:
        return [image]
    results = []
    for rows, columns in itertools.product(spans(down, side, image.shape[1]), spans(across, side, image.shape[2])):
        mixed = image.clone()
        mixed[:, slice(*rows), slice(*columns)] = other[:, slice(*rows), slice(*columns)]
        results.append(mixed)
    return results


@given(
    numbers=st.lists(st.integers(0, 10_000), min_size=1, max_size=6, unique=True),
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    beta=st.sampled_from([0.5, 1.0, 3.0]),
    p=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**63),
)
@settings(deadline=None, max_examples=60)
def test_it_pastes_what_a_loop_over_pictures_pastes(
    numbers: list[int], height: int, width: int, beta: float, p: float, seed: int
) -> None:
    batch = len(numbers)
    images = torch.arange(batch * 3 * height * width).float().view(batch, 3, height, width)
    labels = torch.arange(batch) * 7
    mix = CutMix(CutMixConfig(beta=beta, probability=p))
    result, targets = mix(images, plain(labels), draws(torch.tensor(numbers), seed=seed))
    drawn = [list(islice(uniforms(seed, 0, number), 6)) for number in numbers]
    ring = sorted(range(batch), key=lambda i: drawn[i][0])
    assert torch.equal(targets.labels, labels)
    for i in range(batch):
        partner = ring[(ring.index(i) + 1) % batch]
        assert int(targets.others[i]) == 7 * partner
        allowed = mixed_by_loops(images[i], images[partner], drawn[i], beta, p)
        assert any(torch.equal(result[i], mixed) for mixed in allowed)


def test_a_box_of_one_partner_is_pasted_and_the_share_is_what_is_left() -> None:
    batch = 64
    images, labels = flat_pictures(batch, 30, 44), torch.arange(batch)
    result, targets = CutMix(CutMixConfig())(images, plain(labels), draws(labels))
    for i in range(batch):
        pasted = result[i] != i
        assert torch.equal(pasted[0], pasted[1])
        rows, columns = pasted[0].any(1), pasted[0].any(0)
        assert torch.equal(pasted[0], rows[:, None] & columns[None])
        for span in (rows, columns):  # without a gap
            assert int(span.int().diff().abs().sum()) <= 2
        assert set(result[i][pasted].tolist()) <= {float(targets.others[i])}
        assert float(targets.share[i]) == pytest.approx(1 - float(pasted[0].float().mean()), abs=1e-6)
    assert float(targets.share.min()) < 0.3
    assert float(targets.share.max()) > 0.95


def test_nobody_is_their_own_partner_and_everyone_is_somebodys() -> None:
    for batch in (2, 3, 32):
        for epoch in range(20):
            partner = partners(draws(torch.arange(batch), epoch=epoch))
            assert torch.equal(partner.sort().values, torch.arange(batch))
            assert not bool((partner == torch.arange(batch)).any())
    met = torch.stack([partners(draws(torch.arange(4), epoch=e)) for e in range(3000)])
    counts = torch.stack([torch.bincount(met[:, i], minlength=4) for i in range(4)]).float() / 3000
    torch.testing.assert_close(counts, (1 - torch.eye(4)) / 3, rtol=0, atol=0.039)


def test_the_order_of_the_batch_does_not_matter() -> None:
    images, labels = torch.randn(7, 3, 20, 20), torch.arange(7)
    mix = CutMix(CutMixConfig())
    whole, targets = mix(images, plain(labels), draws(labels, seed=9))
    order = torch.randperm(7)
    again, reordered = mix(images[order], plain(labels[order]), draws(order, seed=9))
    assert torch.equal(again, whole[order])
    for before, after in zip(targets, reordered, strict=True):
        assert torch.equal(after, before[order])


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_lambda_is_beta_distributed(beta: float) -> None:
    drawn = symmetric_beta(beta, draws(torch.arange(20_000))).double().sort().values
    assert float(drawn[0]) >= 0
    assert float(drawn[-1]) <= 1
    law = {0.5: 2 / math.pi * drawn.sqrt().asin(), 1.0: drawn, 2.0: drawn**2 * (3 - 2 * drawn)}[beta]
    steps = torch.arange(1, 20_001) / 20_000
    assert float((law - steps).abs().max()) < 1.95 / math.sqrt(20_000)  # Kolmogorov and Smirnov, 0.1 %


@pytest.mark.parametrize("beta", [0.01, 0.2, 5.0, 300.0])
def test_any_beta_has_the_right_spread(beta: float) -> None:
    drawn = symmetric_beta(beta, draws(torch.arange(20_000))).double()
    assert bool(drawn.isfinite().all())
    deviation = math.sqrt(1 / (4 * (2 * beta + 1)))
    assert float(drawn.mean()) == pytest.approx(0.5, abs=4.5 * deviation / math.sqrt(20_000))
    assert float(drawn.std()) == pytest.approx(deviation, rel=0.03)


def test_the_coin_is_each_pictures_own() -> None:
    labels = torch.arange(2000)
    mix = CutMix(CutMixConfig(probability=0.3))
    _, targets = mix(flat_pictures(2000, 16, 16), plain(labels), draws(labels))
    mixed = float((targets.share < 1).float().mean())
    # Boxes below one pixel are none: lambda above 1 - 1 / 256.
    assert mixed == pytest.approx(0.3 * (1 - 1 / 256), abs=0.045)


def test_the_input_is_left_untouched_and_nothing_is_done_at_test() -> None:
    images, labels = torch.randn(4, 3, 16, 20), torch.arange(4)
    before, targets = images.clone(), plain(labels)
    CutMix(CutMixConfig())(images, targets, draws(labels))
    assert torch.equal(images, before)
    assert torch.equal(targets.share, torch.ones(4))
    same, kept = CutMix(CutMixConfig()).eval()(images, targets, draws(labels))
    assert same is images
    assert kept is targets


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dtype_and_memory_format_are_kept(dtype: torch.dtype, layout: torch.memory_format) -> None:
    images = torch.randn(4, 3, 40, 52).to(dtype, memory_format=layout)
    labels = torch.arange(4)
    result, targets = CutMix(CutMixConfig())(images, plain(labels), draws(labels))
    assert result.dtype == dtype
    assert targets.share.dtype == torch.float32
    assert result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("table", [{"beta": 0}, {"beta": -1}, {"beta": math.inf}, {"probability": 1.5}])
def test_nonsense_is_refused_with_a_sentence(table: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="of cutmix must"):
        TypeAdapter(CutMixConfig).validate_python(table)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="alpha"):
        TypeAdapter(CutMixConfig).validate_python({"alpha": 1})
