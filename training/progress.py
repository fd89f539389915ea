"""What a run tells while it goes on: a protocol, and the report that is silent."""

from typing import Protocol

from seekcam.training.curves import EpochRow


class Report(Protocol):
    """Told by `fit` how far it is; of several processes only the first one tells."""

    def say(self, text: str) -> None:
        """One line for the person."""

    def reading(self, done: int, total: int) -> None:
        """So many of the pictures are read."""

    def begin(self, epochs: int, steps: int, done: int) -> None:
        """Training starts: `epochs` of `steps` steps each, `done` steps of all those are done."""

    def step(self, epoch: int, done: int, loss: float, rate: float) -> None:
        """`done` steps of `epoch` (from 1) are done; `loss` is the mean over the epoch so far."""

    def epoch(self, row: EpochRow) -> None:
        """An epoch is done."""


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def reading(self, done: int, total: int) -> None:
        """Nothing."""

    def begin(self, epochs: int, steps: int, done: int) -> None:
        """Nothing."""

    def step(self, epoch: int, done: int, loss: float, rate: float) -> None:
        """Nothing."""

    def epoch(self, row: EpochRow) -> None:
        """Nothing."""
