"""Whether an objectness head helps a network, judged without a single box: by what a box does when the picture shrinks.

A picture, and a copy of it at 0.6 of its size in the scenery of another picture, show the same thing; so the box in the
copy should be the picture's own box, shrunk and moved. The IoU of the two is measured on pictures that the head was not
fitted to, with the class of the label, for three rules: that of the head, the spread map's, and the head's rule blind,
with a plane that takes everything for a thing. A rule that follows the scenery, or takes all there is, loses its box
when the scenery changes; one that holds the thing keeps it. The head must do better than the spread map, and than its
own rule blind beyond two standard errors: else what helps is the rule, and the head knows nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seekcam.datasets.readable import MAX_PIXELS
from seekcam.localization.boxes import find_boxes
from seekcam.localization.errors import UserError
from seekcam.localization.pictures import Pixels, read_picture, squash
from seekcam.localization.prediction import Rectangle
from seekcam.training.affinity import GUIDED_POWER, GUIDED_REPEATS, grid_of, otsu, spread_maps, unit_cells, walk
from seekcam.training.networks.network import Network
from seekcam.training.objectness.collect import KEEP, Input, Item, normalised
from seekcam.training.objectness.head import ObjectnessHead
from seekcam.training.objectness.rule import CUT, objectness_maps
from seekcam.training.objectness.views import generator

SHRUNK = 0.6  # side of the copy, of the frame's
BATCH = 16
LEAST = 12  # pictures in which the network knows the label, in both views: with fewer nothing is said

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verdict:
    """How well boxes stay on the thing, over so many pictures: mean IoU of a picture's box and its copy's, 0 to 1."""

    pictures: int
    with_head: float
    without: float
    error: float  # one paired standard error of the difference
    blind: float = 0.0  # the head's rule with everything taken for a thing
    blind_error: float = 0.0  # one paired standard error of the difference to that

    @property
    def difference(self) -> float:
        """What the head changes."""
        return self.with_head - self.without

    @property
    def helps(self) -> bool:
        """Whether the head is worth having; no evidence is none."""
        knows = self.with_head - self.blind > 2 * self.blind_error
        return self.pictures >= LEAST and self.difference > 0 and knows

    def __str__(self) -> str:
        return (
            f"boxes of a picture and of its smaller copy agree to {self.with_head:.3f} with the head and "
            f"{self.without:.3f} without ({self.difference:+.3f} ± {self.error:.3f}, {self.pictures} pictures; "
            f"{self.blind:.3f} ± {self.blind_error:.3f} with one that knows nothing)"
        )


def judge(
    network: Network,
    head: ObjectnessHead,
    shape: Input,
    items: Sequence[Item],
    *,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Verdict:
    """Compare the two rules on pictures that `head` was not fitted to; those that cannot be read are passed over."""
    found: list[tuple[float, ...]] = []
    fill = np.array([round(value) for value in network.mean], np.uint8)
    for start in range(0, len(items), BATCH):
        batch = [(item, pixels) for item in items[start : start + BATCH] if (pixels := _read(item)) is not None]
        if batch:
            wholes = [squash(pixels, shape.side, shape.resize_filter) for _, pixels in batch]
            labels = [label for (_, label), _ in batch]
            scenes = [_scenery(wholes, labels, place, fill) for place in range(len(batch))]
            copies = [
                shrunk_copy(whole, scene, generator(seed, item[0].path))
                for whole, scene, (item, _) in zip(wholes, scenes, batch, strict=True)
            ]
            frames = torch.from_numpy(np.stack([*wholes, *(copy for copy, _ in copies)]))
            found += [
                tuple(_kept(pair, place) for pair in pairs)
                for pairs, (_, place) in zip(_boxes(network, head, frames, labels), copies, strict=True)
                if pairs
            ]
        if on_progress is not None:
            on_progress(min(start + BATCH, len(items)), len(items))
    if len(found) < 2:
        return Verdict(len(found), 0.0, 0.0, 0.0)
    table = np.array(found)
    with_head, without, blind = (float(mean) for mean in table.mean(0))
    error, blind_error = (float((table[:, 0] - table[:, other]).std(ddof=1) / np.sqrt(len(table))) for other in (1, 2))
    return Verdict(len(table), with_head, without, error, blind, blind_error)


def shrunk_copy(frame: Pixels, scene: Pixels, rng: np.random.Generator) -> tuple[Pixels, Rectangle]:
    """uint8 [S, S, 3] at SHRUNK of its size somewhere in a scene of its size; and where, in [0, 1]."""
    side = frame.shape[0]
    inner = round(SHRUNK * side)
    left, top = (int(rng.integers(0, side - inner + 1)) for _ in range(2))
    canvas = scene.copy()
    canvas[top : top + inner, left : left + inner] = cv2.resize(frame, (inner, inner), interpolation=cv2.INTER_AREA)
    return canvas, (left / side, top / side, (left + inner) / side, (top + inner) / side)


def _scenery(wholes: Sequence[Pixels], labels: Sequence[int | None], place: int, fill: NDArray[np.uint8]) -> Pixels:
    """Another picture of the batch, of another class if there is one; the colour `fill` where there is no other."""
    others = [wholes[(place + step) % len(wholes)] for step in range(1, len(wholes))]
    strange = [
        wholes[(place + step) % len(wholes)]
        for step in range(1, len(wholes))
        if labels[(place + step) % len(wholes)] != labels[place]
    ]
    return (strange or others or [np.broadcast_to(fill, wholes[place].shape)])[0]


Pair = tuple[Rectangle | None, Rectangle | None]  # the box in the picture, and in its copy


@torch.no_grad()
def _boxes(
    network: Network, head: ObjectnessHead, frames: Tensor, labels: Sequence[int | None]
) -> list[tuple[Pair, Pair, Pair] | None]:
    """For each picture the pairs of boxes with the head, without, and blind; None: the network does not know the label.

    Args:
        frames: the n pictures and then their n copies.
    """
    features = network.forward_features(normalised(network, frames.to(network.head.weight.device)))
    last, guide = features.last.float().cpu(), features.stride16.float().cpu()
    weight = network.head.weight.detach().float().cpu()
    logits = network.head(features.last.mean((2, 3))).float().cpu()
    count = len(labels)
    top = logits[:count].argmax(1)
    label = torch.tensor([int(top[i]) if wanted is None else wanted for i, wanted in enumerate(labels)]).repeat(2)
    sure = logits.softmax(1).gather(1, label.unsqueeze(1)).squeeze(1) > KEEP
    cam = torch.einsum("bk,bkhw->bhw", weight[label], last).unsqueeze(1)
    affinity = spread_maps(cam, guide)
    blind = walk(cam, unit_cells(guide), grid_of(guide), GUIDED_POWER, GUIDED_REPEATS).sqrt()
    ours, unseeing = (
        [_box(grid[0], CUT) for grid in maps.numpy()] for maps in (objectness_maps(cam, guide, head).maps, blind)
    )
    theirs = [_box(grid[0], float(cut)) for grid, cut in zip(affinity.numpy(), otsu(affinity)[:, 0], strict=True)]
    known = [bool(sure[i]) and bool(sure[count + i]) for i in range(count)]
    return [
        ((ours[i], ours[count + i]), (theirs[i], theirs[count + i]), (unseeing[i], unseeing[count + i]))
        if known[i]
        else None
        for i in range(count)
    ]


def _read(item: Item) -> Pixels | None:
    try:
        return read_picture(item[0].path, MAX_PIXELS)
    except UserError:
        return None


def _box(grid: NDArray[np.float32], cut: float) -> Rectangle | None:
    found = find_boxes(np.ascontiguousarray(grid), "largest", cut)
    return found[0][0] if found else None


def _kept(pair: Pair, place: Rectangle) -> float:
    """IoU of the picture's box, where it stands in the copy, and the copy's own."""
    own, copied = pair
    if own is None or copied is None:
        return 0.0
    x0, y0, x1, y1 = place
    moved = (x0 + own[0] * (x1 - x0), y0 + own[1] * (y1 - y0), x0 + own[2] * (x1 - x0), y0 + own[3] * (y1 - y0))
    width = min(moved[2], copied[2]) - max(moved[0], copied[0])
    height = min(moved[3], copied[3]) - max(moved[1], copied[1])
    inside = max(width, 0.0) * max(height, 0.0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (moved, copied)]
    return inside / (sum(areas) - inside)
