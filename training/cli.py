"""The training room's verb: `seekcam train`.

PyTorch is imported when training starts: asking for help stays quick.
"""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seekcam.training.fit import FitResult
    from seekcam.training.recipe import Recipe

DEFAULT_RECIPE = "has-mixed"
CROP_STEP = 32  # pixels: the networks' largest stride, which a crop of another size than the input must keep to


def register(app: typer.Typer) -> None:
    """Mount this room's verb on the `seekcam` command."""
    app.command()(train)


def _list_recipes(wanted: bool) -> None:
    if not wanted:
        return
    from seekcam.training.recipe_files import load_recipe, recipe_names

    width = max(map(len, recipe_names()))
    for name in recipe_names():
        typer.echo(f"{name:{width}}  {load_recipe(name).about}{' (default)' if name == DEFAULT_RECIPE else ''}")
    raise typer.Exit


def train(
    data: Annotated[Path, typer.Argument(help="A folder with one sub-folder of pictures for each class.")],
    recipe: Annotated[
        str, typer.Option(help=f"A recipe's name or TOML file; {DEFAULT_RECIPE} without it.", show_default=False)
    ] = "",
    out: Annotated[Path | None, typer.Option(help="The run's folder; runs/DATA-RECIPE without it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    epochs: Annotated[int | None, typer.Option(help="How often every picture is seen.")] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures of one step.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the network's input in pixels.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn at random.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="TABLE.NAME=VALUE", help="Any value of the recipe.")
    ] = None,
    recipes: Annotated[
        bool, typer.Option("--recipes", callback=_list_recipes, is_eager=True, help="List the recipes and leave.")
    ] = False,
) -> None:
    """Train a network on a folder of labelled pictures.

    Ctrl-C keeps the state; `--resume` goes on from there. Several processes:
    `torchrun --nproc-per-node N -m seekcam train DATA`.
    """
    from rich.console import Console

    from seekcam.datasets.read_pictures import read_pictures
    from seekcam.training.console import ConsoleReport

    given = {"schedule.epochs": epochs, "schedule.batch": batch, "seed": seed, "hardware.device": device}
    flags = [f"{name}={value}" for name, value in given.items() if value is not None]
    chosen, folder = _recipe_and_folder(data, recipe, out, resume, size, [*(changes or ()), *flags])
    pictures = read_pictures(data, validation=chosen.data.validation, seed=chosen.data.seed)
    from seekcam.training.fit import fit  # some seconds, which a mistyped folder should not wait for

    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started
    console = Console(quiet=not first)
    parts = ", ".join(f"{len(of_part)} for {part}" for part, of_part in pictures.parts.items())
    with ConsoleReport(console) as report:
        report.say(f"{pictures.name}: {len(pictures.classes)} classes, pictures: {parts}")
        report.say(f"recipe {chosen.name}, run folder {folder}")
        result = fit(pictures, chosen, folder, resume=resume, report=report)
        for line in closing_lines(result, folder):
            report.say(line)


def closing_lines(result: "FitResult", folder: Path) -> list[str]:
    """What the person gets, and the command that comes next."""
    from seekcam.localization.library import name_from

    row = result.best_row
    measured = "" if row.validation_top1 is None else f", Top-1 {row.validation_top1:.1f} % on the validation part"
    return [
        f"The best network is {result.best} (epoch {row.epoch} of {len(result.rows)}{measured}).",
        f"Next: seekcam export {shlex.quote(str(folder))}",
        f"Then: seekcam serve --model {name_from(folder.resolve().name)}",
    ]


def _recipe_and_folder(
    data: Path, name: str, out: Path | None, resume: bool, size: int | None, changes: list[str]
) -> "tuple[Recipe, Path]":
    """The recipe with all that the command line says, and the run's folder; a resumed run keeps the recipe it has."""
    from seekcam.training.recipe_files import load_recipe
    from seekcam.training.run_folder import RunFolder, RunFolderError

    stem = data.expanduser().resolve().name
    base = load_recipe(name or DEFAULT_RECIPE)
    folder = out or Path("runs") / f"{stem}-{base.name}"
    if resume:
        kept = RunFolder(folder).recipe
        if not kept.is_file():
            raise RunFolderError(
                f"There is no run in {folder} to resume: train without --resume, or name it with --out."
            )
        name = name or str(kept)
        base = load_recipe(name)
    if size is not None:
        # The crop keeps its share of the picture.
        resize = round(size * base.input.resize / base.input.size)
        crop = round(size * base.input.crop / base.input.size / CROP_STEP) * CROP_STEP
        changes = [f"input.resize={resize}", f"input.crop={crop}", *changes, f"input.size={size}"]
    return load_recipe(name or DEFAULT_RECIPE, changes), folder
