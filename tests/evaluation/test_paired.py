"""The paired standard error, against the bootstrap and against textbook cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.evaluation.paired import Difference, Outcomes, paired_difference, spread


def hits(*rows: str) -> Outcomes:
    return np.array([[float(bit) for bit in row] for row in rows])


def test_the_difference_of_one_pair_of_runs_is_worked_out_by_hand() -> None:
    # Two pictures gained, one lost, five equal: mean 1/8, variance (3 - 1/8) / 7, error its root over the root of 8.
    found = paired_difference(hits("11100101"), hits("01010101"))
    expected = np.array([1, 0, 1, -1, 0, 0, 0, 0])
    assert found.mean == pytest.approx(1 / 8)
    assert found.error == pytest.approx(np.sqrt((np.sum(expected**2) - 8 / 64) / 7 / 8))
    assert found.by_seed == (1 / 8,)


def test_a_difference_that_is_the_same_on_every_picture_has_no_error() -> None:
    found = paired_difference(hits("1111", "1111"), hits("0000", "0000"))
    assert (found.mean, found.error) == (1.0, 0.0)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**20), seeds=st.integers(1, 3), gain=st.floats(0, 0.3))
def test_the_error_is_what_the_bootstrap_over_pictures_finds(seed: int, seeds: int, gain: float) -> None:
    random = np.random.default_rng(seed)
    ease = random.uniform(0, 1 - gain, 400)  # of each picture: what makes outcomes of one picture alike
    base = (random.uniform(size=(seeds, 400)) < ease).astype(float)
    ours = (random.uniform(size=(seeds, 400)) < ease + gain).astype(float)
    drawn = random.integers(400, size=(2000, 400))
    means = np.stack([(ours[:, picture] - base[:, picture]).mean() for picture in drawn])
    found = paired_difference(ours, base)
    assert found.error == pytest.approx(float(means.std()), rel=0.12)  # 2000 draws know a deviation to 1.6 %
    assert found.mean == pytest.approx(float(np.mean(found.by_seed)))


def test_pairing_removes_what_pictures_have_in_common() -> None:
    random = np.random.default_rng(3)
    base = (random.uniform(size=(1, 600)) < 0.5).astype(float)
    ours = base.copy()
    ours[0, :12] = 1.0
    unpaired = float(np.sqrt((base.var(ddof=1) + ours.var(ddof=1)) / 600))
    assert paired_difference(ours, base).error < unpaired / 5


@pytest.mark.parametrize(
    ("by_seed", "error", "beyond"),
    [
        ((3.0,), 1.0, True),
        ((1.9,), 1.0, False),
        ((-3.0,), 1.0, True),
        ((3.0, 2.5, 2.0), 1.0, True),
        ((7.0, -1.0, 3.0), 1.0, False),  # seeds disagree in sign
        ((0.0,), 0.0, False),
    ],
)
def test_beyond_noise_asks_for_two_errors_and_one_sign(by_seed: tuple[float, ...], error: float, beyond: bool) -> None:
    assert Difference(float(np.mean(by_seed)), error, by_seed).beyond_noise is beyond


@pytest.mark.parametrize(
    ("ours", "base"), [(hits("11"), hits("111")), (hits("1"), hits("1")), (hits("11", "10"), hits("11"))]
)
def test_what_cannot_be_paired_is_refused(ours: Outcomes, base: Outcomes) -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference(ours, base)


def test_the_spread_over_seeds_is_the_sample_deviation() -> None:
    found = spread([1.0, 2.0, 3.0])
    assert (found.mean, found.deviation, found.seeds) == (2.0, 1.0, 3)
    assert spread([4.0]).deviation is None
    with pytest.raises(ValueError, match="no values"):
        spread([])
