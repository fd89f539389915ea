"""Records of runs that never ran, with outcomes to order."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from seekcam.studies.results.records import HeadVerdict, MapOutcome, RunRecord
from seekcam.studies.results.rows import ROWS, SMALL, Row, Run, recipe_of
from seekcam.studies.results.run import ScoredRun

PICTURES = 200


def row_called(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


def scored(right: int, located_plain: int, located_spread: int, pictures: int = PICTURES) -> ScoredRun:
    """The first `right` pictures have the right class, the first `located_...` a right box; of whole percentages."""

    def outcome(located: int, metrics: Mapping[str, float], threshold: float | None) -> MapOutcome:
        return MapOutcome(metrics, tuple(0.75 if i < located else 0.25 for i in range(pictures)), threshold)

    return ScoredRun(
        correct=tuple(i < right for i in range(pictures)),
        plain=outcome(located_plain, {"max_box_acc_v2": 50.0}, 0.2),
        spread=outcome(located_spread, {}, None),
        versions={"torch": "2.0"},
        revision="abc",
    )


def record(row: str, seed: int = 0, *, right: int = 140, plain: int = 100, spread: int = 120) -> RunRecord:
    """A record of `right`, `plain` and `spread` successes in 200 pictures."""
    recipe = recipe_of(Run(row_called(row), seed), SMALL)
    found = scored(right, plain, spread)
    return RunRecord(
        row=row,
        seed=seed,
        schedule="small",
        recipe_hash=recipe.digest(),
        recipe=recipe.to_dict(),
        pictures="f" * 16,
        correct=found.correct,
        plain=found.plain,
        spread=found.spread,
        epochs=recipe.schedule.epochs,
        seconds_per_epoch=40.0 + seed,
        machine="a test",
        versions=found.versions,
        revision=found.revision,
        date=f"2025-01-0{1 + seed}",
    )


def verdict(*, helps: bool = True) -> HeadVerdict:
    """Of a judge that found the boxes to agree better with the head, or worse."""
    return HeadVerdict(helps, 125, 0.6 if helps else 0.4, 0.5, 0.02, "" if helps else "it does not help")


def with_head(run: RunRecord, objectness: int, *, helps: bool = True) -> RunRecord:
    """The same run, its head locating the first `objectness` pictures."""
    ious = tuple(0.75 if i < objectness else 0.25 for i in range(len(run.correct)))
    return replace(run, objectness=MapOutcome({}, ious, 0.5), verdict=verdict(helps=helps))


def with_random_outcomes(template: RunRecord, generator: np.random.Generator) -> RunRecord:
    """The same run with outcomes drawn at random, IoUs in full precision."""
    count = len(template.correct)

    def outcome(old: MapOutcome) -> MapOutcome:
        return replace(old, ious=tuple(float(iou) for iou in generator.uniform(0, 1, count)))

    return replace(
        template,
        correct=tuple(bool(bit) for bit in generator.integers(0, 2, count)),
        plain=outcome(template.plain),
        spread=outcome(template.spread),
        objectness=None if template.objectness is None else outcome(template.objectness),
    )
