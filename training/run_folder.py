"""The folder of a training run, and what lies in it.

    recipe.toml      every number of the run
    metrics.csv      one line for each epoch
    curves.png       the same as curves
    last.pt          the newest state, to go on from
    best.pt          the weights with the best Top-1 on the validation part (the newest where there is none)
    tensorboard/     the same numbers for `tensorboard --logdir`

Every file but TensorBoard's is replaced in one step: whatever happens, it is the old one or the new one.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from seekcam.localization.atomic import replace_file
from seekcam.localization.errors import UserError
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.curves import EpochRow, curves_png, rows_csv
from seekcam.training.recipe import Recipe
from seekcam.training.recipe_files import recipe_text


class RunFolderError(UserError):
    """A run folder is taken, holds another run, or cannot be written."""

    code = "bad-run-folder"


class RunFolder:
    """A run's folder on disk.

    Raises:
        RunFolderError: by every method that writes, when the disk is full or the folder is closed to us.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.toml"
        self.metrics = path / "metrics.csv"
        self.curves = path / "curves.png"
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.tensorboard = path / "tensorboard"

    def begin(self, recipe: Recipe) -> None:
        """Make the folder and write the recipe."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_write("the run folder", error) from error
        self._write(self.recipe, recipe_text(recipe).encode())

    def save(self, checkpoint: Checkpoint, path: Path) -> None:
        """Write a checkpoint to `path`, which is `last` or `best`."""
        try:
            checkpoint.save(path)
        except OSError as error:
            raise self._cannot_write(path.name, error) from error

    def record(self, rows: Sequence[EpochRow], *, draw: bool = True) -> None:
        """Write the metrics of all epochs so far, and draw their curves."""
        self._write(self.metrics, rows_csv(rows).encode())
        if draw:
            self._write(self.curves, curves_png(rows))

    def scalars(self, step: int, wanted: bool) -> "Scalars":
        """TensorBoard's file, open from `step` on: what an earlier part of the run wrote after that step is void."""
        return Scalars(self.tensorboard if wanted else None, step)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            replace_file(path, content)
        except OSError as error:
            raise self._cannot_write(path.name, error) from error

    def _cannot_write(self, what: str, error: OSError) -> RunFolderError:
        return RunFolderError(
            f"{what} could not be written in {self.path} ({error.strerror or error}): make room or choose another "
            "folder with --out; what was saved before is whole, and --resume goes on from there."
        )


class Scalars:
    """The numbers of each epoch in TensorBoard's file; nothing when the folder is None."""

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer = None if folder is None else SummaryWriter(str(folder), purge_step=step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, row: EpochRow) -> None:
        """Write an epoch's numbers, over its last step."""
        if self._writer is None:
            return
        for name, value in asdict(row).items():
            if name not in ("epoch", "step") and value is not None:
                group, _, rest = name.partition("_") if name.startswith("validation_") else ("training", "", name)
                self._writer.add_scalar(f"{group}/{rest}", value, row.step)
        self._writer.flush()
