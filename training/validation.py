"""How well a network in training does on whole pictures, as they will be streamed: squashed, not cropped."""

from dataclasses import dataclass
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from seekcam.training.augment.compose import normalised
from seekcam.training.loader import PictureStore, batches
from seekcam.training.networks.network import TrainableNetwork


@dataclass(frozen=True)
class Validation:
    """Means over the pictures of a part."""

    loss: float  # cross entropy in nats, without label smoothing
    top1: float  # percent
    top5: float | None  # percent; None with five classes or fewer


@torch.no_grad()
def validate(
    fabric: Fabric, network: TrainableNetwork, store: PictureStore, batch: int, layout: torch.memory_format
) -> Validation:
    """Score `network` in eval mode, over all processes; afterwards its mode is what it was.

    Args:
        fabric: the run's.
        network: as it is tested, not wrapped by Fabric: processes with different numbers of batches do not then wait
            for each other.
        store: the pictures, at the network's input size.
        batch: pictures at a time over all processes.
        layout: the memory format of the run.
    """
    was_training = network.training
    network.train(False)
    sums = torch.zeros(4, device=fabric.device)
    for part in batches(store, batch=batch, rank=fabric.global_rank, world=fabric.world_size, shuffle=False):
        if len(part.labels):
            images = normalised(part.images.to(fabric.device), network.mean, network.std)
            with fabric.autocast():
                logits = network.forward(images.contiguous(memory_format=layout))
            sums += _sums(logits.float(), part.labels.to(fabric.device))
    network.train(was_training)
    if fabric.world_size > 1:
        sums = cast(Tensor, fabric.all_reduce(sums, reduce_op="sum"))
    pictures, loss, right, right5 = sums.tolist()
    more_than_five = network.head.out_features > 5
    return Validation(loss / pictures, 100 * right / pictures, 100 * right5 / pictures if more_than_five else None)


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    """(B, C) and (B,) to float32 (4,): B, and the sums of loss, right answers, and right answers among five."""
    right = logits.topk(min(5, logits.shape[1])).indices == labels.unsqueeze(1)
    return torch.stack(
        [
            torch.tensor(float(len(labels)), device=logits.device),
            F.cross_entropy(logits, labels, reduction="sum"),
            right[:, 0].sum().float(),
            right.any(1).sum().float(),
        ]
    )
