"""Run a network over pictures once and keep what a head is fitted to: unit cells, and which of them are the thing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

import numpy as np
import torch
from torch import Tensor

from seekcam.datasets.dataset import LabelledPicture
from seekcam.datasets.readable import MAX_PIXELS, available_cores, in_threads
from seekcam.localization.errors import UserError
from seekcam.localization.pictures import Pixels, read_picture
from seekcam.training.affinity import unit_cells
from seekcam.training.networks.network import Network
from seekcam.training.objectness.teacher import teach
from seekcam.training.objectness.views import generator, picture_views

KEEP = 0.1  # probability of the label below which a view teaches nothing: the map would be one of something else
BATCH = 16  # pictures of one run; their views go in together

OnProgress = Callable[[int, int], None]  # pictures done, of how many
Item = tuple[LabelledPicture, int | None]  # a picture, and the network's index of its class; None takes its top class


@dataclass(frozen=True, eq=False)
class Cells:
    """What a number of views gave; N views of n cells each."""

    cells: Tensor  # float16 (N n, K16), of length 1
    object: Tensor  # bool (N n)
    trust: Tensor  # float16 (N n)
    views: int  # N: those in which the network knew the label
    pictures: int  # that could be read

    def joined(self, other: "Cells") -> "Cells":
        """Both, this one's first."""
        return Cells(
            torch.cat([self.cells, other.cells]),
            torch.cat([self.object, other.object]),
            torch.cat([self.trust, other.trust]),
            self.views + other.views,
            self.pictures + other.pictures,
        )


@dataclass(frozen=True)
class Input:
    """How a network sees pictures."""

    side: int  # S in pixels
    resize_filter: str = "area"


def collect(
    network: Network,
    shape: Input,
    items: Sequence[Item],
    *,
    crops: int = 1,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Cells:
    """The cells of every view in which `network` gives the picture's label more than KEEP probability.

    Pictures that cannot be read are passed over.

    Args:
        network: in `eval()` mode; it runs where it is.
        crops: random ones of each picture, beside the whole.
    """

    def read(item: Item) -> tuple[list[Pixels], int | None] | None:
        picture, label = item
        try:
            pixels = read_picture(picture.path, MAX_PIXELS)
        except UserError:
            return None
        rng = generator(seed, picture.path)
        return picture_views(pixels, shape.side, shape.resize_filter, crops, rng), label

    device = network.head.weight.device
    found: list[Cells] = []
    done = 0
    shown = in_threads(read, items, available_cores())
    while batch := list(islice(shown, BATCH)):
        readable = [entry for entry in batch if entry is not None]
        if readable:
            frames = np.stack([view for views, _ in readable for view in views])
            labels = [label for views, label in readable for _ in views]
            found.append(_cells(network, torch.from_numpy(frames).to(device), labels, len(readable)))
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(items))
    if not found:
        empty = torch.zeros(0)
        return Cells(empty.half().reshape(0, 1), empty.bool(), empty.half(), 0, 0)
    return Cells(
        torch.cat([part.cells for part in found]),
        torch.cat([part.object for part in found]),
        torch.cat([part.trust for part in found]),
        sum(part.views for part in found),
        sum(part.pictures for part in found),
    )


@torch.no_grad()
def _cells(network: Network, frames: Tensor, labels: Sequence[int | None], pictures: int) -> Cells:
    """Those of a batch of uint8 (B, S, S, 3) frames."""
    last, guide = network.forward_features(normalised(network, frames))
    last, guide = last.float(), guide.float()
    weight = network.head.weight
    logits = cast(Tensor, network.head(last.mean((2, 3)))).float()
    known = torch.tensor([-1 if label is None else label for label in labels], device=frames.device)
    label = torch.where(known >= 0, known, logits.argmax(1))
    sure = logits.softmax(1).gather(1, label.unsqueeze(1)).squeeze(1) > KEEP
    last, guide, label = last[sure], guide[sure], label[sure]
    cam = torch.einsum("bk,bkhw->bhw", weight[label].float(), last)
    truth = teach(cam, guide)
    return Cells(
        unit_cells(guide).flatten(0, 1).half().cpu(),
        truth.object.flatten().cpu(),
        truth.trust.flatten().half().cpu(),
        len(label),
        pictures,
    )


def normalised(network: Network, frames: Tensor) -> Tensor:
    """uint8 (B, S, S, 3) frames to the images that the network takes."""
    mean, std = (torch.tensor(v, device=frames.device).view(1, 3, 1, 1) for v in (network.mean, network.std))
    return (frames.permute(0, 3, 1, 2).float() - mean) / std
