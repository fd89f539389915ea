"""What a session costs the server in each return mode: processor time, with the model and without.

`python -m seekcam.studies.overlay_cost` sends 30 frames a second to servers of its own through real peer connections,
in mode "video" and in mode "overlay" in turns, so that whatever else the machine does falls on both; the median over
the rounds counts. "Without inference" runs the same server with a model that answers without looking
(`floor_model.py`). The exit code is 1 when overlay mode costs more than its bound there.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.streamer.bench.bench_report import machine_load
from seekcam.streamer.bench.end_to_end import measure_end_to_end
from seekcam.streamer.bench.moving_photograph import MovingPhotograph
from seekcam.streamer.bench.server_process import BenchError, running_server
from seekcam.streamer.viewers.outputs import MODES, Mode
from seekcam.studies.floor_model import write_floor_model
from seekcam.studies.study import run
from seekcam.studies.verdict import Verdict, conclude

FPS = 30.0
FLOOR = "none"  # the model of "without inference"
BOUND = 0.4  # of video mode's cost, without inference


@dataclass(frozen=True)
class Cost:
    """One session's round: processor use in % of one core, results a second, and their latency in milliseconds."""

    cpu: float
    fps: float
    p50: float
    p95: float


async def _cost(model: Path, mode: Mode, clip: MovingPhotograph, seconds: float) -> Cost:
    async with running_server({"model": str(model), "provider": "cpu"}) as server:
        results, cpu = await measure_end_to_end(server, clip, FPS, seconds, 1, mode)
    if cpu is None:
        raise BenchError("Processor time is read from /proc, which this system does not have.")
    latency = results[0].latency_ms
    return Cost(cpu, results[0].fps_back, latency.p50, latency.p95)


def _median(costs: list[Cost], name: str) -> float:
    values: list[float] = [getattr(cost, name) for cost in costs]
    return median(values)


def main(
    seconds: Annotated[float, typer.Option(min=2, help="How long each session runs.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="How often each mode has its turn.")] = 3,
    sizes: Annotated[str, typer.Option(help="Frame sizes with commas between them.")] = "640x480,1280x720",
) -> None:
    """Measure and print the table."""
    console = Console()
    held: list[Verdict] = []
    table = Table(title=f"server, % of one core for one session at {FPS:g} fps (median of {rounds})")
    for heading in ("size", "model", "video", "overlay", "overlay / video", "fps", "latency p50 / p95, ms"):
        table.add_column(heading, justify="right")
    console.print(f"load before: {machine_load()}")
    with TemporaryDirectory(prefix="seekcam-study-") as folder:
        models = {
            FLOOR: write_floor_model(Path(folder) / "floor.onnx"),
            DEFAULT_MODEL: ModelLibrary().ensure(DEFAULT_MODEL),
        }
        for size in sizes.split(","):
            width, height = (int(part) for part in size.split("x"))
            clip = MovingPhotograph(width, height)
            for name, model in models.items():
                costs: dict[Mode, list[Cost]] = {mode: [] for mode in MODES}
                for number in range(rounds * len(MODES)):
                    mode = MODES[number % len(MODES)]
                    with console.status(f"{size}, {name}, {mode}, round {number // len(MODES) + 1} of {rounds}"):
                        costs[mode].append(asyncio.run(_cost(model, mode, clip, seconds)))
                cpu = {mode: _median(costs[mode], "cpu") for mode in MODES}
                ratio = cpu["overlay"] / cpu["video"]
                if name == FLOOR:
                    held.append(Verdict(f"{size} without inference, overlay", ratio, BOUND, "of video mode's cost"))
                table.add_row(
                    size,
                    name,
                    *(f"{cpu[mode]:.1f}" for mode in MODES),
                    f"{ratio:.2f}",
                    " / ".join(f"{_median(costs[mode], 'fps'):.1f}" for mode in MODES),
                    ", ".join(
                        f"{mode} {_median(costs[mode], 'p50'):.1f} / {_median(costs[mode], 'p95'):.1f}"
                        for mode in MODES
                    ),
                )
    console.print(table)
    console.print(f"load after: {machine_load()}")
    conclude(console, held)


if __name__ == "__main__":
    run("overlay_cost", main)
