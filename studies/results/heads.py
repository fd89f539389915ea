"""What objectness heads change: the default map of each row again, against the spread map of the same runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seekcam.evaluation.paired import Difference, Spread, paired_difference, spread
from seekcam.studies.results.records import Kind, RunRecord
from seekcam.studies.results.rows import PLAIN, Row
from seekcam.studies.results.table import RowSummary

HEAD_METRICS = ("gt_known_loc", "top1_loc")  # those that a map can change


@dataclass(frozen=True)
class HeadSummary:
    """One row, over its runs that were scored with heads; `records` is empty for a row without any.

    The default map of a run is the objectness map where its judge keeps the head, else the spread map.
    """

    row: Row
    records: tuple[RunRecord, ...]  # by seed
    older: tuple[RunRecord, ...]  # made before heads
    default: Mapping[str, Spread]  # by metric, in percent
    changes: Mapping[str, Difference]  # objectness map less spread map, whatever the judge; empty without any head
    to_plain: Mapping[str, Difference]  # default map less plain training's, over the seeds that both have

    @property
    def headed(self) -> tuple[RunRecord, ...]:
        """The runs that a head could be fitted to."""
        return tuple(record for record in self.records if record.objectness is not None)

    @property
    def kept(self) -> int:
        """In how many runs the judge keeps the head."""
        return sum(record.default_map == "objectness" for record in self.records)

    @property
    def right(self) -> int:
        """In how many runs the judge, who saw no box, is right."""
        return sum(judge_is_right(record) for record in self.headed)


def judge_is_right(record: RunRecord) -> bool:
    """Whether a head that was kept locates more, and one that was left out does not, by GT-known Loc."""
    change = record.hits("objectness")["gt_known_loc"].mean() - record.hits("spread")["gt_known_loc"].mean()
    return (record.default_map == "objectness") == bool(change > 0)


def summarise_heads(summaries: Sequence[RowSummary]) -> list[HeadSummary]:
    """Every row of the table, in its order."""
    plain = {r.seed: r for s in summaries if s.row.name == PLAIN for r in s.records if r.verdict is not None}
    return [_summary(summary, plain) for summary in summaries]


def _summary(summary: RowSummary, plain: Mapping[int, RunRecord]) -> HeadSummary:
    records = tuple(record for record in summary.records if record.verdict is not None)
    headed = [record for record in records if record.objectness is not None]
    pairs = [
        (record, plain[record.seed])
        for record in records
        if summary.row.name != PLAIN and record.seed in plain and record.pictures == plain[record.seed].pictures
    ]
    default: dict[str, Spread] = {}
    changes: dict[str, Difference] = {}
    to_plain: dict[str, Difference] = {}
    for metric in HEAD_METRICS:
        if records:
            default[metric] = spread([float(r.hits(r.default_map)[metric].mean()) for r in records])
        if headed:
            changes[metric] = _difference([((r, "objectness"), (r, "spread")) for r in headed], metric)
        if pairs:
            sides = [((ours, ours.default_map), (base, base.default_map)) for ours, base in pairs]
            to_plain[metric] = _difference(sides, metric)
    older = tuple(record for record in summary.records if record.verdict is None)
    return HeadSummary(summary.row, records, older, default, changes, to_plain)


_Side = tuple[RunRecord, Kind]


def _difference(pairs: Sequence[tuple[_Side, _Side]], metric: str) -> Difference:
    ours, base = (np.stack([pair[side][0].hits(pair[side][1])[metric] for pair in pairs]) for side in (0, 1))
    return paired_difference(ours, base)


def heads_json(summaries: Sequence[HeadSummary]) -> dict[str, Any]:
    """What `summarise_heads` found as one JSON object, and which runs it lacks."""
    return {
        "rows": [_row_json(summary) for summary in summaries if summary.records],
        "before_heads": [f"{record.row}-seed{record.seed}" for s in summaries for record in s.older],
    }


def _row_json(summary: HeadSummary) -> dict[str, Any]:
    return {
        "row": summary.row.name,
        "seeds": [record.seed for record in summary.records],
        "default_maps": [record.default_map for record in summary.records],
        **{metric: round(value.mean, 2) for metric, value in summary.default.items()},
        "objectness_less_spread": {m: _difference_json(d) for m, d in summary.changes.items()},
        "default_less_plain_training": {m: _difference_json(d) for m, d in summary.to_plain.items()},
        "judges": [_judge_json(record) for record in summary.records],
    }


def _difference_json(value: Difference) -> dict[str, Any]:
    return {
        "difference": round(value.mean, 2),
        "paired_standard_error": round(value.error, 2),
        "difference_by_seed": [round(d, 2) for d in value.by_seed],
    }


def _judge_json(record: RunRecord) -> dict[str, Any]:
    verdict = record.verdict
    if verdict is None or not verdict.pictures:
        return {"seed": record.seed, "helps": False, "reason": "" if verdict is None else verdict.reason}
    return {
        "seed": record.seed,
        "helps": verdict.helps,
        "pictures": verdict.pictures,
        "agreement_with_head": verdict.with_head,
        "agreement_without": verdict.without,
        "error": verdict.error,
        **({"right": judge_is_right(record)} if record.objectness is not None else {}),
    }
