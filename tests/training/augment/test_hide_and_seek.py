"""Hide-and-Seek against the definition: whole patches, the right share, fresh draws, nothing at test."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from skimage import data
from torch import Tensor, nn

from seekcam.training.augment.hide_and_seek import HideAndSeek, HideAndSeekConfig
from seekcam.training.random_draws import Draws, sample_keys
from tests.helpers.splitmix import uniforms


def draws(numbers: Tensor, *, seed: int = 0, epoch: int = 0) -> Draws:
    return Draws(sample_keys(seed, epoch, numbers))


def hidden(
    sizes: tuple[int, ...], height: int, width: int, batch: int = 4, p: float = 0.5, epoch: int | None = None
) -> Tensor:
    """(B, H, W) of booleans: where a picture of ones came out as zero."""
    hide = HideAndSeek(HideAndSeekConfig(sizes=sizes, hide_probability=p))
    drawn = None if epoch is None else draws(torch.arange(batch), epoch=epoch)
    result: Tensor = hide(torch.ones(batch, 3, height, width), drawn)
    return result[:, 0] == 0


def hidden_by_loops(
    sizes: tuple[int, ...], height: int, width: int, p: float, seed: int, epoch: int, number: int
) -> Tensor:
    """One picture patch by patch from the definition, with draws from plain Python."""
    drawn = uniforms(seed, epoch, number)
    side = sizes[int(next(drawn) * len(sizes))]
    mask = torch.zeros(height, width, dtype=torch.bool)
    if side == 0:
        return mask
    finest = min(s for s in sizes if s > 0)
    columns = -(-width // finest)
    patches = list(islice(drawn, -(-height // finest) * columns))
    for r, top in enumerate(range(0, height, side)):
        for c, left in enumerate(range(0, width, side)):
            mask[top : top + side, left : left + side] = patches[r * columns + c] < p
    return mask


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    p=st.floats(0, 1),
    seed=st.integers(0, 2**63),
)
@settings(deadline=None, max_examples=60)
def test_it_hides_what_a_loop_over_patches_hides(
    sizes: list[int], height: int, width: int, p: float, seed: int
) -> None:
    hide = HideAndSeek(HideAndSeekConfig(sizes=tuple(sizes), hide_probability=p))
    numbers = torch.tensor([3, 0, 977])
    images = torch.randn(3, 3, height, width)
    result = hide(images, draws(numbers, seed=seed, epoch=2))
    for image, after, number in zip(images, result, numbers.tolist(), strict=True):
        mask = hidden_by_loops(tuple(sizes), height, width, p, seed, 2, number)
        assert torch.equal(after, image.masked_fill(mask, 0))


@given(size=st.integers(1, 64), height=st.integers(8, 100), width=st.integers(8, 100))
@settings(deadline=None, max_examples=40)
def test_a_patch_is_hidden_whole_or_not_at_all(size: int, height: int, width: int) -> None:
    mask = hidden((size,), height, width)
    for top in range(0, height, size):
        for left in range(0, width, size):
            patch = mask[:, top : top + size, left : left + size].flatten(1).float()
            assert torch.equal(patch.amin(1), patch.amax(1))


@pytest.mark.parametrize("size", [16, 32, 44, 56])
@pytest.mark.parametrize("p", [0.3, 0.5])
def test_the_hidden_share_is_p(size: int, p: float) -> None:
    cells = 128 * (-(-224 // size)) ** 2
    share = hidden((size,), 224, 224, batch=128, p=p, epoch=0)[:, size // 2 :: size, size // 2 :: size]
    assert float(share.float().mean()) == pytest.approx(p, abs=4 * (p * (1 - p) / cells) ** 0.5)


def test_mixed_sizes_are_drawn_evenly_for_each_picture() -> None:
    masks = hidden((0, 16, 32, 44, 56), 64, 64, batch=2000, p=1.0, epoch=0)
    whole = ~masks.flatten(1).any(1)
    assert float(whole.float().mean()) == pytest.approx(1 / 5, abs=0.036)
    assert torch.equal(masks.flatten(1).all(1), ~whole)


def test_every_epoch_every_call_and_every_image_draws_anew() -> None:
    first, second = hidden((32,), 224, 224), hidden((32,), 224, 224)  # by torch's generator
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    epochs = torch.stack(
        [hidden((16,), 224, 224, batch=32, epoch=e)[:, ::16, ::16].flatten() for e in range(6)]
    ).float()
    pictures = hidden((16,), 224, 224, batch=32, epoch=0)[:, ::16, ::16].flatten(1).float()
    for masks, bound in ((epochs, 0.055), (pictures, 0.33)):  # 4.3 and 4.6 standard errors
        correlations = torch.corrcoef(masks) - torch.eye(len(masks))
        assert float(correlations.abs().max()) < bound


def test_a_picture_is_hidden_alike_whatever_the_batch() -> None:
    hide = HideAndSeek(HideAndSeekConfig())
    images = torch.randn(6, 3, 70, 90)
    whole = hide(images, draws(torch.arange(6), seed=4))
    order = torch.tensor([5, 2, 0, 3, 1, 4])
    assert torch.equal(hide(images[order], draws(order, seed=4)), whole[order])
    for i in range(6):
        assert torch.equal(hide(images[i : i + 1], draws(torch.tensor([i]), seed=4)), whole[i : i + 1])


def photographs() -> Tensor:
    """(3, 3, 128, 128) pixels of photographs, less the mean colour of them all."""
    crops = [torch.from_numpy(p[60:188, 100:228].copy()) for p in (data.chelsea(), data.coffee(), data.astronaut())]
    pixels = torch.stack(crops).permute(0, 3, 1, 2).float()
    return (pixels - pixels.mean((0, 2, 3), keepdim=True)) / 60


def test_the_first_layer_keeps_its_mean_activation() -> None:
    # Over the data set, and over the draws: a hidden pixel is worth what a pixel is worth on average.
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 16, 11, stride=4)
    images = photographs()
    hide = HideAndSeek(HideAndSeekConfig(sizes=(16, 32)))
    with torch.no_grad():
        at_test = conv(images)
        seen = hide(images.repeat(60, 1, 1, 1), draws(torch.arange(180)))
        trained = conv(seen).mean((2, 3)).view(60, 3, 16)
    mean, error = trained.mean(0), trained.std(0) / 60**0.5
    # Of a single picture, linearity leaves (1 - p) of what it differs from a picture of the mean colour ...
    bias = conv.bias.detach() if conv.bias is not None else torch.zeros(16)
    expected = 0.5 * at_test.mean((2, 3)) + 0.5 * bias
    assert float(((mean - expected).abs() / error).max()) < 4.5
    # ... so over a set whose mean colour is 0 it is the mean at test, and with any other fill it is not.
    gap = float((mean.mean(0) - at_test.mean((0, 2, 3))).abs().max())
    black = 0.5 * conv(torch.full_like(images, -2)).detach().mean((0, 2, 3)) + 0.5 * at_test.mean((0, 2, 3))
    assert gap < 0.05
    assert float((black - at_test.mean((0, 2, 3))).abs().max()) > 10 * gap


def test_size_zero_and_eval_mode_leave_the_picture_alone() -> None:
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(HideAndSeek(HideAndSeekConfig(sizes=(0,)))(images), images)
    assert HideAndSeek(HideAndSeekConfig(sizes=(16,))).eval()(images) is images


def test_the_input_is_left_untouched() -> None:
    images = torch.randn(2, 3, 64, 64)
    before = images.clone()
    HideAndSeek(HideAndSeekConfig(sizes=(16,)))(images)
    assert torch.equal(images, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dtype_and_memory_format_are_kept(dtype: torch.dtype, layout: torch.memory_format) -> None:
    images = torch.randn(2, 3, 40, 50).to(dtype, memory_format=layout)
    result = HideAndSeek(HideAndSeekConfig(sizes=(16,)))(images)
    assert result.dtype == dtype
    assert result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(("sizes", "p"), [((), 0.5), ((-1,), 0.5), ((16,), 1.5)])
def test_nonsense_is_refused_with_a_sentence(sizes: tuple[int, ...], p: float) -> None:
    with pytest.raises(ValueError, match=r"must (be|lie)"):
        HideAndSeekConfig(sizes=sizes, hide_probability=p)


@pytest.mark.parametrize("table", [{"size": [16]}, {"sizes": "16"}, {"sizes": [1.5]}, {"hide_probability": 2}])
def test_a_recipes_table_is_checked(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(HideAndSeekConfig).validate_python(table)


def test_a_recipes_table_is_read() -> None:
    config = TypeAdapter(HideAndSeekConfig).validate_python({"sizes": [16, 32]})
    assert config == HideAndSeekConfig(sizes=(16, 32), hide_probability=0.5)
