"""How an objectness head makes a map of a class map: the rule that the exported graph, and the head's judge, go by.

With the plane p of a frame, w is the class map that flowed along affinities relu(cosine)^4 (1 - |p_i - p_j|), six times
over, in [0, 1]. The map is sqrt(w p): the geometric mean of "belongs to this class" and "is a thing at all". It is not
scaled to its own range, so that where nothing is a thing, nothing reaches the cut.
"""

from typing import NamedTuple

from torch import Tensor

from seekcam.training.affinity import GUIDED_POWER, GUIDED_REPEATS, grid_of, unit_cells, walk
from seekcam.training.objectness.head import ObjectnessHead

CUT = 0.5  # what is at least as much a thing of this class as not


class Objectness(NamedTuple):
    """What a head says of a batch of B frames."""

    plane: Tensor  # float32 (B, 1, h16, w16) in [0, 1], the same for every class
    maps: Tensor  # float32 (B, k, h16, w16) in [0, 1]


def objectness_maps(maps: Tensor, guide: Tensor, head: ObjectnessHead) -> Objectness:
    """Class maps (B, k, h, w) and stride-16 features (B, K16, h16, w16) to the plane and the maps of its rule."""
    cells, grid = unit_cells(guide), grid_of(guide)
    plane = head(cells)
    flowed = walk(maps, cells, grid, GUIDED_POWER, GUIDED_REPEATS, plane)
    seen = plane.reshape(-1, 1, *grid)
    return Objectness(seen, (flowed * seen).sqrt())
