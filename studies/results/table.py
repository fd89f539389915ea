"""From the records of all runs to the numbers of the table: means over seeds, and paired differences to plain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seekcam.evaluation.paired import Difference, Spread, paired_difference, spread
from seekcam.studies.results.records import Kind, RunRecord
from seekcam.studies.results.rows import PLAIN, ROWS, Row

METRICS = {"gt_known_loc": "GT-known Loc", "top1_loc": "Top-1 Loc", "top1_clas": "Top-1 Clas"}
MAPS: tuple[Kind, ...] = ("plain", "spread")  # that every run has


@dataclass(frozen=True)
class RowSummary:
    """One line of the table, in percent and points; `records` is empty for a row that was not run yet."""

    row: Row
    records: tuple[RunRecord, ...]
    metrics: Mapping[tuple[str, str], Spread]  # (map, metric)
    differences: Mapping[tuple[str, str], Difference]  # to plain, over the seeds that both have; empty for plain
    max_box_acc_v2: Spread | None
    seconds_per_epoch: float | None  # median over the seeds

    @property
    def complete(self) -> bool:
        """Whether every seed of the row has been run."""
        return {record.seed for record in self.records} == set(self.row.seeds)


def summarise(records: Sequence[RunRecord], rows: Sequence[Row] = ROWS) -> list[RowSummary]:
    """Every row of the table, in its order, from whatever runs there are.

    Rows are compared only over the same pictures: a record of other test pictures than plain's adds no difference.
    """
    plain = {record.seed: record for record in records if record.row == PLAIN}
    return [_summary(row, [r for r in records if r.row == row.name], plain) for row in rows]


def _summary(row: Row, records: Sequence[RunRecord], plain: Mapping[int, RunRecord]) -> RowSummary:
    ordered = tuple(sorted(records, key=lambda record: record.seed))
    metrics: dict[tuple[str, str], Spread] = {}
    differences: dict[tuple[str, str], Difference] = {}
    pairs = [
        (record, plain[record.seed])
        for record in ordered
        if row.name != PLAIN and record.seed in plain and record.pictures == plain[record.seed].pictures
    ]
    for kind in MAPS if ordered else ():
        for metric in METRICS:
            metrics[kind, metric] = spread([float(r.hits(kind)[metric].mean()) for r in ordered])
            if pairs:
                ours = np.stack([record.hits(kind)[metric] for record, _ in pairs])
                base = np.stack([record.hits(kind)[metric] for _, record in pairs])
                differences[kind, metric] = paired_difference(ours, base)
    boxes = [r.plain.metrics["max_box_acc_v2"] for r in ordered if "max_box_acc_v2" in r.plain.metrics]
    return RowSummary(
        row=row,
        records=ordered,
        metrics=metrics,
        differences=differences,
        max_box_acc_v2=spread(boxes) if boxes else None,
        seconds_per_epoch=float(np.median([r.seconds_per_epoch for r in ordered])) if ordered else None,
    )


def to_json(summaries: Sequence[RowSummary], schedule: str) -> dict[str, Any]:
    """The table as one JSON object: percentages, points, and what was not run."""
    return {
        "schedule": schedule,
        "rows": [_row_json(summary) for summary in summaries if summary.records],
        "not_run": [
            f"{s.row.name}-seed{seed}" for s in summaries for seed in s.row.seeds if seed not in _seeds(s.records)
        ],
    }


def _seeds(records: Sequence[RunRecord]) -> set[int]:
    return {record.seed for record in records}


def _row_json(summary: RowSummary) -> dict[str, Any]:
    first = summary.records[0]
    maps: dict[str, Any] = {}
    for kind in MAPS:
        maps[kind] = {
            metric: {
                **_spread_json(summary.metrics[kind, metric]),
                **(_difference_json(summary.differences[kind, metric]) if summary.differences else {}),
            }
            for metric in METRICS
        }
    if summary.max_box_acc_v2 is not None:
        maps["plain"]["max_box_acc_v2"] = _spread_json(summary.max_box_acc_v2)
    return {
        "row": summary.row.name,
        "label": summary.row.label,
        "seeds": sorted(_seeds(summary.records)),
        "images": len(first.correct),
        "recipe_hashes": [record.recipe_hash for record in summary.records],
        "seconds_per_epoch": _rounded(summary.seconds_per_epoch or 0.0),
        "plain_map_at_best_threshold": maps["plain"],
        "spread_map_with_otsu": maps["spread"],
    }


def _spread_json(value: Spread) -> dict[str, Any]:
    document: dict[str, Any] = {"mean": _rounded(value.mean)}
    if value.deviation is not None:
        document["deviation_over_seeds"] = _rounded(value.deviation)
    return document


def _difference_json(value: Difference) -> dict[str, Any]:
    return {
        "difference_to_plain": _rounded(value.mean),
        "paired_standard_error": _rounded(value.error),
        "difference_by_seed": [_rounded(d) for d in value.by_seed],
    }


def _rounded(value: float) -> float:
    return round(value, 2)
