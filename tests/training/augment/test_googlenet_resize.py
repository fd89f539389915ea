"""GoogLeNet-Resize against the definition: try by try, and each part cut out and resized by itself."""

import math
from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from skimage import data
from torch import Tensor

from seekcam.training.augment.googlenet_resize import (
    GoogLeNetResize,
    GoogLeNetResizeConfig,
    Parts,
    draw_parts,
    resized_parts,
)
from seekcam.training.random_draws import Draws, sample_keys
from tests.helpers.splitmix import uniforms


def draws(numbers: Tensor, *, seed: int = 0, epoch: int = 0) -> Draws:
    return Draws(sample_keys(seed, epoch, numbers))


def part_by_tries(
    config: GoogLeNetResizeConfig, height: int, width: int, seed: int, number: int
) -> tuple[int, int, int, int]:
    """(left, top, width, height) of one picture's part: draw, look whether it fits, draw again."""
    drawn = list(islice(uniforms(seed, 0, number), 4 * config.tries))
    for n in range(config.tries):
        a, r, x, y = (np.float32(drawn[n + k * config.tries]) for k in range(4))
        # float32 as on the device, so that rounding falls on the same side.
        area = np.float32(height * width) * (
            np.float32(config.area[0]) + np.float32(config.area[1] - config.area[0]) * a
        )
        aspect = np.float32(config.aspect[0]) + np.float32(config.aspect[1] - config.aspect[0]) * r
        w, h = int(np.rint(np.sqrt(area * aspect))), int(np.rint(np.sqrt(area / aspect)))
        if 1 <= w <= width and 1 <= h <= height:
            left, top = int(x * np.float32(width - w + 1)), int(y * np.float32(height - h + 1))
            return min(left, width - w), min(top, height - h), w, h
    square = min(height, width)
    return (width - square + 1) // 2, (height - square + 1) // 2, square, square


@given(
    height=st.integers(4, 300),
    width=st.integers(4, 300),
    area=st.sampled_from([(0.08, 1.0), (0.5, 1.0), (0.95, 1.0)]),
    aspect=st.sampled_from([(0.75, 4 / 3), (1.0, 1.0), (0.2, 0.4)]),
    tries=st.integers(1, 10),
    seed=st.integers(0, 2**63),
)
@settings(deadline=None, max_examples=80)
def test_the_first_try_that_fits_is_taken(
    height: int, width: int, area: tuple[float, float], aspect: tuple[float, float], tries: int, seed: int
) -> None:
    config = GoogLeNetResizeConfig(area=area, aspect=aspect, tries=tries)
    numbers = torch.tensor([4, 0, 811])
    parts = draw_parts(config, height, width, draws(numbers, seed=seed))
    for i, number in enumerate(numbers.tolist()):
        assert tuple(int(values[i]) for values in parts) == part_by_tries(config, height, width, seed, number)


@given(
    size=st.integers(1, 40), height=st.integers(2, 40), width=st.integers(2, 40), enlarged=st.booleans(), data=st.data()
)
@settings(deadline=None, max_examples=60)
def test_a_part_comes_out_as_if_it_had_been_cut_out_first(
    size: int, height: int, width: int, enlarged: bool, data: st.DataObject
) -> None:
    if enlarged:
        size = max(size, height, width)
    boxes = []
    for _ in range(3):
        w, h = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
        boxes.append((data.draw(st.integers(0, width - w)), data.draw(st.integers(0, height - h)), w, h))
    images = torch.randn(3, 3, height, width)
    result = resized_parts(images, Parts(*torch.tensor(boxes).T), size)
    # 2 x 2 from a factor of 1.5 on, 3 x 3 from 2.5 on.
    samples = next(n for n in range(1, 50) if max(height, width) < (n + 0.5) * size)
    for image, after, (left, top, w, h) in zip(images, result, boxes, strict=True):
        part = image[None, :, top : top + h, left : left + w]
        fine = F.interpolate(part, (size * samples, size * samples), mode="bilinear", align_corners=False)
        torch.testing.assert_close(after, F.avg_pool2d(fine, samples)[0], rtol=0, atol=2e-4)


def test_a_large_picture_is_shrunk_without_aliasing() -> None:
    whole = GoogLeNetResize(GoogLeNetResizeConfig(area=(1, 1), aspect=(1, 1)), size=32)
    chess = (torch.arange(128).view(-1, 1) + torch.arange(128)) % 2
    result = whole(chess.float().expand(1, 3, 128, 128))
    torch.testing.assert_close(result, torch.full((1, 3, 32, 32), 0.5))
    photo = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float()  # 512 x 512
    zoom = GoogLeNetResize(GoogLeNetResizeConfig(area=(1, 1), aspect=(1, 1)), size=224)
    best = F.interpolate(photo, (224, 224), mode="bilinear", antialias=True)
    plain = F.interpolate(photo, (224, 224), mode="bilinear")
    assert float((zoom(photo) - best).abs().mean()) < 0.5 * float((plain - best).abs().mean())


def test_the_usual_shrinking_is_as_good_as_antialiased() -> None:
    photo = torch.from_numpy(data.astronaut()[100:356, 100:356].copy()).permute(2, 0, 1)[None].float()
    whole = GoogLeNetResize(GoogLeNetResizeConfig(area=(1, 1), aspect=(1, 1)), size=224)
    best = F.interpolate(photo, (224, 224), mode="bilinear", antialias=True)
    assert float((whole(photo) - best).abs().mean()) < 2.0  # grey levels


def test_area_aspect_and_place_follow_their_distributions() -> None:
    parts = draw_parts(GoogLeNetResizeConfig(area=(0.08, 0.5)), 1000, 1000, draws(torch.arange(4000)))
    area = (parts.width * parts.height).float() / 1e6
    aspect = parts.width / parts.height
    # Up to half the area every try fits, so that nothing is left out: uniform means, to 4.5 standard errors.
    assert float(area.mean()) == pytest.approx(0.29, abs=4.5 * 0.42 / math.sqrt(12 * 4000))
    assert float(aspect.mean()) == pytest.approx(25 / 24, abs=4.5 * (7 / 12) / math.sqrt(12 * 4000))
    assert float(parts.left.div(1001 - parts.width).mean()) == pytest.approx(0.5, abs=0.022)
    assert float(parts.top.div(1001 - parts.height).mean()) == pytest.approx(0.5, abs=0.022)
    log_uniform = GoogLeNetResizeConfig(area=(0.08, 0.5), log_aspect=True)
    drawn = draw_parts(log_uniform, 1000, 1000, draws(torch.arange(4000)))
    logs = (drawn.width / drawn.height).log()
    spread = 2 * math.log(4 / 3)
    assert float(logs.mean()) == pytest.approx(0, abs=4.5 * spread / math.sqrt(12 * 4000))
    assert float(logs.std()) == pytest.approx(spread / math.sqrt(12), rel=0.05)


def test_a_picture_is_zoomed_alike_whatever_the_batch() -> None:
    zoom = GoogLeNetResize(GoogLeNetResizeConfig(), size=24)
    images = torch.randn(5, 3, 40, 56)
    whole = zoom(images, draws(torch.arange(5), seed=4))
    order = torch.tensor([3, 1, 4, 0, 2])
    assert torch.equal(zoom(images[order], draws(order, seed=4)), whole[order])
    for i in range(5):
        assert torch.equal(zoom(images[i : i + 1], draws(torch.tensor([i]), seed=4)), whole[i : i + 1])


def test_epochs_pictures_and_calls_draw_anew() -> None:
    config = GoogLeNetResizeConfig()
    first = torch.stack(draw_parts(config, 256, 256, draws(torch.arange(50))), 1)
    later = torch.stack(draw_parts(config, 256, 256, draws(torch.arange(50), epoch=1)), 1)
    assert len({tuple(part) for part in torch.cat((first, later)).tolist()}) > 95
    zoom = GoogLeNetResize(config, size=16)
    images = torch.randn(1, 3, 20, 20)
    assert not torch.equal(zoom(images), zoom(images))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dtype_and_memory_format_are_kept(dtype: torch.dtype, layout: torch.memory_format) -> None:
    images = torch.randn(2, 3, 40, 52).to(dtype, memory_format=layout)
    before = images.clone()
    zoom = GoogLeNetResize(GoogLeNetResizeConfig(), size=33)
    result = zoom(images, draws(torch.arange(2)))
    assert result.dtype == dtype
    assert result.shape == (2, 3, 33, 33)
    assert result.is_contiguous(memory_format=layout)
    assert torch.equal(images, before)
    exact = zoom(images.double(), draws(torch.arange(2)))
    torch.testing.assert_close(result.double(), exact, rtol=0, atol={torch.bfloat16: 0.03}.get(dtype, 3e-3))


def test_nothing_is_done_at_test() -> None:
    images = torch.randn(2, 3, 40, 52)
    assert GoogLeNetResize(GoogLeNetResizeConfig(), size=33).eval()(images) is images


@pytest.mark.parametrize(
    "table",
    [
        {"area": [0, 1]},
        {"area": [0.5, 0.1]},
        {"area": [0.5, 1.5]},
        {"aspect": [0, 1]},
        {"aspect": [2, 1]},
        {"tries": 0},
    ],
)
def test_limits_that_make_no_sense_are_refused_with_a_sentence(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(table))} must be"):
        TypeAdapter(GoogLeNetResizeConfig).validate_python(table)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="scale"):
        TypeAdapter(GoogLeNetResizeConfig).validate_python({"scale": [0.08, 1]})
