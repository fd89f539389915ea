"""What sizes a network can work at, refused in one sentence where it cannot."""

from collections.abc import Sequence

from seekcam.training.networks.network import NetworkError

SPREAD_STRIDE = 16  # pixels per cell of the features that spread the maps
SMALLEST = 32  # pixels: two of those cells a side; one alone can spread nothing


def choose_map_stride(name: str, asked: int, own: int, others: Sequence[int] = ()) -> int:
    """The map stride to build: `own` when 0 is asked for.

    Raises:
        NetworkError: the network has no maps of that stride; says which it has.
    """
    strides = sorted({own, *others})
    if asked and asked not in strides:
        raise NetworkError(
            f"{name} has no maps of stride {asked}: set network.map_stride to {_either(strides)}, or 0 for its own."
        )
    return asked or own


def check_input_size(name: str, size: int, cell: int, *, own: int = 0, smallest: int = SMALLEST) -> None:
    """Refuse an input that the map's cells do not cover evenly, for then every box would be a little off.

    Args:
        size: S, in pixels. cell: pixels per cell of the coarsest map. own: a size that is taken all the same.
        smallest: the least S, a multiple of `cell`.

    Raises:
        NetworkError: says which sizes there are.
    """
    if size != own and (size < smallest or size % cell):
        also = f", or {own}" if own % cell else ""
        near = max(smallest, round(size / cell) * cell)
        raise NetworkError(
            f"The input size of {name} must be a multiple of {cell} from {smallest} up{also}, not {size}: "
            f"set input.size to {near}."
        )


def _either(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} or {last}" if most else last
