"""The rows of the CUB-50 table and the two schedules it can be made with: every number of the study in one place."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from seekcam.localization.errors import UserError
from seekcam.training.augment.hide_and_seek import HideAndSeekConfig
from seekcam.training.augment.input_dropout import InputDropoutConfig
from seekcam.training.recipe import (
    AugmentTable,
    DataTable,
    InputTable,
    NetworkTable,
    OptimiserTable,
    Recipe,
    ScheduleTable,
)

PLAIN = "plain"
HIDE_AND_SEEK = "has-mixed"  # stands for the method in the qualitative grid
ONE_SEED: tuple[int, ...] = (0,)
THREE_SEEDS = (0, 1, 2)

# No validation part is held out, as in the papers: the last checkpoint counts, and nothing is chosen by looking.
# The whole table takes about three hours on two CPU cores.
SMALL = Recipe(
    name="cub50",
    about="CUB-50 on two CPU cores",
    network=NetworkTable(name="efficientnet-lite0"),
    # A crop of 224 from 256 shows the bird at the scale that it has in the test picture of 256.
    input=InputTable(size=256, resize=256, crop=224),
    data=DataTable(validation=0.0),
    optimiser=OptimiserTable(learning_rate=0.006, head_factor=10.0, weight_decay=5e-4, label_smoothing=0.1),
    schedule=ScheduleTable(epochs=7, batch=16, kind="cosine"),
)
# wsolevaluation's CUB schedule (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", 2020).
FULL = replace(
    SMALL,
    name="cub50-full",
    about="CUB-50 on a GPU",
    input=InputTable(size=224, resize=256),
    schedule=ScheduleTable(epochs=50, batch=32, kind="step", step_epochs=15, step_factor=0.1),
)
SCHEDULES: Mapping[str, Recipe] = {"small": SMALL, "full": FULL}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    label: str
    augment: AugmentTable = field(default_factory=AugmentTable)
    seeds: tuple[int, ...] = ONE_SEED
    training: str = ""  # the row whose training it shares; "" has one of its own

    @property
    def trained_as(self) -> str:
        """The name of the training that this row scores."""
        return self.training or self.name

    @property
    def hidden_at_test(self) -> float:
        """Probability with which a pixel of a test picture is hidden; 0 leaves test pictures as they are."""
        dropout = self.augment.input_dropout
        return dropout.probability if "input_dropout" in self.augment.steps and dropout.at_test else 0.0


def _hiding(*sizes: int) -> AugmentTable:
    return AugmentTable(steps=("hide_and_seek",), hide_and_seek=HideAndSeekConfig(sizes=sizes))


_DROPOUT = AugmentTable(steps=("input_dropout",))

ROWS = (
    Row(PLAIN, "plain training", seeds=THREE_SEEDS),
    Row("has-16", "Hide-and-Seek 16", _hiding(16)),
    Row("has-32", "Hide-and-Seek 32", _hiding(32), THREE_SEEDS),
    Row("has-44", "Hide-and-Seek 44", _hiding(44)),
    Row("has-56", "Hide-and-Seek 56", _hiding(56)),
    Row(HIDE_AND_SEEK, "Hide-and-Seek mixed", AugmentTable(steps=("hide_and_seek",)), THREE_SEEDS),
    Row("gr", "GoogLeNet-Resize (GR)", AugmentTable(steps=("googlenet_resize",)), THREE_SEEDS),
    Row("has-after-gr", "Hide-and-Seek after GR", AugmentTable(steps=("googlenet_resize", "hide_and_seek"))),
    Row("gr-after-has", "GR after Hide-and-Seek", AugmentTable(steps=("hide_and_seek", "googlenet_resize"))),
    Row("cutmix", "CutMix", AugmentTable(steps=("cutmix",))),
    Row("input-dropout", "input dropout, in training only", _DROPOUT),
    Row(
        "input-dropout-at-test",
        "input dropout, in training and at test",
        replace(_DROPOUT, input_dropout=InputDropoutConfig(at_test=True)),
        training="input-dropout",
    ),
)


@dataclass(frozen=True)
class Run:
    """One row with one seed."""

    row: Row
    seed: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.row.name}-seed{self.seed}"


def chosen_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these names, all of them for none.

    Raises:
        UserError: there is no such row; the message names near ones.
    """
    by_name = {row.name: row for row in ROWS}
    for name in names:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"choose of {', '.join(by_name)}."
            raise UserError(f"There is no row {name!r}: {hint}")
    return tuple(row for row in ROWS if not names or row.name in names)


def ordered_runs(rows: Sequence[Row]) -> list[Run]:
    """All runs of `rows`, the most telling first: a table that is broken off compares what matters most.

    The first seed of the rows that have three, then the rows that have one, then the further seeds, seed by seed.
    """
    runs = [Run(row, seed) for row in rows for seed in row.seeds]
    return sorted(runs, key=lambda run: (run.seed, len(run.row.seeds) == 1))


def recipe_of(run: Run, base: Recipe) -> Recipe:
    """The recipe that trains `run`: `base` with its row's augmentation and its seed.

    Rows that share a training have one recipe, what they do at test being no part of it.
    """
    trained = next(row for row in ROWS if row.name == run.row.trained_as)
    return replace(
        base, name=f"{base.name}-{trained.name}", about=trained.label, seed=run.seed, augment=trained.augment
    )
