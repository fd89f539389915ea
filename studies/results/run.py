"""Run the rows of the table one after the other: what has a record is left alone, what was broken off goes on.

A record from before networks had objectness heads is completed from its checkpoint, where that is still there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from seekcam.studies.results.records import HeadVerdict, MapOutcome, RunRecord, load_records, truncated
from seekcam.studies.results.rows import ROWS, Row, Run, recipe_of
from seekcam.training.recipe import Recipe

Say = Callable[[str], None]  # one line for the person

# Share of the boxes that may differ where the same weights are exported anew: a cell whose value is the cut's to the
# last digit falls on either side of it.
SLIGHT = 0.01


@dataclass(frozen=True)
class TrainedRun:
    """A finished training, exported with the objectness head that was fitted to it."""

    model: Path
    epochs: int
    seconds_per_epoch: float  # median
    verdict: HeadVerdict


@dataclass(frozen=True)
class ScoredRun:
    """What a model answered on the test pictures, with each of its maps."""

    correct: tuple[bool, ...]
    plain: MapOutcome
    spread: MapOutcome
    versions: Mapping[str, str]
    revision: str
    objectness: MapOutcome | None = None  # None: no head could be fitted


class Tools(Protocol):
    """What does the work; the tests put something quick in its place."""

    pictures: str  # fingerprint of the test pictures
    machine: str
    today: str  # ISO

    def finished(self, recipe: Recipe, folder: Path) -> bool:
        """Whether the last checkpoint of a whole training by `recipe` lies in `folder`."""

    def train(self, recipe: Recipe, folder: Path) -> TrainedRun:
        """Train by `recipe` in `folder`, going on with what lies there, and export the last checkpoint."""

    def score(self, model: Path, row: Row) -> ScoredRun:
        """Score an exported model as `row` says."""


@dataclass(frozen=True)
class Study:
    """Where a table's files are, and which schedule it is made with."""

    schedule: str
    base: Recipe
    out: Path  # docs/results or docs/results/full
    work: Path  # models and run folders, ignored by git

    @property
    def rows(self) -> Path:
        """The folder of the records."""
        return self.out / "rows"

    def folder(self, run: Run) -> Path:
        """The run folder of the training that `run` scores; another recipe never finds it."""
        recipe = recipe_of(run, self.base)
        return self.work / self.schedule / f"{run.row.trained_as}-seed{run.seed}-{recipe.digest()}"

    def records(self) -> list[RunRecord]:
        """The records of this schedule's present recipes; those of older recipes are passed over."""
        runs = {(record.row, record.seed): record for record in load_records(self.rows)}
        return [record for record in runs.values() if self._is_current(record)]

    def _is_current(self, record: RunRecord) -> bool:
        run = _run_of(record)
        return run is not None and same_training(record.recipe, recipe_of(run, self.base))


def same_training(values: Mapping[str, object], recipe: Recipe) -> bool:
    """Whether the recipe that a record holds teaches what `recipe` does.

    Hashes are compared anew, so that a value that recipes gain later, at its default, makes no record out of date.
    """
    try:
        return Recipe.from_dict(values).digest() == recipe.digest()
    except ValidationError:
        return False


def to_do(study: Study, runs: Sequence[Run], pictures: str | None = None) -> list[Run]:
    """Those of `runs` that have no record of the present recipe, and of these test pictures if they are known."""
    done = {(r.row, r.seed) for r in study.records() if pictures in (None, r.pictures)}
    return [run for run in runs if (run.row.name, run.seed) not in done]


def before_heads(study: Study, runs: Sequence[Run]) -> list[Run]:
    """Those of `runs` whose record holds neither an objectness map nor why there is none."""
    lacking = {(r.row, r.seed) for r in study.records() if r.verdict is None}
    return [run for run in runs if (run.row.name, run.seed) in lacking]


def run_all(
    study: Study,
    runs: Sequence[Run],
    tools: Tools,
    after_each: Callable[[], None],
    say: Say,
    *,
    retrain: bool = False,
) -> None:
    """Train, export and score what is to do of `runs`, in their order, each record written as soon as it is there.

    A record from before heads is made again from its checkpoint, and left as it is where that is gone.

    Args:
        after_each: writes the report.
        retrain: train the rows of such records again where their checkpoint is gone.

    Raises:
        UserError: a training or an export failed, or was interrupted; all earlier records are kept.
    """
    waiting = to_do(study, runs, tools.pictures)
    say(f"{len(runs) - len(waiting)} of {len(runs)} runs have their record, {len(waiting)} to do")
    older = [run for run in before_heads(study, runs) if run not in waiting]
    gone = [run for run in older if not tools.finished(recipe_of(run, study.base), study.folder(run))]
    if older:
        say(_on_older(len(older) - len(gone), gone, study.work, retrain=retrain))
    left = [] if retrain else gone
    planned = [run for run in runs if run in waiting or (run in older and run not in left)]
    kept = {(record.row, record.seed): record for record in study.records()}
    for number, run in enumerate(planned, 1):
        say(f"run {number} of {len(planned)}: {run.row.label}, seed {run.seed}")
        recipe = recipe_of(run, study.base)
        trained = tools.train(recipe, study.folder(run))
        scored = tools.score(trained.model, run.row)
        record = RunRecord(
            row=run.row.name,
            seed=run.seed,
            schedule=study.schedule,
            recipe_hash=recipe.digest(),
            recipe=recipe.to_dict(),
            pictures=tools.pictures,
            correct=scored.correct,
            plain=scored.plain,
            spread=scored.spread,
            epochs=trained.epochs,
            seconds_per_epoch=round(trained.seconds_per_epoch, 2),
            machine=tools.machine,
            versions=scored.versions,
            revision=scored.revision,
            date=tools.today,
            objectness=scored.objectness,
            verdict=trained.verdict,
        )
        before = kept.get((record.row, record.seed))
        if run in older and before is not None:
            record = _made_again(before, record, say)
        record.save(study.rows)
        after_each()
        say(_sentence(record))


def boxes_moved(one: RunRecord, other: RunRecord) -> int:
    """How many boxes of the maps that all runs have differ, in the digits that are kept."""
    return sum(
        truncated(ours) != truncated(theirs)
        for mine, its in ((one.plain, other.plain), (one.spread, other.spread))
        for ours, theirs in zip(mine.ious, its.ious, strict=True)
    )


def same_run(one: RunRecord, other: RunRecord) -> bool:
    """Whether two records are of one training: the same classes, and the same boxes but for SLIGHT."""
    return one.correct == other.correct and boxes_moved(one, other) <= SLIGHT * 2 * len(one.correct)


def _made_again(before: RunRecord, record: RunRecord, say: Say) -> RunRecord:
    """`record`; where it came out as `before` it is the same training, which keeps the time that it took first."""
    if same_run(before, record):
        moved = boxes_moved(before, record)
        boxes = 2 * len(record.correct)
        say(f"{record.row} seed {record.seed}: as it was, but for {moved} of {boxes} boxes of the plain and spread map")
        return replace(record, seconds_per_epoch=before.seconds_per_epoch)
    say(
        f"{record.row} seed {record.seed}: NOT as it was, and the whole record is what came out now; before, "
        + _sentence(before)
    )
    return record


def _on_older(found: int, gone: Sequence[Run], work: Path, *, retrain: bool) -> str:
    count = found + len(gone)
    text = f"{count} {'record was' if count == 1 else 'records were'} made before heads; {found} of them from a "
    text += "checkpoint that is still there: scored again"
    if gone:
        names = ", ".join(run.name for run in gone)
        text += f"; no finished checkpoint in {work} of {names}: "
        text += "trained again" if retrain else "left as they are (--retrain trains them again)"
    return text


def _sentence(record: RunRecord) -> str:
    plain, spread = record.hits("plain"), record.hits("spread")
    head = ""
    if record.objectness is not None and record.verdict is not None:
        says = "keeps" if record.verdict.helps else "leaves out"
        found = record.hits("objectness")["gt_known_loc"].mean()
        head = f", objectness {found:.1f} (the judge {says} the head)"
    return (
        f"{record.row} seed {record.seed}: Top-1 Clas {plain['top1_clas'].mean():.1f}, GT-known Loc plain "
        f"{plain['gt_known_loc'].mean():.1f} (best threshold), spread {spread['gt_known_loc'].mean():.1f} (Otsu){head}"
    )


def _run_of(record: RunRecord) -> Run | None:
    row = next((row for row in ROWS if row.name == record.row), None)
    return None if row is None else Run(row, record.seed)
