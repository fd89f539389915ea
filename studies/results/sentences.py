"""What the numbers of the table say, in sentences: generated, so that they can claim no more than was measured."""

from collections.abc import Sequence

from seekcam.evaluation.paired import Difference, Spread
from seekcam.studies.results.markdown import signed
from seekcam.studies.results.table import METRICS, RowSummary

NAMES = {"plain": "the plain map at its best threshold", "spread": "the spread map with Otsu's threshold"}


def verdicts(summaries: Sequence[RowSummary], kind: str) -> list[str]:
    """On GT-known Loc: the best row, the rows of several seeds against plain, and what else differs beyond noise."""
    run = [s for s in summaries if s.records]
    if len(run) < 2:
        return []
    lines = [_best(run, kind)]
    for summary in run:
        if summary.differences:
            difference = summary.differences[kind, "gt_known_loc"]
            if len(summary.row.seeds) > 1 or difference.beyond_noise:
                lines.append(_verdict(summary, difference))
    return lines


def overview(summaries: Sequence[RowSummary], kind: str) -> str:
    """How many rows differ from plain beyond noise, and in which direction, for each metric."""
    compared = [s for s in summaries if s.differences]
    if not compared:
        return ""
    parts = []
    for metric, label in METRICS.items():
        beyond = [d for s in compared if (d := s.differences[kind, metric]).beyond_noise]
        better = sum(d.mean > 0 for d in beyond)
        parts.append(f"{label} better in {better} and worse in {len(beyond) - better}")
    count = "One method" if len(compared) == 1 else f"{len(compared)} methods"
    return (
        f"{count} compared with plain training, beyond two paired standard errors: "
        f"{'; '.join(parts)}. All else shows no difference beyond noise."
    )


def maps_compared(summaries: Sequence[RowSummary]) -> str:
    """How much the choice of the map matters beside the choice of the training."""
    run = [s for s in summaries if s.records]
    if not run:
        return ""
    gains = [s.metrics["spread", "gt_known_loc"].mean - s.metrics["plain", "gt_known_loc"].mean for s in run]
    methods = [s.differences["spread", "gt_known_loc"].mean for s in run if s.differences]
    text = (
        f"With the spread map and nothing tuned, GT-known Loc is {_range(gains)} points against the plain "
        "map at its best threshold, over all rows."
    )
    if methods:
        text += f" The training methods move it by {_range(methods)} points."
    return text


def _best(run: Sequence[RowSummary], kind: str) -> str:
    parts = []
    for metric, label in METRICS.items():
        best = max(run, key=lambda s: s.metrics[kind, metric].mean)
        parts.append(f"{label} {best.row.label} ({best.metrics[kind, metric].mean:.1f} %)")
    return f"Highest with {NAMES[kind]}: {', '.join(parts)}."


def _verdict(summary: RowSummary, difference: Difference) -> str:
    seeds = len(difference.by_seed)
    label = summary.row.label[0].upper() + summary.row.label[1:]
    change = f"{label} changes GT-known Loc by {signed(difference.mean)} ± {difference.error:.1f} points"
    over = f" (mean of {seeds} seeds)" if seeds > 1 else " (one seed)"
    return f"{change}{over}: {clearness(difference)}."


def clearness(difference: Difference) -> str:
    """Whether a difference is beyond noise, and in which direction."""
    if difference.beyond_noise:
        word = "better" if difference.mean > 0 else "worse"
        several = len(difference.by_seed) > 1
        return f"{word}{' in every seed, and' if several else ','} beyond two standard errors"
    if abs(difference.mean) > 2 * difference.error:
        return "beyond two standard errors, but the seeds disagree in sign, so no clear difference"
    return "no difference beyond noise"


def seed_noise(summaries: Sequence[RowSummary], kind: str) -> str:
    """How much a training with another seed alone moves GT-known Loc, from the rows that have several."""
    moved: list[Spread] = [s.metrics[kind, "gt_known_loc"] for s in summaries if s.records]
    deviations = [m.deviation for m in moved if m.deviation is not None]
    if not deviations:
        return ""
    pooled = (sum(d**2 for d in deviations) / len(deviations)) ** 0.5
    return (
        f"Another seed alone moves GT-known Loc by {pooled:.1f} points (standard deviation, pooled over "
        f"{len(deviations)} {'row' if len(deviations) == 1 else 'rows'}): "
        f"two runs with one seed each differ by some {2**0.5 * pooled:.1f} points without any cause."
    )


def _range(points: Sequence[float]) -> str:
    low, high = signed(min(points)), signed(max(points))
    return low if low == high else f"{low} to {high}"
