"""`cub50.md`: the table in the form of the papers', the differences to plain training, and what they say."""

from collections.abc import Mapping, Sequence

from seekcam.studies.results.circumstances import circumstances
from seekcam.studies.results.head_section import head_section
from seekcam.studies.results.heads import summarise_heads
from seekcam.studies.results.markdown import bullets, markdown_table, with_error, with_spread
from seekcam.studies.results.published import published_tables
from seekcam.studies.results.sentences import maps_compared, overview, seed_noise, verdicts
from seekcam.studies.results.table import METRICS, RowSummary

NOT_RUN = "not run yet"
COMMANDS: Mapping[str, str] = {"small": "make results", "full": 'make results ARGS="--full"'}

TITLES = {
    "plain": "Plain class map, best threshold",
    "spread": "Spread map, Otsu's threshold (the default without an objectness head; nothing tuned)",
}
EXPLAINED = {
    "plain": (
        "The threshold is the one fixed value that suits these very test pictures best, as the papers choose it: an "
        "upper bound, found for each run by itself."
    ),
    "spread": (
        "As `seekcam serve` streams it from a model without an objectness head, without its smoothing over time and "
        'its answer "not sure".'
    ),
}
_TITLE = """\
# CUB-50 from EfficientNet-Lite0: does Hide-and-Seek help?

Written by `{command}` (room `studies/`). Percent, higher is better; where a row has several seeds, their mean ± their
standard deviation.
"""
_DIFFERENCES = """\
## Differences to plain training

Points, ± one paired standard error over the test pictures: the same pictures and the same seed on both sides, seeds
averaged. **Bold**: beyond two standard errors, and of the same sign in every seed.

"""
_CHANCE = "Of twenty comparisons without any true difference, about one lies beyond two standard errors by chance."


def report(summaries: Sequence[RowSummary], schedule: str) -> str:
    """The page as Markdown, also of a table that is not complete: rows not run say so."""
    records = [record for summary in summaries for record in summary.records]
    command = COMMANDS[schedule]
    parts = [_TITLE.format(command=command), _state(summaries)]
    if records:
        parts.append("## What came out\n\n" + _sentences(summaries))
        parts += [f"## {TITLES[kind]}\n\n{EXPLAINED[kind]}\n\n{results_table(summaries, kind)}" for kind in TITLES]
        parts.append(head_section(summarise_heads(summaries)))
        parts.append("![GT-known localization by method](cub50.png)\n")
        parts.append(_DIFFERENCES + differences_table(summaries))
        parts.append("## How it was made\n\n" + circumstances(records, command))
    parts.append("## The papers' numbers, for orientation\n\n" + published_tables())
    return "\n".join(parts)


def results_table(summaries: Sequence[RowSummary], kind: str) -> str:
    """GT-known Loc | Top-1 Loc | Top-1 Clas by method; MaxBoxAccV2 too for the plain map."""
    with_boxes = kind == "plain"
    headings = ["method", *METRICS.values(), *(["MaxBoxAccV2"] if with_boxes else []), "seeds", "s per epoch"]
    lines = []
    for summary in summaries:
        if not summary.records:
            lines.append([summary.row.label, NOT_RUN, *[""] * (len(headings) - 2)])
            continue
        cells = [with_spread(summary.metrics[kind, metric]) for metric in METRICS]
        boxes = [with_spread(summary.max_box_acc_v2)] if with_boxes else []
        seeds = str(len(summary.records)) + ("" if summary.complete else f" of {len(summary.row.seeds)}")
        lines.append([summary.row.label, *cells, *boxes, seeds, f"{summary.seconds_per_epoch:.0f}"])
    return markdown_table(headings, lines)


def differences_table(summaries: Sequence[RowSummary]) -> str:
    """Every metric against plain training, for both maps; the classes do not depend on the map."""
    columns = [("plain", "gt_known_loc"), ("plain", "top1_loc"), ("spread", "gt_known_loc"), ("spread", "top1_loc")]
    headings = ["method", *(f"{METRICS[metric]}, {kind} map" for kind, metric in columns), "Top-1 Clas", "seeds"]
    lines = []
    for summary in summaries:
        if summary.differences:
            cells = [with_error(summary.differences[column]) for column in [*columns, ("plain", "top1_clas")]]
            seeds = len(summary.differences["plain", "top1_clas"].by_seed)
            lines.append([summary.row.label, *cells, str(seeds)])
    return markdown_table(headings, lines) if lines else "No row can be compared with plain training yet.\n"


def _state(summaries: Sequence[RowSummary]) -> str:
    runs = sum(len(summary.row.seeds) for summary in summaries)
    done = sum(len(summary.records) for summary in summaries)
    if done == runs:
        return f"Complete: all {runs} runs.\n"
    missing = ", ".join(summary.row.label for summary in summaries if not summary.complete)
    return f"**Not complete: {done} of {runs} runs.** Rows that lack runs: {missing}. The same command goes on.\n"


def _sentences(summaries: Sequence[RowSummary]) -> str:
    parts = [maps_compared(summaries)]
    for kind, title in TITLES.items():
        lines = [line for line in (overview(summaries, kind), seed_noise(summaries, kind)) if line]
        lines += verdicts(summaries, kind)
        if lines:
            parts.append(f"{title}:\n\n" + bullets(lines).rstrip())
    return "\n\n".join([*(part for part in parts if part), _CHANCE]) + "\n"
