"""The part of `cub50.md` on default maps: their table, and what it says of each head and of its judge."""

from collections.abc import Sequence

from seekcam.studies.results.heads import HEAD_METRICS, HeadSummary
from seekcam.studies.results.markdown import bullets, markdown_table, signed, with_error, with_spread
from seekcam.studies.results.records import RunRecord
from seekcam.studies.results.sentences import clearness
from seekcam.studies.results.table import METRICS

BEFORE_HEADS = "not run with a head yet"
TITLE = "Default map: objectness, where the head's judge keeps it"
_EXPLAINED = """\
Each run's head is fitted to the class maps of its own training pictures, without a box; its judge sees every eighth of
them and no box either: do the boxes of a picture and of its smaller copy agree better with the head than without?
The default map of a run is the objectness map, cut at its constant, where the judge keeps the head, else the spread
map. The differences are those of the objectness map to the spread map of the same run, ± one paired standard error,
whatever the judge said: it is right where it keeps a head that raises GT-known Loc, or leaves one out that does not.
"""


def head_section(summaries: Sequence[HeadSummary]) -> str:
    """Heading, table and sentences; rows that were not scored with a head are in it by name."""
    parts = [f"## {TITLE}\n\n{_EXPLAINED}", heads_table(summaries)]
    lines = head_sentences(summaries)
    return "\n".join([*parts, *([bullets(lines)] if lines else [])])


def heads_table(summaries: Sequence[HeadSummary]) -> str:
    """One line a row: the default map's numbers, what the head changes, and its judge."""
    headings = [
        *("method", "default map", *(METRICS[metric] for metric in HEAD_METRICS)),
        *(f"{METRICS[metric]}, objectness less spread" for metric in HEAD_METRICS),
        *("GT-known Loc, default, to plain training", "judge: agreement with head less without"),
        *("judge right", "seeds"),
    ]
    lines = []
    for summary in summaries:
        if not summary.records:
            lines.append([summary.row.label, BEFORE_HEADS, *[""] * (len(headings) - 2)])
            continue
        count = len(summary.records)
        cells = [with_spread(summary.default[metric]) for metric in HEAD_METRICS]
        changes = [with_error(summary.changes[m]) if summary.changes else "no head" for m in HEAD_METRICS]
        to_plain = with_error(summary.to_plain["gt_known_loc"]) if summary.to_plain else ""
        judged = "; ".join(_judged(record) for record in summary.records)
        of = "" if count == len(summary.row.seeds) else f" of {len(summary.row.seeds)}"
        right = _of(summary.right, len(summary.headed), "yes", "no") if summary.headed else ""
        kind = _of(summary.kept, count, "objectness", "spread", "objectness in ")
        lines.append([summary.row.label, kind, *cells, *changes, to_plain, judged, right, f"{count}{of}"])
    return markdown_table(headings, lines)


def head_sentences(summaries: Sequence[HeadSummary]) -> list[str]:
    """What the head does for each row, how often its judge is right, and which rows were made before heads."""
    lines = [_on_row(summary) for summary in summaries if summary.changes]
    headed = [record for summary in summaries for record in summary.headed]
    if headed:
        right, kept = (sum(getattr(s, name) for s in summaries) for name in ("right", "kept"))
        runs = f"{len(headed)} {'run' if len(headed) == 1 else 'runs'}"
        lines.append(f"The judge keeps the head in {kept} of {runs}, and is right in {right}.")
    lines += [
        f"{_capital(s.row.label)}: no head could be fitted, as {_verdict_reason(s.records[0])}."
        for s in summaries
        if s.records and not s.headed
    ]
    without = [f"{s.row.label} (seed {_seeds(s.older)})" for s in summaries if s.older]
    if without:
        lines.append(
            f"Made before heads, and not run with one: {', '.join(without)}. `--retrain` trains these again where "
            "their models are gone."
        )
    return lines


def _on_row(summary: HeadSummary) -> str:
    located, both = (summary.changes[metric] for metric in HEAD_METRICS)
    seeds = len(summary.headed)
    over = "one seed" if seeds == 1 else f"mean of {seeds} seeds"
    judge = (
        f"its judge {'keeps' if summary.kept else 'leaves'} it{'' if summary.kept else ' out'}, and is "
        f"{'right' if summary.right else 'wrong'}"
        if seeds == 1
        else f"its judges keep it in {summary.kept} of {seeds} runs, and are right in {summary.right}"
    )
    return (
        f"{_capital(summary.row.label)}: the head changes GT-known Loc by {signed(located.mean)} ± {located.error:.1f} "
        f"points and Top-1 Loc by {signed(both.mean)} ± {both.error:.1f} ({over}): GT-known Loc "
        f"{clearness(located)}; {judge}."
    )


def _judged(record: RunRecord) -> str:
    verdict = record.verdict
    if verdict is None or not verdict.pictures:
        return "none"
    return f"{verdict.difference:+.3f} ± {verdict.error:.3f}".replace("-", "−")


def _of(found: int, count: int, all_: str, none: str, some: str = "") -> str:
    if found in (0, count):
        return all_ if found else none
    return f"{some}{found} of {count}"


def _verdict_reason(record: RunRecord) -> str:
    return "" if record.verdict is None else record.verdict.reason


def _seeds(records: Sequence[RunRecord]) -> str:
    return ", ".join(str(record.seed) for record in records)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
