"""What a network's own class maps say of where the thing is: the truth that an objectness head is fitted to.

The class map of the picture's label, spread along the features' affinities (six walks of relu(cosine)^3), is cut at
Otsu's threshold; a cell near the cut counts less. No box is used anywhere.
"""

from typing import NamedTuple

from torch import Tensor

from seekcam.training.affinity import AFFINITY_POWER, otsu, unit_cells, walk

WALKS = 6  # twice those of a map that is shown: the truth should be whole rather than sharp
BAND = 4.0  # how fast trust grows with a cell's distance to the cut: to its full at a quarter
LEAST_TRUST = 0.05


class Truth(NamedTuple):
    """For every cell of every picture, n a picture."""

    object: Tensor  # bool (B, n)
    trust: Tensor  # float32 (B, n), LEAST_TRUST to 1: how much the cell counts


def teach(cam: Tensor, guide: Tensor) -> Truth:
    """Which cells the class map takes for the thing.

    Args:
        cam: float32 (B, h, w), the plain class map of each picture's label.
        guide: float32 (B, K16, h16, w16).
    """
    grid = (guide.shape[2], guide.shape[3])
    spread = walk(cam.unsqueeze(1), unit_cells(guide), grid, AFFINITY_POWER, WALKS)
    cut = otsu(spread)[:, :, None, None]
    trust = ((spread - cut).abs() * BAND).clamp(LEAST_TRUST, 1)
    return Truth((spread >= cut).flatten(1), trust.flatten(1))
