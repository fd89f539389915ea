"""What was measured, as a table for the person, one JSON object, and a plot."""

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from seekcam.localization.atomic import write_text
from seekcam.localization.errors import UserError
from seekcam.localization.model import LocalizationModel
from seekcam.streamer.bench.end_to_end import EndToEndResult
from seekcam.streamer.bench.stages import STAGES, StageResult
from seekcam.streamer.viewers.outputs import Mode

COLOURS = ("#3b6fb6", "#e8973a", "#7a9a4b", "#a8517a")


@dataclass(frozen=True)
class Setup:
    """What was measured, and on what."""

    model: str
    precision: str
    input_size: int
    provider: str
    provider_reason: str
    width: int
    height: int
    slow_ms: float = 0.0  # milliseconds added to each frame's inference
    load: float | None = None  # processes that wanted to run, over the minute before; None on Windows
    cores: int = os.cpu_count() or 1
    machine: str = platform.machine()
    system: str = platform.system()
    python: str = platform.python_version()
    seekcam: str = version("seekcam")


def setup_of(model: LocalizationModel, width: int, height: int, slow_ms: float = 0.0) -> Setup:
    """The setup of a loaded model."""
    card = model.card
    return Setup(
        model=card.name,
        precision=card.precision,
        input_size=card.input_size,
        provider=model.provider,
        provider_reason=model.provider_reason,
        width=width,
        height=height,
        slow_ms=slow_ms,
        load=machine_load(),
    )


def machine_load() -> float | None:
    """The system's load average over the last minute; None where there is no such thing."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def print_machine(console: Console, setup: Setup) -> None:
    """What ran the model and why, and whether something else ran too."""
    console.print(f"provider: {setup.provider} ({setup.provider_reason})")
    if setup.load is not None and setup.load > setup.cores / 2:
        console.print(
            f"This machine was busy before the measurement (load {setup.load:g} on {setup.cores} cores), so the "
            "numbers are worse than it can do."
        )


def print_stages(console: Console, setup: Setup, results: Sequence[StageResult]) -> None:
    """One row per batch size; milliseconds are p50 / p95 per frame."""
    table = Table(
        title=_title(setup), caption="ms per frame, p50 / p95; one frame after the other, without video codecs"
    )
    for heading in ("batch", "fps", *STAGES):
        table.add_column(heading, justify="right")
    for result in results:
        cells = [f"{result.ms[stage].p50:.2f} / {result.ms[stage].p95:.2f}" for stage in STAGES]
        table.add_row(str(result.batch), f"{result.fps:.1f}", *cells)
    console.print(table)


def print_end_to_end(
    console: Console, setup: Setup, fps: float, results: Sequence[EndToEndResult], cpu: float | None, mode: Mode
) -> None:
    """One column per session, and what the numbers hold."""
    rows: dict[str, Callable[[EndToEndResult], str]] = {
        "frames sent": lambda r: f"{r.sent} ({r.fps_sent:.1f} fps)",
        "frames back": lambda r: f"{r.returned + r.unreadable} ({r.fps_back:.1f} fps)",
        "dropped by the server": lambda r: str(r.server.get("dropped", "?")),
        "latency p50": lambda r: f"{r.latency_ms.p50:.1f} ms",
        "latency p95": lambda r: f"{r.latency_ms.p95:.1f} ms",
        f"median, first {results[0].window_s:g} s": lambda r: f"{r.latency_first_ms:.1f} ms",
        f"median, last {results[0].window_s:g} s": lambda r: f"{r.latency_last_ms:.1f} ms",
    }
    console.print(f"{_title(setup)}, {fps:g} fps in, mode {mode}")
    table = Table()
    table.add_column("")
    for number in range(1, len(results) + 1):
        table.add_column(f"session {number}", justify="right")
    for name, cell in rows.items():
        table.add_row(name, *(cell(result) for result in results))
    console.print(table)
    result = results[0]
    console.print(f"server stages (medians, ms): {json.dumps(result.server.get('ms', {}))}")
    console.print("server CPU: " + ("not measured (no /proc here)" if cpu is None else f"{cpu:g} % of one core"))
    if mode == "overlay":
        console.print(
            "Latency is encode, send, localize and the message back, which a page would paint next; the client shares "
            f"this machine's {setup.cores} cores with the server."
        )
        return
    release = "on the last packet, as browsers do" if result.early_release else "one frame late, as stock aiortc does"
    console.print(
        f"Latency is encode, send, localize, paint, encode, send and decode; the client releases frames {release}, and "
        f"shares this machine's {setup.cores} cores with the server."
    )


def write_json(
    file: Path,
    setup: Setup,
    stages: Sequence[StageResult] = (),
    end_to_end: Sequence[EndToEndResult] = (),
    **extra: Any,
) -> None:
    """Everything that was measured, frame by frame for the end-to-end run.

    Raises:
        UserError: the file cannot be written.
    """
    document = {
        "setup": asdict(setup),
        "stages": [asdict(result) for result in stages],
        "end_to_end": [asdict(result) for result in end_to_end],
        **extra,
    }
    write_text(file, json.dumps(document, indent=1) + "\n")


def plot_stages(file: Path, setup: Setup, results: Sequence[StageResult]) -> None:
    """A bar per batch size, its stages one above the other, median milliseconds per frame."""
    figure, axes = _canvas(setup)
    names = [str(result.batch) for result in results]
    base = [0.0] * len(results)
    for stage, colour in zip(STAGES, COLOURS, strict=True):
        heights = [result.ms[stage].p50 for result in results]
        axes.bar(names, heights, bottom=base, color=colour, label=stage, width=0.6)
        base = [low + height for low, height in zip(base, heights, strict=True)]
    for index, result in enumerate(results):
        axes.text(index, base[index], f"{result.fps:.0f} fps", ha="center", va="bottom")
    axes.set_xlabel("batch")
    axes.set_ylabel("ms per frame (median)")
    axes.margins(y=0.15)
    axes.legend(ncols=len(STAGES), frameon=False, loc="upper center")
    _save(figure, file)


def plot_end_to_end(file: Path, setup: Setup, results: Sequence[EndToEndResult]) -> None:
    """The latency of every frame over time."""
    figure, axes = _canvas(setup)
    for number, result in enumerate(results):
        at, latency = [f.at for f in result.frames], [f.latency_ms for f in result.frames]
        label = f"session {number + 1}: {result.fps_back:.1f} fps back, p95 {result.latency_ms.p95:.0f} ms"
        axes.plot(at, latency, ".", markersize=3, color=COLOURS[number % len(COLOURS)], label=label)
    axes.set_xlabel("seconds")
    axes.set_ylabel("latency, ms")
    axes.set_ylim(bottom=0)
    axes.margins(y=0.2)
    axes.legend(frameon=False, loc="upper right")
    _save(figure, file)


def _title(setup: Setup) -> str:
    slow = f" + {setup.slow_ms:g} ms" if setup.slow_ms else ""
    return (
        f"{setup.model} {setup.precision} at {setup.input_size}{slow}, {setup.provider}, "
        f"{setup.width}x{setup.height}, {setup.cores} cores"
    )


def _canvas(setup: Setup) -> tuple[Figure, Any]:
    with mpl.rc_context({"font.size": 10}):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot()
    axes.set_title(_title(setup), fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, file: Path) -> None:
    try:
        figure.savefig(file, dpi=120)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be written: {error}.") from error
