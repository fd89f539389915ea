"""Random numbers for each picture of a batch, the same whatever the batch holds beside it.

A picture's draws depend on the run's seed, the epoch and the picture's number only. So a run that was broken off and
goes on, or one that is split over several processes, augments every picture as the run in one piece would have; no
state of a generator needs to be kept. The numbers come from SplitMix64 (Steele, Lea & Flood, "Fast Splittable
Pseudorandom Number Generators", 2014), computed for the whole batch at once on its device: integer arithmetic, so every
device gives the same numbers to the last bit.
"""

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """The int64 with the bits of an unsigned 64-bit constant."""
    return value - (1 << 64) if value >= 1 << 63 else value


_STEP = _signed(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)
_FLOAT_BITS = 24  # what a float32 holds exactly


class Draws:
    """Successive draws for a batch of B pictures; every call gives new ones.

    Args:
        keys: int64 (B,), one number for each picture, from `sample_keys`; the draws are made on its device.

    Example:
        >>> draws = Draws(sample_keys(seed=0, epoch=3, indices=torch.arange(8)))
        >>> draws.uniform(2).shape
        torch.Size([8, 2])
    """

    def __init__(self, keys: Tensor) -> None:
        self.keys = keys
        self._used = 0

    def uniform(self, count: int) -> Tensor:
        """float32 (B, count), uniform in [0, 1), in steps of 2^-24."""
        places = torch.arange(self._used + 1, self._used + count + 1, device=self.keys.device)
        self._used += count
        bits = _mix(self.keys.unsqueeze(1) + places * _STEP)
        return _shifted(bits, 64 - _FLOAT_BITS).float().mul_(2.0**-_FLOAT_BITS)

    def integers(self, count: int, below: int) -> Tensor:
        """int64 (B, count), uniform in [0, below).

        Raises:
            ValueError: `below` is less than 1, or too large for the 24 bits of a draw (above 2^20).
        """
        if not 1 <= below <= 1 << 20:  # leaves a bias of at most 1/16 of a number's share
            raise ValueError(f"below must lie in 1..2^20, not {below}")
        # float32 rounds the product of a draw near 1 up to `below`.
        return (self.uniform(count) * below).long().clamp_max(below - 1)

    def choice(self, values: Tensor) -> Tensor:
        """(B,), each one of `values` (n,)."""
        return values[self.integers(1, len(values)).squeeze(1)]


def sample_keys(seed: int, epoch: int, indices: Tensor) -> Tensor:
    """int64 (B,): the key of each picture number in `indices` (int64, (B,)) in this epoch of the run with this seed."""
    start = torch.full_like(indices, _signed(seed % (1 << 64)), dtype=torch.int64)
    return _mix(_mix(_mix(start + _STEP) + epoch) + indices)


def step_seed(seed: int, epoch: int, place: int) -> int:
    """For torch's own generator, which dropout draws from; no picture's key, whose numbers are not negative."""
    return int(sample_keys(seed, epoch, torch.tensor([-1 - place])).item())


def fresh_draws(batch: int, device: torch.device) -> Draws:
    """Draws keyed by torch's own generator, for a batch whose pictures have no numbers."""
    return Draws(torch.randint(torch.iinfo(torch.int64).max, (batch,), device=device))


def _mix(state: Tensor) -> Tensor:
    """SplitMix64's finaliser, in place: int64 products wrap as unsigned ones do."""
    state ^= _shifted(state, 30)
    state *= _MIX1
    state ^= _shifted(state, 27)
    state *= _MIX2
    state ^= _shifted(state, 31)
    return state


def _shifted(state: Tensor, by: int) -> Tensor:
    """A logical shift to the right: int64 shifts drag the sign along, a mask takes it off."""
    return (state >> by).bitwise_and_((1 << (64 - by)) - 1)
