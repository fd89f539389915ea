"""Run the rows of the table one after the other: what has a record is left alone, what was broken off goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from studies.results.records import MapOutcome, RunRecord, load_records
from studies.results.rows import ROWS, Row, Run, recipe_of
from training.recipe import Recipe

Say = Callable[[str], None]  # one line for the person


@dataclass(frozen=True)
class Trained:
    """A finished training, exported."""

    model: Path
    epochs: int
    seconds_per_epoch: float  # median


@dataclass(frozen=True)
class Scored:
    """What a model answered on the test pictures, with both maps."""

    correct: tuple[bool, ...]
    plain: MapOutcome
    spread: MapOutcome
    versions: Mapping[str, str]
    revision: str


class Tools(Protocol):
    """What does the work; the tests put something quick in its place."""

    pictures: str  # fingerprint of the test pictures
    machine: str
    today: str  # ISO

    def train(self, recipe: Recipe, folder: Path) -> Trained:
        """Train by `recipe` in `folder`, going on with what lies there, and export the last checkpoint."""

    def score(self, model: Path, row: Row) -> Scored:
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


def run_all(study: Study, runs: Sequence[Run], tools: Tools, after_each: Callable[[], None], say: Say) -> None:
    """Train, export and score what is to do of `runs`, in their order, each record written as soon as it is there.

    Args:
        after_each: writes the report.

    Raises:
        UserError: a training or an export failed, or was interrupted; all earlier records are kept.
    """
    waiting = to_do(study, runs, tools.pictures)
    say(f"{len(runs) - len(waiting)} of {len(runs)} runs have their record, {len(waiting)} to do")
    for number, run in enumerate(waiting, 1):
        say(f"run {number} of {len(waiting)}: {run.row.label}, seed {run.seed}")
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
        )
        record.save(study.rows)
        after_each()
        say(_sentence(record))


def _sentence(record: RunRecord) -> str:
    plain, spread = record.hits("plain"), record.hits("spread")
    return (
        f"{record.row} seed {record.seed}: Top-1 Clas {plain['top1_clas'].mean():.1f}, GT-known Loc plain "
        f"{plain['gt_known_loc'].mean():.1f} (best threshold), spread {spread['gt_known_loc'].mean():.1f} (Otsu)"
    )


def _run_of(record: RunRecord) -> Run | None:
    row = next((row for row in ROWS if row.name == record.row), None)
    return None if row is None else Run(row, record.seed)
