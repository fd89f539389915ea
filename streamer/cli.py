"""The streaming room's verbs: serve, annotate, bench, doctor.

Each verb imports what it needs when it runs: asking for help stays quick.
"""

from pathlib import Path
from typing import Annotated

import typer

from localization.library import DEFAULT_MODEL


def register(app: typer.Typer) -> None:
    """Mount this room's verbs on the `seekcam` command."""
    app.command()(bench)


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
    slow_ms: Annotated[float, typer.Option(min=0, help="Slow the model down by so much a frame (end to end).")] = 0,
) -> None:
    """Measure frames per second and milliseconds per stage."""
    from rich.console import Console

    from streamer.bench.command import BenchOptions, bench_end_to_end, bench_stages, parse_batches

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
    )
    (bench_end_to_end if end_to_end else bench_stages)(options, Console())
