"""A study as a command: `python -m seekcam.studies.NAME`."""

import sys
from collections.abc import Callable

import typer

from seekcam.localization.errors import UserError


def run(name: str, main: Callable[..., None]) -> None:
    """Run `main` with the command line's arguments; what the user can mend is one sentence and an exit code."""
    try:
        typer.run(main)
    except UserError as error:
        typer.echo(f"{name}: {error}", err=True)
        sys.exit(error.exit_code)
