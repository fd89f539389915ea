"""Differences between methods on the same pictures, and how far chance alone would move them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Outcomes = NDArray[np.float64]  # [seeds, pictures]: 1 for a hit and 0 for a miss, or any other measure per picture


@dataclass(frozen=True)
class Spread:
    """The mean over seeds, and their standard deviation where there are several."""

    mean: float
    deviation: float | None
    seeds: int


@dataclass(frozen=True)
class Difference:
    """How much better one method is than another on the same pictures, in the unit of the outcomes.

    `error` is the paired standard error over pictures; `by_seed` holds the difference of each pair of runs.
    """

    mean: float
    error: float
    by_seed: tuple[float, ...]

    @property
    def beyond_noise(self) -> bool:
        """Whether it is larger than two standard errors and has the same sign in every seed."""
        same_sign = all(d > 0 for d in self.by_seed) or all(d < 0 for d in self.by_seed)
        return same_sign and abs(self.mean) > 2 * self.error


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation (n - 1) of one number per seed.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("a mean of no values was asked for")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation, len(values))


def paired_difference(ours: Outcomes, base: Outcomes) -> Difference:
    """`ours` - `base`, run by run and picture by picture.

    A picture's difference is averaged over the seeds first; the standard error is that of the mean over pictures. It
    says how much another draw of test pictures would move the difference, and most of what other seeds would: `by_seed`
    shows the rest.

    Args:
        ours: [seeds, pictures]; run s saw the same seed as run s of `base`, picture i is the same picture.
        base: of the same shape.

    Raises:
        ValueError: the shapes differ, or there are fewer than two pictures.
    """
    if ours.shape != base.shape or ours.ndim != 2 or ours.shape[0] < 1 or ours.shape[1] < 2:
        raise ValueError(f"outcomes of shapes {ours.shape} and {base.shape} cannot be paired")
    differences = ours - base
    by_picture = differences.mean(0)
    error = float(by_picture.std(ddof=1) / np.sqrt(len(by_picture)))
    return Difference(float(by_picture.mean()), error, tuple(float(d) for d in differences.mean(1)))
