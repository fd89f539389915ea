"""`cub50.png`: GT-known Loc of every method with each map, and its difference to plain training."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seekcam.localization.errors import UserError
from seekcam.studies.results.records import Kind
from seekcam.studies.results.table import RowSummary

# Three of Okabe and Ito's colours that differ for every kind of colour vision ("Color Universal Design", 2008), and
# three marks, so that the maps are told apart in grey too.
STYLES: Mapping[Kind, tuple[str, str, str]] = {
    "plain": ("#0072B2", "o", "plain map, best threshold"),
    "spread": ("#D55E00", "s", "spread map, Otsu's threshold"),
    "objectness": ("#009E73", "^", "objectness map, constant cut (of runs with a head)"),
}
SHIFT = 0.14  # of a line: one map's points above the other's
METRIC = "gt_known_loc"


def write_plot(summaries: Sequence[RowSummary], file: Path) -> None:
    """Draw every row that was run and write a PNG.

    Raises:
        UserError: the file cannot be written.
    """
    run = [summary for summary in summaries if summary.records]
    figure = Figure(figsize=(10, 1.6 + 0.42 * len(run)), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    levels, differences = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(run))[::-1]
    for offset, (kind, (colour, marker, label)) in zip((SHIFT, -SHIFT, 0.0), STYLES.items(), strict=True):
        look = {"color": colour, "marker": marker, "linestyle": "none", "capsize": 3, "markersize": 6}
        scored = [(place + offset, *found) for place, s in zip(places, run, strict=True) if (found := _level(s, kind))]
        if scored:
            heights, values, errors = zip(*scored, strict=True)
            levels.errorbar(values, heights, xerr=errors, label=label, **look)
        compared = [
            (place + offset, s.differences[kind, METRIC])
            for place, s in zip(places, run, strict=True)
            if (kind, METRIC) in s.differences
        ]
        if compared:
            heights = tuple(height for height, _ in compared)
            errors = tuple(difference.error for _, difference in compared)
            differences.errorbar([difference.mean for _, difference in compared], heights, xerr=errors, **look)
    levels.set_yticks(places, [_label(s) for s in run])
    _dress(levels, "GT-known Loc, %\n(± one standard error over pictures)")
    _dress(differences, "points against plain training\n(± one paired standard error)")
    differences.axvline(0, color="0.35", linewidth=1, linestyle="--")
    figure.legend(loc="outside upper center", ncols=len(STYLES), frameon=False)
    stream = io.BytesIO()
    canvas.print_figure(stream, format="png", dpi=110)
    try:
        file.write_bytes(stream.getvalue())
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}.") from error


def _level(summary: RowSummary, kind: Kind) -> tuple[float, float] | None:
    """Mean, and its standard error over pictures, a picture's hits averaged over the seeds first; None of no run."""
    runs = [record.hits(kind)[METRIC] for record in summary.records if kind in record.maps]
    if not runs:
        return None
    hits = np.stack(runs).mean(0)
    return float(hits.mean()), float(hits.std(ddof=1) / np.sqrt(len(hits)))


def _label(summary: RowSummary) -> str:
    seeds = len(summary.records)
    return summary.row.label + (f" ({seeds} seeds)" if seeds > 1 else "")


def _dress(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.grid(axis="x", color="0.88")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
