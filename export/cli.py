"""The export room's verbs: models list, show and build."""

import typer


def register(app: typer.Typer) -> None:
    """Mount this room's verbs on the `seekcam` command."""
