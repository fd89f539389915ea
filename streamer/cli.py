"""The streaming room's verbs: serve, annotate, bench, doctor.

Each verb imports what it needs when it runs: asking for help stays quick.
"""

from pathlib import Path
from typing import Annotated

import typer

from seekcam.localization.library import DEFAULT_MODEL
from seekcam.streamer.doctor import doctor
from seekcam.streamer.serve_cli import serve


def register(app: typer.Typer) -> None:
    """Mount this room's verbs on the `seekcam` command."""
    app.command()(serve)
    app.command()(doctor)
    app.command()(bench)
    app.command()(annotate)


def bench(
    model: Annotated[str, typer.Option(help="A model's name or file.")] = DEFAULT_MODEL,
    provider: Annotated[str, typer.Option(help="auto, cpu, cuda or tensorrt.")] = "auto",
    batch: Annotated[str, typer.Option(help="Batch sizes with commas between them.")] = "1,2,4",
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long to measure each of them.")] = 10,
    width: Annotated[int, typer.Option(help="Pixels of a frame.")] = 640,
    height: Annotated[int, typer.Option(help="Pixels of a frame.")] = 480,
    picture: Annotated[Path | None, typer.Option(help="The photograph that moves; without it, a portrait.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything measured to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot to this PNG file.")] = None,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="Measure through a real peer connection to a server on 127.0.0.1.")
    ] = False,
    fps: Annotated[float, typer.Option(min=1, max=120, help="Frames a second to send (end to end).")] = 30,
    sessions: Annotated[int, typer.Option(min=1, max=64, help="Cameras at the same time (end to end).")] = 1,
    mode: Annotated[str, typer.Option(help="What comes back: video, or overlay's maps (end to end).")] = "video",
    slow_ms: Annotated[float, typer.Option(min=0, help="Slow the model down by so much a frame (end to end).")] = 0,
) -> None:
    """Measure frames per second and milliseconds per stage."""
    from rich.console import Console

    from seekcam.streamer.bench.bench_verb import (
        BenchOptions,
        bench_end_to_end,
        bench_stages,
        parse_batches,
        parse_mode,
    )

    options = BenchOptions(
        model=model,
        provider=provider,
        width=width,
        height=height,
        seconds=seconds,
        batches=parse_batches(batch),
        picture=picture,
        json=json,
        plot=plot,
        fps=fps,
        sessions=sessions,
        slow_ms=slow_ms,
        mode=parse_mode(mode),
    )
    (bench_end_to_end if end_to_end else bench_stages)(options, Console())


def annotate(
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="A picture, a folder of them, a video, a camera (0, /dev/video0).")
    ],
    output: Annotated[
        Path | None, typer.Argument(metavar="[OUTPUT]", help="Without one: INPUT.annotated in the current folder.")
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name or file.")] = DEFAULT_MODEL,
    classes: Annotated[str, typer.Option(help='Names or indices with commas between them, or "top".')] = "top",
    top_k: Annotated[str, typer.Option(help="Length of the ranking, 1 to 5.")] = "5",
    method: Annotated[str, typer.Option(help="Map method; without one, the model's own.")] = "",
    map_kind: Annotated[
        str, typer.Option("--map", help="objectness, spread, plain or foreground; without one, the model's own.")
    ] = "",
    box: Annotated[str, typer.Option(help="largest, components, two_stage or none.")] = "largest",
    threshold: Annotated[str, typer.Option(help="Of the box: 0 to 1, otsu or card.")] = "",
    min_score: Annotated[str, typer.Option(help="Below it nothing is asserted; without one, the model's own.")] = "",
    compare: Annotated[
        str, typer.Option(metavar="MODEL[:METHOD]", help="A second model or method (:METHOD), shown beside the first.")
    ] = "",
    opacity: Annotated[str, typer.Option(help="Of the map, 0 to 1.")] = "0.5",
    colormap: Annotated[str, typer.Option(help="turbo, jet, viridis or inferno.")] = "turbo",
    boxes: Annotated[bool, typer.Option(help="Draw the boxes.")] = True,
    labels: Annotated[bool, typer.Option(help="Write the class and score.")] = True,
    mirror: Annotated[bool, typer.Option(help="Turn left and right around.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write each frame's prediction to this file, a line each.")] = None,
    provider: Annotated[str, typer.Option(help="auto, cpu, cuda or tensorrt.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Localize in pictures, folders, videos or a camera, and write annotated files.

    A folder or a video that was interrupted goes on where it was. A camera is recorded until Ctrl-C.
    """
    from rich.console import Console

    from seekcam.streamer.annotate.annotate_verb import run

    chosen: dict[str, object] = {
        "model": model, "classes": classes, "top_k": top_k, "method": method, "map": map_kind, "box": box,
        "threshold": threshold, "min_score": min_score, "compare": compare, "opacity": opacity,
        "colormap": colormap, "boxes": boxes, "labels": labels, "mirror": mirror,
    }  # fmt: skip
    code = run(source, output, json, chosen, provider, overwrite, Console(stderr=True))
    if code:
        raise typer.Exit(code)
