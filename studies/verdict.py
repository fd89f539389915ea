"""A measured figure against the bound that acceptance sets, and what a script says of them: exit code 1 for a miss."""

from collections.abc import Sequence
from dataclasses import dataclass

import typer
from rich.console import Console


@dataclass(frozen=True)
class Verdict:
    """A figure against its bound; where one of them could not be measured (None), it is missed."""

    what: str
    value: float | None
    bound: float | None
    unit: str
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the bound is kept."""
        if self.value is None or self.bound is None:
            return False
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        value, bound = ("not measured" if each is None else f"{each:.4g}" for each in (self.value, self.bound))
        sign = "≥" if self.at_least else "≤"
        return f"{self.what}: {value} {sign} {bound} {self.unit}: {'kept' if self.kept else 'MISSED'}"


def conclude(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print them.

    Raises:
        typer.Exit: with code 1, when a bound is missed.
    """
    for verdict in verdicts:
        console.print(str(verdict))
    if not all(verdict.kept for verdict in verdicts):
        raise typer.Exit(1)
