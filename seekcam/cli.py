"""The front door: mounts the rooms' verbs on the one command `seekcam`.

A room is imported only when one of its verbs is called, so that `seekcam serve` never imports torch and
`seekcam --help` imports no room at all. A `UserError` becomes one sentence on stderr and an exit code.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from seekcam.localization.errors import UserError

ROOMS = {
    "seekcam.streamer.cli": {
        "serve": "Show live localization in a browser.",
        "annotate": "Localize in pictures, folders, videos or a camera, and write annotated files.",
        "bench": "Measure frames per second and milliseconds per stage.",
        "doctor": "Look at this machine and say what works and what to do.",
    },
    "seekcam.training.cli": {
        "train": "Train a network on a folder of labelled pictures.",
    },
    "seekcam.export.cli": {
        "export": "Make a model file out of a training's checkpoint, and calibrate it.",
        "train-objectness": "Fit a head that tells what is a thing at all, without boxes.",
        "models": "List, show and build model files.",
    },
    "seekcam.studies.results.cli": {
        "results": "Train and score the rows of the results table, and write docs/results/.",
    },
    "seekcam.evaluation.cli": {
        "evaluate": "Score a model file on labelled pictures.",
    },
}  # room's module -> verb -> one line of help


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """The command with the real verbs of the room that `arguments` call, or with a list of all verbs."""
    app = typer.Typer(
        name="seekcam",
        help="Live class activation maps and boxes on webcam frames.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",  # plain brackets in help texts stay as they are
    )
    app.callback()(_options)
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for room, verbs in ROOMS.items():
        if called in verbs:
            importlib.import_module(room).register(app)
            return app
    for verbs in ROOMS.values():
        for verb, line in verbs.items():
            app.command(verb, help=line)(_listed)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends in `SystemExit`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        build_app(arguments)(list(arguments), prog_name="seekcam")
    except UserError as error:
        typer.echo(f"seekcam: {error}", err=True)
        sys.exit(error.exit_code)


def _listed() -> None:
    """Stand in for a verb on the help page; calling a verb always mounts its room instead."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seekcam {version('seekcam')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
