"""What a precision saves: model files localize in the same pictures, in turns, and their times are compared.

`python -m seekcam.studies.precision_speed efficientnet-lite0 efficientnet-lite0-fp16 efficientnet-lite0-int8` measures
library models or files against the first of them. They take turns frame by frame, so that whatever else the machine
does falls on all alike; the ratio is the median over the turns.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from seekcam.localization.library import ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pipeline import localize
from seekcam.studies.study import run

WARM_UP = 5  # turns that are not counted
SEED = 0


@dataclass(frozen=True)
class Speed:
    """One file's time for a frame, from fitted picture to boxes."""

    model: str
    precision: str
    megabytes: float
    ms: float  # median
    ratio: float  # to the first file of the same turn, median: below 1 is faster


def measure(models: Sequence[LocalizationModel], turns: int) -> list[Speed]:
    """Time every model on a frame of its own size, `turns` times."""
    frames = [_frame(model.card.input_size) for model in models]
    seconds = np.array([[_seconds(*pair) for pair in zip(models, frames, strict=True)] for _ in range(WARM_UP + turns)])
    counted = seconds[WARM_UP:]
    return [
        Speed(
            model=model.card.name,
            precision=model.card.precision,
            megabytes=model.path.stat().st_size / 1e6,
            ms=1e3 * median(own),
            ratio=median(own / counted[:, 0]),
        )
        for model, own in zip(models, counted.T, strict=True)
    ]


def main(
    models: Annotated[list[str], typer.Argument(help="Names of library models or .onnx files, the reference first.")],
    turns: Annotated[int, typer.Option(min=1, help="Frames of each model.")] = 100,
    provider: Annotated[str, typer.Option(help="Where to run, as for `seekcam serve`.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of one run; 0 takes every core.")] = 0,
) -> None:
    """Print each model's milliseconds per frame, and their ratio to the first model's."""
    library = ModelLibrary()
    loaded = [LocalizationModel(Path(library.ensure(name)), provider, threads) for name in models]
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "precision", "MB", "ms a frame", "ratio"):
        table.add_column(heading, justify="left" if heading in ("model", "precision") else "right")
    for speed in measure(loaded, turns):
        table.add_row(speed.model, speed.precision, f"{speed.megabytes:.1f}", f"{speed.ms:.2f}", f"{speed.ratio:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{turns} frames each, in turns, on {loaded[0].provider}", highlight=False)


def _seconds(model: LocalizationModel, frame: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    localize(model, frame)
    return time.perf_counter() - started


def _frame(side: int) -> NDArray[np.uint8]:
    """A frame of coarse patches; what is in it hardly bears on the time."""
    patches = np.random.default_rng(SEED).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    places = np.arange(side) * 8 // side
    return patches[places][:, places]


if __name__ == "__main__":
    run("precision_speed", main)
