"""What the epochs of a training run came to: as rows, as a CSV table, and as curves."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


@dataclass(frozen=True)
class EpochRow:
    """What one epoch came to; percentages and the validation loss are None without a validation part."""

    epoch: int  # from 1
    step: int  # optimiser steps since the start of the run
    learning_rate: float  # of the trunk, at the epoch's last step
    loss: float  # mean over the training pictures, as augmented, in nats
    validation_loss: float | None
    validation_top1: float | None  # percent
    validation_top5: float | None  # percent; None with five classes or fewer
    seconds: float  # of training, without validation
    validation_seconds: float


def rows_csv(rows: Sequence[EpochRow]) -> str:
    """A table with a line of names; what is not known is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochRow)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value is None else value for name, value in asdict(row).items()})
    return text.getvalue()


def curves_png(rows: Sequence[EpochRow]) -> bytes:
    """A PNG file with one panel each for loss, accuracy (where there is any) and learning rate."""
    epochs = [row.epoch for row in rows]
    panels: list[tuple[str, dict[str, list[float | None]]]] = [
        ("loss (nats)", {"training": [r.loss for r in rows], "validation": [r.validation_loss for r in rows]}),
        (
            "accuracy (%)",
            {"Top-1": [r.validation_top1 for r in rows], "Top-5": [r.validation_top5 for r in rows]},
        ),
        ("learning rate", {"trunk": [r.learning_rate for r in rows]}),
    ]
    shown = [(label, curves) for label, curves in panels if any(v is not None for c in curves.values() for v in c)]
    figure = Figure(figsize=(4 * len(shown), 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for place, (label, curves) in enumerate(shown, start=1):
        axes = figure.add_subplot(1, len(shown), place)
        for name, values in curves.items():
            if any(value is not None for value in values):
                axes.plot(epochs, [float("nan") if v is None else v for v in values], marker=".", label=name)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(axes.lines) > 1:
            axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
