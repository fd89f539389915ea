"""Frames in which a boxed thing is small, made of photographs: one thing before another photograph, still or panned.

The thing keeps its own pixels where the frame has room for them, so that a second look finds more than the first one
saw. The photograph round it is kept next to it and fades into the background, as no mask says where it ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.prediction import Rectangle

Pixels = NDArray[np.uint8]

LARGEST = (1280, 720)  # pixels of a frame; its shape is theirs
SHARES = (0.01, 0.2)  # of the frame that the thing's box has, evenly drawn in their logarithm
AROUND = 0.5  # of the box's longer side: how much of its surroundings is kept at most
BACKGROUND = (0.6, 1.0)  # of the largest part of the background that has the frame's shape
CLIP = (640, 360)  # pixels of a panned frame
FPS = 30
FRAMES = 30
PAN, STEP, GROWTH = 0.25, 0.15, 0.15  # a second: of the frame the camera, of the frame the thing, of its scale
NOISE = 2.0  # grey levels of grain on a panned frame: no two are the same


@dataclass(frozen=True, eq=False)
class Scene:
    """A frame, RGB uint8 [H, W, 3], and where its thing is, in [0, 1] of it."""

    picture: Pixels
    truth: Rectangle


@dataclass(frozen=True, eq=False)
class Thing:
    """The neighbourhood of a box: its pixels [h, w, 3], how opaque they are [h, w, 1], and the box in them."""

    pixels: Pixels
    opacity: NDArray[np.float32]
    box: tuple[float, float, float, float]


def thing_of(photograph: Pixels, box: tuple[float, float, float, float]) -> Thing:
    """The thing in `box` (pixels), opaque inside it and transparent at the edge of what is kept round it."""
    height, width = photograph.shape[:2]
    margin = AROUND * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = (int(max(0, low - margin)) for low in box[:2])
    x1, y1 = int(min(width, box[2] + margin)), int(min(height, box[3] + margin))
    inner = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
    across, down = _ramp(x1 - x0, inner[0], inner[2]), _ramp(y1 - y0, inner[1], inner[3])
    return Thing(photograph[y0:y1, x0:x1], np.minimum(across[None, :], down[:, None])[..., None], inner)


def still(thing: Thing, background: Pixels, random: np.random.Generator) -> Scene:
    """The thing at a drawn share and place of a frame that is as small as its own pixels allow."""
    share = float(np.exp(random.uniform(*np.log(SHARES))))
    wide, high = thing.box[2] - thing.box[0], thing.box[3] - thing.box[1]
    shape = LARGEST[0] / LARGEST[1]
    scale, height = 1.0, float(np.sqrt(wide * high / share / shape))
    height = max(height, 1.3 * high, 1.2 * wide / shape)  # a long thing needs more room than its share says
    if height > LARGEST[1]:
        scale, height = LARGEST[1] / height, LARGEST[1]
    size = round(height * shape), round(height)
    centre = tuple(
        random.uniform(scale * half, side - scale * half) for half, side in zip((wide / 2, high / 2), size, strict=True)
    )
    return _laid(thing, _enlarged(background, size, random), scale, (centre[0], centre[1]))


def panned(thing: Thing, background: Pixels, random: np.random.Generator) -> Iterator[Scene]:
    """A second of a camera that pans over the background while the thing moves on and grows."""
    width, height = CLIP
    table = _enlarged(background, (round(1.6 * width), round(1.6 * height)), random)
    share, turn = float(np.exp(random.uniform(*np.log(SHARES)))), random.uniform(0, 2 * np.pi)
    start = random.uniform(0.35, 0.65, 2)
    area = (thing.box[2] - thing.box[0]) * (thing.box[3] - thing.box[1])
    for number in range(FRAMES):
        seconds = number / FPS
        corner = [
            int(0.3 * side + PAN * side * seconds * part)
            for side, part in zip(CLIP, (np.cos(turn), np.sin(turn)), strict=True)
        ]
        view = table[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
        centre = (start - STEP * seconds * np.array([np.cos(turn + 1), np.sin(turn + 1)])) * CLIP
        scale = float(np.sqrt(share * width * height / area)) * (1 + GROWTH * seconds)
        scene = _laid(thing, view, scale, (float(centre[0]), float(centre[1])))
        grain = scene.picture + random.normal(0, NOISE, scene.picture.shape)
        yield Scene(grain.clip(0, 255).astype(np.uint8), scene.truth)


def _ramp(length: int, low: float, high: float) -> NDArray[np.float32]:
    """1 from `low` to `high`, smoothly falling to 0 at both ends, over three pixels at least."""
    at = np.arange(length) + 0.5
    rise = np.minimum(np.clip(at / max(low, 3), 0, 1), np.clip((length - at) / max(length - high, 3), 0, 1))
    return np.asarray(rise * rise * (3 - 2 * rise), np.float32)


def _enlarged(photograph: Pixels, size: tuple[int, int], random: np.random.Generator) -> Pixels:
    """A drawn part of the photograph, of the shape of `size` (width, height) and enlarged to it."""
    height, width = photograph.shape[:2]
    scale = min(width / size[0], height / size[1]) * random.uniform(*BACKGROUND)
    wide, high = max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
    x, y = int(random.integers(width - wide + 1)), int(random.integers(height - high + 1))
    part = photograph[y : y + high, x : x + wide]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _laid(thing: Thing, background: Pixels, scale: float, centre: tuple[float, float]) -> Scene:
    """The thing over the background, its box's centre at `centre` in pixels."""
    height, width = background.shape[:2]
    x0, y0, x1, y1 = thing.box
    left, top = centre[0] - scale * (x0 + x1) / 2, centre[1] - scale * (y0 + y1) / 2
    move = np.array([[scale, 0, left], [0, scale, top]], np.float32)
    pixels = thing.pixels if scale >= 0.8 else cv2.GaussianBlur(thing.pixels, (0, 0), 0.45 / scale)  # or it would alias
    over = cv2.warpAffine(pixels, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opacity = cv2.warpAffine(thing.opacity, move, (width, height), flags=cv2.INTER_LINEAR)[..., None]
    picture = (opacity * over + (1 - opacity) * background).clip(0, 255).astype(np.uint8)
    sides = (width, height, width, height)
    corners = (left + scale * x0, top + scale * y0, left + scale * x1, top + scale * y1)
    x0, y0, x1, y1 = (min(max(corner / side, 0.0), 1.0) for corner, side in zip(corners, sides, strict=True))
    return Scene(picture, (x0, y0, x1, y1))
