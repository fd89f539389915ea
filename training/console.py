"""`ConsoleReport`: a run's progress in the terminal, or one line for each epoch where there is none."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from seekcam.training.curves import EpochRow


class ConsoleReport:
    """Two bars while open, one over the epoch and one over the run; where the console is no terminal, lines only."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._reading: TaskID | None = None
        self._run: TaskID | None = None
        self._epoch: TaskID | None = None
        self._epochs = self._steps = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """One line, above the bars."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def reading(self, done: int, total: int) -> None:
        """A bar of its own, gone when all pictures are read."""
        if self._reading is None:
            self._reading = self._progress.add_task("reading", total=total, note="pictures")
        self._progress.update(self._reading, completed=done)
        if done == total:
            self._progress.remove_task(self._reading)
            self._reading = None

    def begin(self, epochs: int, steps: int, done: int) -> None:
        """Show the bars."""
        self._epochs, self._steps = epochs, steps
        self._run = self._progress.add_task("run", total=epochs * steps, completed=done, note="steps")
        self._epoch = self._progress.add_task(
            self._named(done // steps + 1), total=steps, completed=done % steps, note=""
        )

    def step(self, epoch: int, done: int, loss: float, rate: float) -> None:
        """Move the bars."""
        if self._run is None or self._epoch is None:
            return
        note = f"loss {loss:.3f}  rate {rate:.2g}"
        self._progress.update(self._epoch, description=self._named(epoch), completed=done, note=note)
        self._progress.update(self._run, completed=(epoch - 1) * self._steps + done)

    def epoch(self, row: EpochRow) -> None:
        """A line that stays."""
        self.say(f"{self._named(row.epoch)}: {epoch_line(row)}")

    def _named(self, epoch: int) -> str:
        return f"epoch {epoch}/{self._epochs}"


def epoch_line(row: EpochRow) -> str:
    """An epoch's numbers for a person: `loss 0.652, validation loss 0.431, Top-1 88.9 %, 12.3 s`."""
    parts = [f"loss {row.loss:.3f}"]
    if row.validation_loss is not None:
        parts.append(f"validation loss {row.validation_loss:.3f}")
    if row.validation_top1 is not None:
        parts.append(f"Top-1 {row.validation_top1:.1f} %")
    if row.validation_top5 is not None:
        parts.append(f"Top-5 {row.validation_top5:.1f} %")
    parts.append(f"{row.seconds + row.validation_seconds:.1f} s")
    return ", ".join(parts)
