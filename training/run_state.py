"""Where a run stands: what is kept in last.pt beside the weights, and whether it may be taken up again."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from seekcam.datasets.dataset import TRAIN, VALIDATION, PictureSet
from seekcam.training.checkpoint import Checkpoint, CheckpointError
from seekcam.training.curves import EpochRow
from seekcam.training.networks.catalogue import weights_origin
from seekcam.training.recipe import Recipe
from seekcam.training.run_folder import RunFolder, RunFolderError
from seekcam.training.validation import Validation

# What may change between two parts of a run: words, where it is computed, how far it goes, and in how many parts.
MAY_CHANGE = ("name", "about", "hardware", "schedule.epochs", "schedule.accumulate")

Score = tuple[float, float]  # validation Top-1 in percent, and the validation loss negated: more is better


@dataclass
class RunState:
    """A run between two steps."""

    epoch: int = 0  # epochs done
    position: int = 0  # steps done in the epoch that is under way
    loss_sum: float = 0.0  # over the pictures of those steps
    seconds: float = 0.0  # that those steps took
    pictures: int = 0  # that could be read for training; 0 before they are read
    rows: list[EpochRow] = field(default_factory=list)  # one for each epoch done
    best: Score | None = None  # None before the first epoch, or without a validation part
    best_epoch: int = 0  # that best.pt holds
    resumed: Checkpoint | None = None  # with the weights to go on from

    def row(self, steps: int, rate: float, loss: float, found: Validation | None, took: float) -> EpochRow:
        """What the epoch that is under way came to.

        Args:
            steps: of an epoch.
            rate: the trunk's learning rate at the last of them.
            loss: mean over the training pictures.
            found: on the validation part, if there is one.
            took: seconds for that.
        """
        return EpochRow(
            epoch=self.epoch + 1,
            step=(self.epoch + 1) * steps,
            learning_rate=rate,
            loss=loss,
            validation_loss=found.loss if found else None,
            validation_top1=found.top1 if found else None,
            validation_top5=found.top5 if found else None,
            seconds=round(self.seconds, 3),
            validation_seconds=round(took, 3) if found else 0.0,
        )

    def end_epoch(self, row: EpochRow) -> bool:
        """Count an epoch as done; whether it is the best so far, the newest one without a validation part."""
        self.epoch, self.position, self.loss_sum, self.seconds = row.epoch, 0, 0.0, 0.0
        self.rows.append(row)
        if row.validation_top1 is not None and row.validation_loss is not None:
            score = (row.validation_top1, -row.validation_loss)
            if self.best is not None and score <= self.best:
                return False
            self.best = score
        self.best_epoch = row.epoch
        return True

    def check_readable(self, pictures: int, folder: Path) -> None:
        """Note how many training pictures can be read.

        Raises:
            RunFolderError: the run was begun with more or fewer.
        """
        if self.pictures not in (0, pictures):
            raise RunFolderError(
                f"The run in {folder} was begun with {self.pictures} readable pictures and there are {pictures} now: "
                "bring them back, or train anew in another folder with --out."
            )
        self.pictures = pictures


def restored(run: RunFolder, recipe: Recipe, pictures: PictureSet, *, resume: bool) -> RunState:
    """The state to start from: that of `run.last` when it is there and `resume` is asked for.

    Raises:
        RunFolderError: there is a run and `resume` is not asked for, or it is one of another recipe or other pictures.
        CheckpointError: last.pt cannot be read.
    """
    if not run.last.is_file():
        return RunState()
    checkpoint = Checkpoint.load(run.last)
    if not checkpoint.progress:
        raise CheckpointError(
            f"{run.last} holds weights only, as best.pt does, and no state to go on from: train anew in another folder "
            "with --out, from these weights with --set network.weights=FILE."
        )
    epochs = checkpoint.recipe["schedule"]["epochs"]
    if not resume:
        stands = "a finished run" if checkpoint.epoch >= epochs else f"a run, at epoch {checkpoint.epoch} of {epochs}"
        raise RunFolderError(f"{run.path} holds {stands}: go on with --resume, or choose another folder with --out.")
    _check_recipe(run.path, checkpoint.recipe, recipe.to_dict())
    if checkpoint.progress["digest"] != pictures_digest(pictures):
        raise RunFolderError(
            f"The pictures in {pictures.root} are not those that the run in {run.path} began with: "
            "train anew in another folder with --out."
        )
    kept: Mapping[str, Any] = checkpoint.progress["state"]
    return RunState(
        epoch=checkpoint.epoch,
        rows=[EpochRow(**row) for row in kept["rows"]],
        best=None if kept["best"] is None else (kept["best"][0], kept["best"][1]),
        resumed=checkpoint,
        **{name: kept[name] for name in ("position", "loss_sum", "seconds", "pictures", "best_epoch")},
    )


def checkpoint_of(
    state: RunState,
    recipe: Recipe,
    pictures: PictureSet,
    network: Mapping[str, Tensor],
    *,
    step: int,
    optimiser: Mapping[str, Any] | None = None,
    precision: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """The checkpoint of a run: with what resuming needs when an `optimiser` state is given."""
    source, licence = weights_origin(recipe.network)
    row = state.rows[-1] if state.rows and not state.position else None  # within an epoch nothing is measured
    progress: dict[str, Any] = {}
    if optimiser is not None:
        kept = {name: value for name, value in vars(state).items() if name not in ("epoch", "rows", "resumed")}
        progress = {
            "state": {**kept, "rows": [asdict(row) for row in state.rows]},
            "digest": pictures_digest(pictures),
            "optimiser": optimiser,
            "precision": dict(precision or {}),
        }
    measured = {"validation_top1", "validation_top5", "validation_loss", "loss"}
    return Checkpoint(
        recipe=recipe.to_dict(),
        recipe_hash=recipe.digest(),
        classes=pictures.classes,
        class_ids=pictures.class_ids,
        network={name: value.detach().cpu() for name, value in network.items()},
        dataset=pictures.name,
        data_folder=str(pictures.root.resolve()),
        epoch=state.epoch,
        step=step,
        metrics={k: v for k, v in asdict(row).items() if k in measured and v is not None} if row else {},
        progress=progress,
        source=source,
        licence=licence,
    )


def pictures_digest(pictures: PictureSet) -> str:
    """A text that differs when the classes, the pictures' names or labels, or their order differ."""
    known = hashlib.sha256("\0".join(pictures.classes).encode())
    for part in (TRAIN, VALIDATION):
        for picture in pictures.parts.get(part, ()):
            path = picture.path
            name = path.relative_to(pictures.root) if path.is_relative_to(pictures.root) else Path(path.name)
            known.update(f"\0{part}\0{name.as_posix()}\0{picture.label}".encode())
    return known.hexdigest()


def _check_recipe(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    old, new = dict(_flat(before)), dict(_flat(now))
    for key in sorted(old.keys() | new.keys()):
        free = any(key == name or key.startswith(f"{name}.") for name in MAY_CHANGE)
        if not free and old.get(key) != new.get(key):
            raise RunFolderError(
                f"The run in {folder} was begun with {key} = {old.get(key)!r}, not {new.get(key)!r}: resume it as it "
                "is, or train anew in another folder with --out."
            )


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
