"""What the objectness map costs in the graph: one file asked for the old rule's map and for the new one's, in turns.

ONNX Runtime computes only what leads to the outputs that are asked for, so both are what a stream would run. They take
turns, so that what else the machine does meets both alike; the figure is the median of the ratios of neighbours.
"""

import statistics
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.studies.study import run

OLD = ("logits", "chosen", "affinity", "affinity_threshold")
NEW = ("logits", "chosen", "spread")
WARM_UP = 20


def main(
    model: Annotated[str, typer.Option(help="Name of a library model with an objectness head.")] = DEFAULT_MODEL,
    pairs: Annotated[int, typer.Option(min=2, help="How many frames each gets.")] = 600,
    threads: Annotated[int, typer.Option(min=0, help="Of one run; 0 takes every core.")] = 1,
) -> None:
    """Measure and print milliseconds a frame, and the ratio."""
    localizer = LocalizationModel(ModelLibrary().ensure(model), "cpu", threads)
    if not localizer.card.objectness:
        raise UserError(f"{model} has no objectness head, so that there is nothing to compare.")
    console = Console(highlight=False)
    size, k = localizer.card.input_size, localizer.card.mapped
    frames = np.random.default_rng(0).integers(0, 256, (1, size, size, 3)).astype(np.uint8)
    classes, methods = np.full((1, k), -1, np.int64), np.zeros(1, np.int64)
    spent: dict[tuple[str, ...], list[float]] = {OLD: [], NEW: []}
    for number in track(range(pairs + WARM_UP), "Running", console=console, transient=True):
        for outputs in (OLD, NEW) if number % 2 else (NEW, OLD):
            started = perf_counter()
            localizer.run(frames, classes, methods, outputs)
            spent[outputs].append(1e3 * (perf_counter() - started))
    old, new = (spent[outputs][WARM_UP:] for outputs in (OLD, NEW))
    ratios = sorted(b / a for a, b in zip(old, new, strict=True))
    console.print(
        f"{model}, {localizer.provider}, {pairs} pairs: spread map {statistics.median(old):.2f} ms, objectness map "
        f"{statistics.median(new):.2f} ms; median ratio {statistics.median(ratios):.3f} "
        f"(quartiles {ratios[len(ratios) // 4]:.3f} to {ratios[3 * len(ratios) // 4]:.3f}; "
        f"of the fastest tenth of each {_fast(new) / _fast(old):.3f})",
        soft_wrap=True,
    )


def _fast(values: list[float]) -> float:
    return statistics.mean(sorted(values)[: max(1, len(values) // 10)])


if __name__ == "__main__":
    run("objectness_cost", main)
