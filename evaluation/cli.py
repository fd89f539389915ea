"""The evaluation's verb: `seekcam evaluate` scores a model file on labelled pictures.

It imports what it needs when it runs: asking for help stays quick.
"""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Mount this room's verbs on the `seekcam` command."""
    app.command()(evaluate)


def evaluate(
    model: Annotated[str, typer.Argument(help="A model's name or file.")],
    data: Annotated[Path, typer.Option(help="A folder of labelled pictures, in any layout that `train` reads.")],
    map_kind: Annotated[
        str, typer.Option("--map", help="objectness, spread, plain or foreground; without one, the model's own.")
    ] = "",
    method: Annotated[str, typer.Option(help="Map method; without one, the model's own.")] = "",
    box: Annotated[str, typer.Option(help="largest, components or two_stage.")] = "largest",
    threshold: Annotated[str, typer.Option(help="Of the box: 0 to 1, otsu or card.")] = "",
    min_score: Annotated[str, typer.Option(help="Below it nothing is asserted; without one, the model's own.")] = "",
    part: Annotated[
        str | None, typer.Option(help="train, validation, test or all; without one, the most honest there is.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Boxes: COCO JSON, a folder of VOC XML, or wsolevaluation's localization.txt.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many pictures, evenly spread.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the scores to this file (an old one is replaced).")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a line for each class to this file.")] = None,
    grid: Annotated[Path | None, typer.Option(help="Write hits and misses to this .jpg or .png.")] = None,
    compare: Annotated[
        str, typer.Option(help="MODEL, :METHOD, :MAP or all three: scored too, with paired differences.")
    ] = "",
    provider: Annotated[str, typer.Option(help="auto, cpu, cuda or tensorrt.")] = "auto",
) -> None:
    """Score a model file on labelled pictures: exactly what streams is what is scored."""
    from rich.console import Console

    from seekcam.evaluation.evaluate_verb import EvaluateOptions
    from seekcam.evaluation.evaluate_verb import evaluate as score

    options = EvaluateOptions(
        model=model,
        data=data,
        settings={"map": map_kind, "method": method, "box": box, "threshold": threshold, "min_score": min_score},
        part=part,
        annotations=annotations,
        limit=limit,
        json=json,
        csv=csv,
        grid=grid,
        provider=provider,
        compare=compare,
    )
    code = score(options, Console(), Console(stderr=True))
    if code:
        raise typer.Exit(code)
