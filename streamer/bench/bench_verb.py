"""`seekcam bench`: put a measurement together from its options."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seekcam.localization.errors import UserError
from seekcam.localization.library import ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.settings import AnalysisSettings
from seekcam.streamer.bench import bench_report as report
from seekcam.streamer.bench import moving_photograph as clips
from seekcam.streamer.bench.end_to_end import EndToEndResult, measure_end_to_end
from seekcam.streamer.bench.server_process import running_server
from seekcam.streamer.bench.stages import measure_stages
from seekcam.streamer.viewers.outputs import MODES, Mode

MAX_BATCH = 16  # the exported graphs' largest


@dataclass(frozen=True)
class BenchOptions:
    """What `seekcam bench` was asked for; None takes the fitting default."""

    model: str
    provider: str
    width: int
    height: int
    seconds: float
    batches: tuple[int, ...]
    picture: Path | None
    json: Path | None
    plot: Path | None
    fps: float
    sessions: int
    slow_ms: float
    mode: Mode = "video"


def parse_batches(text: str) -> tuple[int, ...]:
    """Batch sizes out of `1,2,4`.

    Raises:
        UserError: something that is no batch size.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MAX_BATCH for part in parts):
        raise UserError(f"--batch takes sizes from 1 to {MAX_BATCH} with commas between them, such as 1,2,4.")
    return tuple(dict.fromkeys(int(part) for part in parts))


def parse_mode(text: str) -> Mode:
    """A way back out of its name.

    Raises:
        UserError: there is none of that name.
    """
    mode = next((mode for mode in MODES if mode == text), None)
    if mode is None:
        raise UserError(f"--mode takes {' or '.join(MODES)}, not {text!r}.")
    return mode


def bench_stages(options: BenchOptions, console: Console) -> None:
    """Measure resize, graph, boxes and paint in this process."""
    model = LocalizationModel(ModelLibrary().ensure(options.model), options.provider)
    clip = _clip(options)
    setup = report.setup_of(model, options.width, options.height)
    results = []
    with console.status("Measuring") as status:
        for batch in options.batches:
            status.update(f"Measuring batch {batch} for {options.seconds:g} s")
            results.append(measure_stages(model, clip, batch, options.seconds, AnalysisSettings()))
    report.print_stages(console, setup, results)
    report.print_machine(console, setup)
    if options.json:
        report.write_json(options.json, setup, stages=results)
    if options.plot:
        report.plot_stages(options.plot, setup, results)


def bench_end_to_end(options: BenchOptions, console: Console) -> None:
    """Measure through real peer connections to a server in a child process."""
    file = ModelLibrary().ensure(options.model)
    # Loaded here only for a while: to say what the server will run on, and to fail early where it cannot.
    setup = report.setup_of(LocalizationModel(file, options.provider), options.width, options.height, options.slow_ms)
    clip = _clip(options)
    settings = {
        "model": str(file.absolute()),
        "provider": options.provider,
        "slow_ms": str(options.slow_ms),
        "max_sessions": str(options.sessions),
    }

    async def measure() -> tuple[Sequence[EndToEndResult], float | None]:
        async with running_server(settings) as server:
            return await measure_end_to_end(server, clip, options.fps, options.seconds, options.sessions, options.mode)

    with console.status(f"Sending {options.fps:g} frames a second for {options.seconds:g} s"):
        results, cpu = asyncio.run(measure())
    report.print_end_to_end(console, setup, options.fps, results, cpu, options.mode)
    report.print_machine(console, setup)
    if options.json:
        report.write_json(
            options.json,
            setup,
            end_to_end=results,
            mode=options.mode,
            fps_in=options.fps,
            server_cpu_percent=cpu,
        )
    if options.plot:
        report.plot_end_to_end(options.plot, setup, results)


def _clip(options: BenchOptions) -> clips.MovingPhotograph:
    picture = clips.photograph(options.picture) if options.picture else None
    return clips.MovingPhotograph(options.width, options.height, picture)
