"""How a picture is shown to the network when an objectness head is fitted: whole, and as random crops."""

import zlib
from pathlib import Path

import numpy as np

from seekcam.localization.pictures import Pixels, squash

CROP_AREA = (0.25, 0.9)  # of the picture: a thing is seen at other sizes, and cut by the border
CROP_ASPECT = 0.4  # its aspect is within exp(-0.4) to exp(0.4) of the picture's


def picture_views(picture: Pixels, side: int, resize_filter: str, crops: int, rng: np.random.Generator) -> list[Pixels]:
    """The whole RGB picture uint8 [H, W, 3], then `crops` random ones, half of them mirrored, all [side, side, 3]."""
    parts = [picture, *(random_crop(picture, rng) for _ in range(crops))]
    # "area" repeats pixels where it enlarges, which small crops would be full of.
    return [squash(part, side, resize_filter if min(part.shape[:2]) > side else "linear") for part in parts]


def random_crop(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A random part of a picture, mirrored half the time; at least one pixel of it."""
    height, width = picture.shape[:2]
    area, aspect = rng.uniform(*CROP_AREA), np.exp(rng.uniform(-CROP_ASPECT, CROP_ASPECT))
    w, h = min(1.0, float(area * aspect) ** 0.5), min(1.0, float(area / aspect) ** 0.5)
    x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
    left, top = min(round(x * width), width - 1), min(round(y * height), height - 1)
    right, bottom = max(left + 1, round((x + w) * width)), max(top + 1, round((y + h) * height))
    crop = picture[top:bottom, left:right]
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


def generator(seed: int, path: Path) -> np.random.Generator:
    """Random numbers of one picture: they depend on the seed and its file's name and folder, not on other pictures."""
    return np.random.default_rng([seed, zlib.crc32(f"{path.parent.name}/{path.name}".encode())])
