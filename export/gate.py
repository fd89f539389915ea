"""Whether a file in another precision still says what the fp32 file says: pure numbers, no files, no models.

Both files map the class that fp32 ranks first, on the same pictures. Their maps must correlate, and the boxes that a
viewer would see must overlap: logits that agree prove neither. The limits hold for means over the pictures; the worst
picture is told beside each mean, and how often the top class is the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekcam.localization.prediction import Rectangle

MAP_CORRELATION = 0.98  # at least, on the mean over the pictures
BOX_IOU = 0.90


@dataclass(frozen=True, eq=False)
class LookMap:
    """One kind of map of a picture, with the box that a viewer sees who touches nothing."""

    grid: NDArray[np.float32]  # [h, w]
    box: Rectangle | None


@dataclass(frozen=True, eq=False)
class Look:
    """What one file says of one picture, all but `top` for the class that the fp32 file ranks first."""

    top: int  # the class that this file ranks first
    maps: Mapping[str, LookMap]  # by the kind of map


@dataclass(frozen=True)
class Figure:
    """One measure over all pictures."""

    mean: float
    worst: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} (worst {self.worst:.3f})"


@dataclass(frozen=True)
class GateReport:
    """How near one file comes to another."""

    pictures: int
    correlation: Mapping[str, Figure]  # by the kind of map
    box_iou: Mapping[str, Figure]
    top1_agreement: float  # share of the pictures with the same top class; told, not gated

    def passes(self, margin: float = 0.0) -> bool:
        """Whether all means reach their limits; a margin of .5 asks for half of what is missing to 1 as well."""
        correlation = MAP_CORRELATION + margin * (1 - MAP_CORRELATION)
        iou = BOX_IOU + margin * (1 - BOX_IOU)
        return all(figure.mean >= correlation for figure in self.correlation.values()) and all(
            figure.mean >= iou for figure in self.box_iou.values()
        )

    def numbers(self) -> dict[str, float]:
        """For the card: each mean, and the worst picture's."""
        figures = {f"{kind}_correlation": figure for kind, figure in self.correlation.items()}
        figures |= {f"{kind}_box_iou": figure for kind, figure in self.box_iou.items()}
        means = {name: round(figure.mean, 4) for name, figure in figures.items()}
        worst = {f"{name}_worst": round(figure.worst, 4) for name, figure in figures.items()}
        return {**means, **worst, "top1_agreement": round(self.top1_agreement, 4), "pictures": self.pictures}

    def __str__(self) -> str:
        correlations = ", ".join(f"{figure} {kind}" for kind, figure in self.correlation.items())
        ious = ", ".join(f"{figure} {kind}" for kind, figure in self.box_iou.items())
        return (
            f"map correlation {correlations}; box IoU {ious}; "
            f"same top class in {self.top1_agreement:.1%} of {self.pictures} pictures"
        )


def compare(reference: Sequence[Look], other: Sequence[Look]) -> GateReport:
    """Compare what two files say of the same pictures, in the same order, by every kind of map that both make.

    Raises:
        ValueError: no pictures, or not the same number.
    """
    if not reference or len(reference) != len(other):
        raise ValueError(f"{len(reference)} and {len(other)} pictures cannot be compared")
    pairs = list(zip(reference, other, strict=True))
    kinds = [kind for kind in reference[0].maps if kind in other[0].maps]
    return GateReport(
        pictures=len(pairs),
        correlation={k: _figure([correlation(a.maps[k].grid, b.maps[k].grid) for a, b in pairs]) for k in kinds},
        box_iou={k: _figure([box_iou(a.maps[k].box, b.maps[k].box) for a, b in pairs]) for k in kinds},
        top1_agreement=float(np.mean([a.top == b.top for a, b in pairs])),
    )


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Pearson's, of the cells of two maps; two constant maps agree, a constant one and another do not.

    A map with NaN in it agrees with nothing.
    """
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return 0.0
    a, b = (grid.astype(np.float64).ravel() - grid.mean(dtype=np.float64) for grid in (one, other))
    lengths = np.sqrt((a * a).sum()), np.sqrt((b * b).sum())
    if min(lengths) == 0:
        return float(max(lengths) == 0)
    return float((a * b).sum() / (lengths[0] * lengths[1]))


def box_iou(one: Rectangle | None, other: Rectangle | None) -> float:
    """Intersection over union; 1 when neither has a box, 0 when only one has."""
    if one is None or other is None:
        return float(one is other)
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    inside = max(width, 0.0) * max(height, 0.0)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, other)]
    return inside / (sum(areas) - inside)


def _figure(values: Sequence[float]) -> Figure:
    return Figure(float(np.mean(values)), float(np.min(values)))
