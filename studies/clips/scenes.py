"""Made clips: photographs with boxes, seen by a camera that moves, or cut out and moved over other photographs.

The boxes are exact, for every motion is known. Kinds: "pan" and "zoom" (the scenery moves with the object), "still" (a
hand-held camera in poor light: shake, noise and an exposure that breathes), "paste" (the object moves, its scenery
stands) and "film" (a pan between black bars).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.pictures import Pixels
from seekcam.localization.prediction import Rectangle
from seekcam.studies.clips.clip import Clip, through_codec

Path = NDArray[np.float64]  # [T, 3]: centre x and y and side of a window, in [0, 1] of the photograph
WIDTH, HEIGHT = 320, 240
SECONDS = 2.0
BAR = 0.125  # of the frame's height: a 16:9 picture in a 4:3 frame


@dataclass(frozen=True, eq=False)
class Photograph:
    """RGB uint8 [H, W, 3], its object's box in [0, 1] and the class of that."""

    pixels: Pixels
    box: Rectangle
    label: int


def make_clip(kind: str, photographs: Sequence[Photograph], number: int) -> Clip:
    """Clip `number` of a kind, of the first photograph (on the second, for "paste"), after a codec; by seed."""
    rng = np.random.default_rng([number, sum(kind.encode())])
    fps = (24, 30)[number % 2]
    time = np.linspace(0, 1, round(SECONDS * fps))
    frames, boxes = _KINDS[kind](photographs, time, rng)
    clip = Clip(f"{kind}{number}", kind, fps, frames, boxes, photographs[0].label)
    return through_codec(clip, crf=int(rng.integers(23, 34)))


def seen(photograph: Photograph, path: Path, width: int = WIDTH, height: int = HEIGHT) -> "Frames":
    """What a window that moves over a photograph sees, and where the object is in it."""
    h, w = photograph.pixels.shape[:2]
    frames, boxes = [], []
    for x, y, side in path:
        left, top = x - side / 2, y - side / 2
        scale = np.array([width / (side * w), height / (side * h)])
        matrix = np.array([[scale[0], 0, -left * w * scale[0]], [0, scale[1], -top * h * scale[1]]])
        frames.append(_warped(photograph.pixels, matrix, width, height))
        x0, y0, x1, y1 = photograph.box
        moved = np.clip([(x0 - left) / side, (y0 - top) / side, (x1 - left) / side, (y1 - top) / side], 0, 1)
        boxes.append((float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3])))
    return frames, boxes


Frames = tuple[list[Pixels], list[Rectangle]]
_Make = Callable[[Sequence[Photograph], NDArray[np.float64], np.random.Generator], Frames]


def _pan(photographs: Sequence[Photograph], time: NDArray[np.float64], rng: np.random.Generator) -> Frames:
    """The window goes from one place to another, and sees at least most of the object at both."""
    side = float(rng.uniform(0.6, 0.8))
    ends = [_place(photographs[0].box, side, rng) for _ in range(2)]
    if np.hypot(*(ends[0] - ends[1])) < 0.15:  # as good as standing still: to the other end of where it may be
        ends[1] = 1 - ends[0]
    turn = (time * time * (3 - 2 * time))[:, None]
    return seen(photographs[0], _path(ends[0] + turn * (ends[1] - ends[0]), np.full(len(time), side)))


def _zoom(photographs: Sequence[Photograph], time: NDArray[np.float64], rng: np.random.Generator) -> Frames:
    """In on the object and out again, or the other way round."""
    near = float(rng.uniform(0.5, 0.7))
    wave = (1 - np.cos(2 * np.pi * time)) / 2
    nearness = wave if rng.random() < 0.5 else 1 - wave
    side = 1 - (1 - near) * nearness
    end = _place(photographs[0].box, near, rng)
    return seen(photographs[0], _path(0.5 + nearness[:, None] * (end - 0.5), side))


def _still(photographs: Sequence[Photograph], time: NDArray[np.float64], rng: np.random.Generator) -> Frames:
    side = float(rng.uniform(0.75, 0.95))
    shake = np.cumsum(rng.normal(0, 0.003, (len(time), 2)), axis=0)
    centre = _place(photographs[0].box, side, rng) + shake - shake.mean(axis=0)
    frames, boxes = seen(photographs[0], _path(centre, np.full(len(time), side)))
    gains = 1 + 0.12 * np.sin(2 * np.pi * (time * rng.uniform(2, 5) + rng.random())) + rng.normal(0, 0.02, len(time))
    return [_poor_light(frame, float(gain), rng) for frame, gain in zip(frames, gains, strict=True)], boxes


def _paste(photographs: Sequence[Photograph], time: NDArray[np.float64], rng: np.random.Generator) -> Frames:
    """The object, cut out by GrabCut, goes over the other photograph and grows or shrinks on its way."""
    thing, ground = photographs[:2]
    alpha, box = cut_out(thing)
    h, w = thing.pixels.shape[:2]
    size = rng.uniform(0.3, 0.65, 2)
    start, end = np.sort(rng.uniform(0.25, 0.75, (2, 2)), axis=0)
    if rng.random() < 0.5:
        start, end = end, start
    still = cv2.resize(ground.pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    frames, boxes = [], []
    x0, y0, x1, y1 = box
    for t in time:
        centre = start + t * (end - start)
        reach = size[0] + t * (size[1] - size[0])
        scale = reach / max(x1 - x0, y1 - y0)
        dx, dy = centre[0] - (x0 + x1) / 2 * scale, centre[1] - (y0 + y1) / 2 * scale
        matrix = np.array([[scale * WIDTH / w, 0, dx * WIDTH], [0, scale * HEIGHT / h, dy * HEIGHT]])
        over = _warped(thing.pixels, matrix, WIDTH, HEIGHT, cv2.BORDER_CONSTANT).astype(np.float32)
        share = _warped(alpha, matrix, WIDTH, HEIGHT, cv2.BORDER_CONSTANT).astype(np.float32)[..., None] / 255
        frames.append((share * over + (1 - share) * still).astype(np.uint8))
        moved = np.clip([x0 * scale + dx, y0 * scale + dy, x1 * scale + dx, y1 * scale + dy], 0, 1)
        boxes.append((float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3])))
    return frames, boxes


def _film(photographs: Sequence[Photograph], time: NDArray[np.float64], rng: np.random.Generator) -> Frames:
    frames, boxes = _pan(photographs, time, rng)
    barred = [letterboxed(frame, BAR) for frame in frames]
    return barred, [(x0, BAR + (1 - 2 * BAR) * y0, x1, BAR + (1 - 2 * BAR) * y1) for x0, y0, x1, y1 in boxes]


_KINDS: dict[str, _Make] = {"pan": _pan, "zoom": _zoom, "still": _still, "paste": _paste, "film": _film}
KINDS = tuple(_KINDS)


def letterboxed(picture: Pixels, bar: float) -> Pixels:
    """The picture, squashed between black bars that take `bar` of the height each; its size stays."""
    height, width = picture.shape[:2]
    top = round(bar * height)
    framed = np.zeros_like(picture)
    framed[top : height - top] = cv2.resize(picture, (width, height - 2 * top), interpolation=cv2.INTER_AREA)
    return framed


def cut_out(photograph: Photograph) -> tuple[Pixels, Rectangle]:
    """Where the object is, uint8 [H, W] of 0 to 255, and the box of that; an ellipse where GrabCut finds too little."""
    height, width = photograph.pixels.shape[:2]
    x0, y0, x1, y1 = (round(v * s) for v, s in zip(photograph.box, (width, height, width, height), strict=True))
    mask = np.zeros((height, width), np.uint8)
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    span = (x0, y0, max(2, x1 - x0), max(2, y1 - y0))
    cv2.grabCut(np.ascontiguousarray(photograph.pixels), mask, span, background, foreground, 3, cv2.GC_INIT_WITH_RECT)
    thing = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(thing, connectivity=8)
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else 0
    if best == 0 or stats[best, cv2.CC_STAT_AREA] < 0.3 * span[2] * span[3]:
        yy, xx = np.mgrid[:height, :width] + 0.5
        inside = ((xx - (x0 + x1) / 2) / (span[2] / 2)) ** 2 + ((yy - (y0 + y1) / 2) / (span[3] / 2)) ** 2 <= 1
        thing = inside.astype(np.uint8)
    else:
        thing = (labels == best).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(thing)
    soft = cv2.GaussianBlur(thing * np.uint8(255), (3, 3), 0)
    return np.asarray(soft, np.uint8), (x / width, y / height, (x + w) / width, (y + h) / height)


def _place(box: Rectangle, side: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the centre of a window of that side may be, so that it sees four fifths of the object each way, or all."""
    x0, y0, x1, y1 = box
    centre = []
    for low, high in ((x0, x1), (y0, y1)):
        seen_part = 0.8 * min(high - low, side)
        nearest, furthest = low + seen_part - side / 2, high - seen_part + side / 2
        nearest, furthest = max(nearest, side / 2), min(furthest, 1 - side / 2)
        centre.append(rng.uniform(min(nearest, furthest), max(nearest, furthest)))
    return np.asarray(np.clip(centre, side / 2, 1 - side / 2), np.float64)


def _path(centre: NDArray[np.float64], side: NDArray[np.float64]) -> Path:
    """Windows that stay inside of the photograph."""
    half = side[:, None] / 2
    return np.hstack([np.clip(centre, half, 1 - half), side[:, None]])


def _warped(pixels: Pixels, matrix: NDArray[np.float64], width: int, height: int, border: int = 1) -> Pixels:
    flags = cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(pixels, matrix, (width, height), flags=flags, borderMode=border), np.uint8)


def _poor_light(frame: Pixels, gain: float, rng: np.random.Generator) -> Pixels:
    noisy = gain * frame.astype(np.float32) + rng.normal(0, 7, frame.shape).astype(np.float32)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)
