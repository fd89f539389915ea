"""The map head that goes into the graph (Contract 1): every class map of a GAP + linear network, without gradients.

With W (C, K) the head's weights, F the last features, P = GAP(F) and w = W[c], the gradient of a logit with respect to
F is w / (h w) everywhere. Every method that weights channels by gradients is then a weight row plus, for some, a ReLU:

    cam         w                              Zhou et al., Learning Deep Features for Discriminative Localization, 2016
    gradcam     w, ReLU of the map             Selvaraju et al., Grad-CAM, 2017
    layercam    relu(w), ReLU of the map       Jiang et al., LayerCAM, 2021
    gradcam++   relu(w) / (2 + w P), ReLU      Chattopadhay et al., Grad-CAM++, 2018
    recombined  |w|                            Zhang, Localizing object position by using only image-level labels, 2021
    finercam    w - 0.6 mean of W[neighbours]  Zhang et al., Finer-CAM, 2025

All rows are computed (they are tiny), the chosen one is picked and one MatMul makes the maps. `spread` then lets each
map flow along the affinities of the stride-16 features (`seekcam.training.affinity`), and `threshold` is Otsu's, on the
grid's own values.

With an objectness head the graph has the plane that it makes of the frame, and `spread` and `threshold` follow its rule
(`seekcam.training.objectness.rule`). What they are without a head is then called `affinity` and `affinity_threshold`.

Only the batch is dynamic, and the operators are ones that TensorRT builds: TopK, Gather, MatMul, CumSum; no boolean
indexing, no control flow. The head computes in float32 whatever the network's precision.
"""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seekcam.localization.card import METHODS
from seekcam.training.affinity import otsu, spread_maps
from seekcam.training.networks.network import Network
from seekcam.training.objectness.head import ObjectnessHead
from seekcam.training.objectness.rule import CUT, objectness_maps

INPUTS = ("frames", "classes", "method")
OUTPUTS = ("logits", "chosen", "maps", "spread", "threshold", "features")
OBJECTNESS_OUTPUTS = ("objectness", "affinity", "affinity_threshold")  # of a graph with a head, after the others
MAPPED = 5  # classes that one run maps, when the network has as many
FINER_WEIGHT = 0.6  # Finer-CAM's gamma, and how many of the nearest classes it subtracts: both the paper's
FINER_NEIGHBOURS = 3

_RECTIFIED = ("gradcam", "layercam", "gradcam++")  # methods that end in a ReLU of the map


class CamOutputs(NamedTuple):
    """What a graph without an objectness head answers for a batch of B frames, k classes each."""

    logits: Tensor  # float32 (B, C)
    chosen: Tensor  # int64 (B, k): the classes that were mapped
    maps: Tensor  # float32 (B, k, h, w), by method, not normalised
    spread: Tensor  # float32 (B, k, h16, w16) in [0, 1]
    threshold: Tensor  # float32 (B, k): Otsu's, of each spread map
    features: Tensor  # float32 (B, K, h, w)


class ObjectnessOutputs(NamedTuple):
    """What a graph with a head answers."""

    logits: Tensor
    chosen: Tensor
    maps: Tensor
    spread: Tensor  # float32 (B, k, h16, w16) in [0, 1], by the head's rule
    threshold: Tensor  # float32 (B, k): the constant cut
    features: Tensor
    objectness: Tensor  # float32 (B, 1, h16, w16) in [0, 1]: the plane
    affinity: Tensor  # float32 (B, k, h16, w16) in [0, 1]: what `spread` is without a head
    affinity_threshold: Tensor  # float32 (B, k): Otsu's of it


class CamGraph(nn.Module):
    """A network with its normalisation in front and the map head behind: the module that is exported.

    Shapes:
        frames uint8 (B, S, S, 3) RGB; classes int64 (B, k), where -1 at position j asks for the class that ranks j-th
        in the frame, from 0; method int64 (B), an index into `seekcam.localization.card.METHODS`.

    Args:
        objectness: a head fitted to this network's stride-16 features; None leaves the plane, and its rule, out.
    """

    def __init__(self, network: Network, objectness: ObjectnessHead | None = None) -> None:
        super().__init__()
        self.network = network
        self.objectness = None if objectness is None else objectness.frozen()
        weight = network.head.weight.detach()
        self.register_buffer("mean", torch.tensor(network.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(network.std).view(1, 3, 1, 1))
        self.register_buffer("weight", weight.float().clone())
        bias = cast("Tensor | None", network.head.bias)
        self.register_buffer("bias", torch.zeros(len(weight)) if bias is None else bias.detach().float().clone())
        self.register_buffer("rectified", torch.tensor([method in _RECTIFIED for method in METHODS]).float())
        self.mapped = min(MAPPED, len(weight))

    def normalise(self, frames: Tensor) -> Tensor:
        """uint8 (B, S, S, 3) frames to the (B, 3, S, S) images that the network takes."""
        images = frames.to(torch.float32).permute(0, 3, 1, 2)
        return (images - cast(Tensor, self.mean)) / cast(Tensor, self.std)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the graph's outputs are called, in their order."""
        return OUTPUTS if self.objectness is None else OUTPUTS + OBJECTNESS_OUTPUTS

    def forward(self, frames: Tensor, classes: Tensor, method: Tensor) -> CamOutputs | ObjectnessOutputs:
        """All outputs; the shapes are those of the class and of what it answers."""
        weight = cast(Tensor, self.weight)
        last, stride16 = self.network.forward_features(self.normalise(frames))
        features = last.float()
        pooled = features.mean((2, 3))
        logits = F.linear(pooled, weight, cast(Tensor, self.bias))
        ranked = logits.topk(self.mapped, dim=1).indices
        chosen = torch.where(classes >= 0, classes, ranked)
        rows = weight_rows(weight, logits, pooled, chosen)  # (B, M, k, K)
        # A sum over zeros and one row picks exactly, where a MatMul could round (TF32).
        picked = one_hot(method, len(METHODS))  # (B, M)
        row = (rows * picked[:, :, None, None]).sum(1)
        flat = row @ features.flatten(2)  # (B, k, hw)
        rectify = (picked * cast(Tensor, self.rectified)).sum(1).view(-1, 1, 1) > 0
        maps = torch.where(rectify, flat.relu(), flat).reshape(-1, self.mapped, *features.shape[2:])
        guide = stride16.float()
        affinity = spread_maps(maps, guide)
        threshold = otsu(affinity)
        if self.objectness is None:
            return CamOutputs(logits, chosen, maps, affinity, threshold, features)
        plane, objectness = objectness_maps(maps, guide, self.objectness)
        cut = torch.full_like(threshold, CUT)
        return ObjectnessOutputs(logits, chosen, maps, objectness, cut, features, plane, affinity, threshold)


def one_hot(indices: Tensor, length: int) -> Tensor:
    """int64 (..., ) to float32 (..., length), without the scatter that exporters make of `F.one_hot`."""
    return (indices.unsqueeze(-1) == torch.arange(length, device=indices.device)).float()


def weight_rows(weight: Tensor, logits: Tensor, pooled: Tensor, chosen: Tensor) -> Tensor:
    """The weight row of every method for every chosen class.

    Args:
        weight: (C, K) of the head. logits: (B, C). pooled: (B, K), GAP of the features. chosen: int64 (B, k).

    Returns:
        (B, M, k, K), methods in the order of `seekcam.localization.card.METHODS`.
    """
    w = F.embedding(chosen, weight)
    positive = w.relu()
    rows = {
        "cam": w,
        "gradcam": w,
        "layercam": positive,
        # After a ReLU P is nowhere negative and relu(w) P = w P wherever the numerator is not 0; for other features the
        # rectified product keeps the denominator away from 0.
        "gradcam++": positive / (2 + (positive * pooled.unsqueeze(1)).relu()),
        "recombined": w.abs(),
        "finercam": w - FINER_WEIGHT * _neighbour_mean(weight, logits, chosen),
    }
    return torch.stack([rows[method] for method in METHODS], dim=1)


def _neighbour_mean(weight: Tensor, logits: Tensor, chosen: Tensor) -> Tensor:
    """(B, k, K): mean weight row of the classes nearest in logit to each chosen class; zeros where it is alone."""
    classes = weight.shape[0]
    neighbours = min(FINER_NEIGHBOURS, classes - 1)
    if neighbours == 0:
        return torch.zeros_like(F.embedding(chosen, weight))
    own = one_hot(chosen, classes)  # (B, k, C)
    logit = logits.unsqueeze(1)
    distance = (logit - (own * logit).sum(2, keepdim=True)).abs() + own * torch.finfo(torch.float32).max / 2
    nearest = distance.topk(neighbours, dim=2, largest=False).indices
    return F.embedding(nearest, weight).mean(2)
