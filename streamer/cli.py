"""The streaming room's verbs: serve, annotate, bench, doctor.

Each verb imports what it needs when it runs: asking for help stays quick.
"""

import typer


def register(app: typer.Typer) -> None:
    """Mount this room's verbs on the `seekcam` command."""
