"""`python -m seekcam.studies.overlay_timing`: the page's overlay in Chromium, with and without inference.

The camera shows a clip whose frames carry their number. A server of its own notes the number of every frame that it
decodes, and the page that of every frame that a result was matched to: both must be the same. Ages are those that the
page shows: from a frame's capture until its drawing was asked for, which the browser may do somewhat later. In mode
"video", from its capture until the browser shows the annotated frame; there the page also reads the numbers of both
pictures, which takes time from it. The exit code is 1 when a bound is missed.
"""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from seekcam.localization.atomic import write_text
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.streamer.bench.bench_report import machine_load
from seekcam.streamer.bench.server_process import running_server
from seekcam.studies.floor_model import write_floor_model
from seekcam.studies.overlay_timing.browser import Traffic, open_page, start, traffic, watch
from seekcam.studies.overlay_timing.numbered import read_notes, write_clip
from seekcam.studies.overlay_timing.timing_report import Figures, figures, print_size, quality_verdicts, verdicts
from seekcam.studies.study import run
from seekcam.studies.verdict import Verdict, conclude

MODES = ("exact", "live", "video")
QUALITY_AFTER_S, QUALITY_S = 10.0, 30.0


async def _watch_modes(
    model: Path, clip: Path, size: str, modes: tuple[str, ...], seconds: float, *, echo: bool
) -> list[Figures]:
    notes = clip.with_suffix(".notes")
    program = ("-m", "seekcam.studies.overlay_timing.numbered_server", str(notes))
    async with running_server({"model": str(model)}, program) as server, open_page(server.url, clip, size) as page:
        await start(page, modes[0])
        watched = [await watch(page, server, mode, seconds) for mode in modes]
    seen = read_notes(notes)  # whole when the server has ended
    return [figures(each, seen, echo=echo) for each in watched]


async def _quality(model: Path, clip: Path, size: str) -> Traffic:
    async with running_server({"model": str(model)}) as server, open_page(server.url, clip, size) as page:
        await start(page, "video")
        return await traffic(page, QUALITY_AFTER_S, QUALITY_S)


def main(
    seconds: Annotated[float, typer.Option(min=2, help="How long each mode is watched.")] = 15,
    sizes: Annotated[str, typer.Option(help="Camera sizes that the page offers, with commas.")] = "640x480,1280x720",
    quality: Annotated[bool, typer.Option("--quality", help="Only the bitrates and keyframes of mode video.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Measure and print a table for each size."""
    console = Console(highlight=False)
    model = ModelLibrary().ensure(DEFAULT_MODEL)
    held: list[Verdict] = []
    written: dict[str, object] = {"load_before": machine_load()}
    console.print(f"load before: {machine_load()}")
    with TemporaryDirectory(prefix="seekcam-study-") as folder:
        floor = None if quality else write_floor_model(Path(folder) / "floor.onnx")
        for size in sizes.split(","):
            width, height = (int(part) for part in size.split("x"))
            clip = write_clip(Path(folder) / f"{size}.y4m", width, height)
            if floor is None:
                found = asyncio.run(_quality(model, clip, size))
                console.print(f"{size}, video, {QUALITY_S:g} s from {QUALITY_AFTER_S:g} s on: {found}")
                held += quality_verdicts(size, found)
                written[size] = asdict(found)
            else:
                runs = asyncio.run(_watch_modes(model, clip, size, MODES, seconds, echo=False))
                runs += asyncio.run(_watch_modes(floor, clip, size, MODES, seconds, echo=True))
                print_size(console, size, runs)
                held += verdicts(size, runs)
                written[size] = [asdict(run) for run in runs]
            clip.unlink()
    console.print(f"load after: {machine_load()}")
    if json_file is not None:
        written["bounds"] = [asdict(verdict) | {"kept": verdict.kept} for verdict in held]
        write_text(json_file, json.dumps(written, indent=1) + "\n")
    conclude(console, held)


if __name__ == "__main__":
    run("overlay_timing", main)
