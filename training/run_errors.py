"""Why a training run ends early, each as a sentence that says what to do."""

import errno
import shlex
import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import torch

from seekcam.localization.errors import UserError
from seekcam.training.recipe import Recipe

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DivergedError(UserError):
    """The loss or a weight is no finite number any more."""

    code = "diverged"


class OutOfMemoryError(UserError):
    """A step does not fit into the memory of the device."""

    code = "out-of-memory"


class DiskFullError(UserError):
    """A file of the run could not be written."""

    code = "disk-full"


class InterruptedRunError(UserError):
    """The person, or the system, asked the run to end; it can be taken up again."""

    code = "interrupted"

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class StopRequest:
    """While open, the first Ctrl-C or SIGTERM is only noted in `number`; the second Ctrl-C ends the program at once.

    Outside the main thread, where signals cannot be caught, nothing is.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal.signal gave

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        signal.signal(signal.SIGINT, signal.default_int_handler)


def diverged(recipe: Recipe, epoch: int, last: Path) -> DivergedError:
    """For a loss that is not finite in `epoch` (from 1)."""
    rate = recipe.optimiser.learning_rate
    kept = f"; {last} holds the last good state" if last.is_file() else ""
    return DivergedError(
        f"The training diverged in epoch {epoch}: its loss is NaN or infinite{kept}. Train anew with a lower rate, "
        f"such as --set optimiser.learning_rate={rate / 10:.2g} (it was {rate:g}), or with a warm-up: "
        "--set schedule.warmup=1."
    )


def interrupted(pictures: Path, folder: Path, epoch: int, step: int, number: int) -> InterruptedRunError:
    """For a run that was stopped by signal `number` with so many epochs done, and steps of the next."""
    return InterruptedRunError(
        f"stopped after epoch {epoch}{f' and {step} steps' if step else ''}; go on with: "
        f"seekcam train {shlex.quote(str(pictures))} --out {shlex.quote(str(folder))} --resume",
        number,
    )


def as_sentence(error: Exception, recipe: Recipe, folder: Path) -> UserError | None:
    """The `UserError` that says what to do about `error`; None when it is a defect of ours."""
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return DiskFullError(
            f"{folder} could not be written ({error.strerror}): make room; what was saved before is whole, and "
            "--resume goes on from there."
        )
    if _is_out_of_memory(error):
        schedule, side = recipe.schedule, recipe.input.size
        return OutOfMemoryError(
            f"A step of {schedule.batch} pictures in {schedule.accumulate} part{'s' * (schedule.accumulate > 1)} at "
            f"{side} x {side} does not fit into memory: give --set schedule.accumulate={2 * schedule.accumulate} "
            f"(the same result in less memory), a smaller --batch, or a smaller --size."
        )
    return None


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # On the CPU, and on Apple's GPU, torch raises a plain RuntimeError.
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in said for words in ("can't allocate memory", "not enough memory", "out of memory")
    )
