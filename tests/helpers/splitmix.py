"""SplitMix64 in plain Python integers, one picture at a time: the second implementation of `training.random_draws`."""

from collections.abc import Iterator

WORD = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def finalised(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def splitmix64(state: int) -> Iterator[int]:
    """The generator's words from this seed on."""
    while True:
        state = (state + GAMMA) & WORD
        yield finalised(state)


def key(seed: int, epoch: int, number: int) -> int:
    """A picture's own seed: three rounds, one for each of the three numbers."""
    word = next(splitmix64(seed & WORD))
    return finalised((finalised((word + epoch) & WORD) + number) & WORD)


def uniforms(seed: int, epoch: int, number: int) -> Iterator[float]:
    """A picture's draws in [0, 1): the upper 24 bits of each word."""
    return ((word >> 40) / (1 << 24) for word in splitmix64(key(seed, epoch, number)))
