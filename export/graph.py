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
map flow along the affinities of the stride-16 features, after the idea of Ahn & Kwak, Learning Pixel-level Semantic
Affinity, 2018, and `threshold` is that of Otsu, A threshold selection method from gray-level histograms, 1979, on the
grid's own values.

Only the batch is dynamic, and the operators are ones that TensorRT builds: TopK, Gather, MatMul, CumSum; no boolean
indexing, no control flow. The head computes in float32 whatever the network's precision.
"""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from localization.card import METHODS
from training.networks.network import Network

INPUTS = ("frames", "classes", "method")
OUTPUTS = ("logits", "chosen", "maps", "spread", "threshold", "features")
MAPPED = 5  # classes that one run maps, when the network has as many
FINER_WEIGHT = 0.6  # Finer-CAM's gamma, and how many of the nearest classes it subtracts: both the paper's
FINER_NEIGHBOURS = 3
AFFINITY_POWER = 3  # chosen on ImageNet photographs; 2 and 2 repeats are as good on birds, a little worse on video
AFFINITY_REPEATS = 3
FLAT = 1e-5  # a map whose range is a smaller part of its largest value is constant but for rounding

_RECTIFIED = ("gradcam", "layercam", "gradcam++")  # methods that end in a ReLU of the map


class CamOutputs(NamedTuple):
    """What the graph answers for a batch of B frames, k classes each."""

    logits: Tensor  # float32 (B, C)
    chosen: Tensor  # int64 (B, k): the classes that were mapped
    maps: Tensor  # float32 (B, k, h, w), by method, not normalised
    spread: Tensor  # float32 (B, k, h16, w16) in [0, 1]
    threshold: Tensor  # float32 (B, k): Otsu's, of each spread map
    features: Tensor  # float32 (B, K, h, w)


class CamGraph(nn.Module):
    """A network with its normalisation in front and the map head behind: the module that is exported.

    Shapes:
        frames uint8 (B, S, S, 3) RGB; classes int64 (B, k), where -1 at position j asks for the class that ranks j-th
        in the frame, from 0; method int64 (B), an index into `localization.card.METHODS`.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
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

    def forward(self, frames: Tensor, classes: Tensor, method: Tensor) -> CamOutputs:
        """All outputs; the shapes are those of the class and of `CamOutputs`."""
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
        spread = spread_maps(maps, stride16.float())
        return CamOutputs(logits, chosen, maps, spread, otsu(spread), features)


def one_hot(indices: Tensor, length: int) -> Tensor:
    """int64 (..., ) to float32 (..., length), without the scatter that exporters make of `F.one_hot`."""
    return (indices.unsqueeze(-1) == torch.arange(length, device=indices.device)).float()


def weight_rows(weight: Tensor, logits: Tensor, pooled: Tensor, chosen: Tensor) -> Tensor:
    """The weight row of every method for every chosen class.

    Args:
        weight: (C, K) of the head. logits: (B, C). pooled: (B, K), GAP of the features. chosen: int64 (B, k).

    Returns:
        (B, M, k, K), methods in the order of `localization.card.METHODS`.
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


def spread_maps(maps: Tensor, guide: Tensor) -> Tensor:
    """Let maps flow along the affinities of finer features.

    A cell's affinity to another is relu(cosine)^3 of their feature vectors, and each cell takes the affinity-weighted
    mean of all cells, three times over.

    Args:
        maps: float32 (B, k, h, w). guide: float32 (B, K16, h16, w16).

    Returns:
        float32 (B, k, h16, w16) in [0, 1]; a map that is constant comes back as zeros.
    """
    grid = tuple(guide.shape[2:])
    # Two MatMuls with constants, where a Resize would bring shape arithmetic into the graph.
    down, across = (bilinear_weights(fine, coarse) for fine, coarse in zip(grid, maps.shape[2:], strict=True))
    start = down.to(maps.device) @ maps @ across.T.to(maps.device)
    flow = unit_range(start).flatten(2).transpose(1, 2)  # (B, n, k)
    cells = guide.flatten(2).transpose(1, 2)  # (B, n, K16)
    cells = cells / (cells * cells).sum(2, keepdim=True).sqrt().clamp_min(1e-12)
    affinity = (cells @ cells.transpose(1, 2)).relu()
    power = affinity
    for _ in range(AFFINITY_POWER - 1):
        power = power * affinity
    step = power / power.sum(2, keepdim=True).clamp_min(1e-12)  # a cell of zeros has no affinity, to itself either
    for _ in range(AFFINITY_REPEATS):
        flow = step @ flow
    return unit_range(flow.transpose(1, 2).reshape(-1, maps.shape[1], *grid))


def bilinear_weights(fine: int, coarse: int) -> Tensor:
    """(fine, coarse): linear interpolation of `coarse` cells at the centres of `fine` cells, edges repeated."""
    centres = ((torch.arange(fine) + 0.5) * (coarse / fine) - 0.5).clamp(0, coarse - 1)
    return (1 - (centres.unsqueeze(1) - torch.arange(coarse)).abs()).relu()


def unit_range(maps: Tensor) -> Tensor:
    """Each (h, w) map of (B, k, h, w) moved and scaled to [0, 1]; a constant map becomes zeros."""
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    span = high - low
    varied = (span > FLAT * torch.maximum(low.abs(), high.abs())).float()
    return (maps - low) * (varied / span.clamp_min(torch.finfo(torch.float32).tiny))


def otsu(maps: Tensor) -> Tensor:
    """Otsu's threshold of each (h, w) map of (B, k, h, w), on its own values: (B, k).

    With the n values sorted downwards as z, the cut after j values has the variance between classes
    j (n - j) (m1 - m0)^2; the threshold is z_j at its largest, so the foreground is what lies at or above it.
    """
    values = maps.flatten(2)
    n = values.shape[2]
    ordered = values.topk(n, dim=2).values
    total = ordered.sum(2, keepdim=True)
    inside = ordered.cumsum(2)[:, :, : n - 1]
    count = torch.arange(1, n, dtype=torch.float32, device=maps.device)
    difference = inside / count - (total - inside) / (n - count)
    between = count * (n - count) * difference * difference
    return ordered.gather(2, between.argmax(2, keepdim=True)).squeeze(2)
