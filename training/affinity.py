"""Let class maps flow along the affinities of finer features, and cut them: what export and training share of it.

A cell's affinity to another is a power of the rectified cosine of their feature vectors; each cell then takes the
affinity-weighted mean of all cells, some times over. It follows the idea of Ahn & Kwak, "Learning Pixel-level Semantic
Affinity", CVPR 2018. Where an objectness plane is given, cells that differ in it have less affinity, so that a map
stops at the border of a thing.

Only operators that TensorRT builds: MatMul, TopK, Gather, CumSum; no boolean indexing, no control flow.
"""

import torch
from torch import Tensor

AFFINITY_POWER = 3  # chosen on ImageNet photographs; 2 and 2 repeats are as good on birds, a little worse on video
AFFINITY_REPEATS = 3
GUIDED_POWER = 4  # with an objectness plane: chosen on ImageNet photographs and clips (docs/results/objectness.md)
GUIDED_REPEATS = 6
FLAT = 1e-5  # a map whose range is a smaller part of its largest value is constant but for rounding
TINY = 1e-12  # what a length or a sum is divided by at least


def spread_maps(maps: Tensor, guide: Tensor) -> Tensor:
    """Let maps flow along the affinities of finer features alone.

    Args:
        maps: float32 (B, k, h, w). guide: float32 (B, K16, h16, w16).

    Returns:
        float32 (B, k, h16, w16) in [0, 1]; a map that is constant comes back as zeros.
    """
    return walk(maps, unit_cells(guide), grid_of(guide), AFFINITY_POWER, AFFINITY_REPEATS)


def walk(
    maps: Tensor, cells: Tensor, grid: tuple[int, int], power: int, repeats: int, plane: Tensor | None = None
) -> Tensor:
    """Let maps flow between cells, `repeats` times over.

    Args:
        maps: float32 (B, k, h, w). cells: float32 (B, n, K16) of length 1, from `unit_cells`. grid: h16, w16.
        power: of the rectified cosine.
        plane: float32 (B, n) in [0, 1]; an affinity counts 1 - |p_i - p_j|.

    Returns:
        float32 (B, k, h16, w16) in [0, 1]; a map that is constant comes back as zeros.
    """
    # Two MatMuls with constants, where a Resize would bring shape arithmetic into the graph.
    down, across = (bilinear_weights(fine, coarse) for fine, coarse in zip(grid, maps.shape[2:], strict=True))
    start = down.to(maps.device) @ maps @ across.T.to(maps.device)
    flow = unit_range(start).flatten(2).transpose(1, 2)  # (B, n, k)
    affinity = (cells @ cells.transpose(1, 2)).relu()
    weight = affinity
    for _ in range(power - 1):
        weight = weight * affinity
    if plane is not None:
        weight = weight * (1 - (plane.unsqueeze(2) - plane.unsqueeze(1)).abs())
    step = weight / weight.sum(2, keepdim=True).clamp_min(TINY)  # a cell of zeros has no affinity, to itself either
    for _ in range(repeats):
        flow = step @ flow
    return unit_range(flow.transpose(1, 2).reshape(-1, maps.shape[1], *grid))


def unit_cells(guide: Tensor) -> Tensor:
    """(B, K16, h16, w16) features to (B, n, K16) cells of length 1, row by row; a cell of zeros stays one."""
    cells = guide.flatten(2).transpose(1, 2)
    return cells / (cells * cells).sum(2, keepdim=True).sqrt().clamp_min(TINY)


def grid_of(guide: Tensor) -> tuple[int, int]:
    """h16 and w16 of (B, K16, h16, w16) features."""
    return guide.shape[2], guide.shape[3]


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
    j (n - j) (m1 - m0)^2; the threshold is z_j at its largest, so the foreground is what lies at or above it (Otsu, "A
    threshold selection method from gray-level histograms", 1979).
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
