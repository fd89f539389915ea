"""The figures of each mode, the bounds they are held against, and the table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from seekcam.streamer.bench.stages import Spread, spread
from seekcam.studies.overlay_timing.browser import Traffic, WatchedPage
from seekcam.studies.overlay_timing.numbered import Matches, join, latencies
from seekcam.studies.verdict import Verdict

MATCHED = 0.99
AGE_480P = {"exact": 45.0, "live": 50.0}  # p95, milliseconds
OVER_ECHO_MS = 30.0  # what inference may add at 720p
PARTS = {  # of an age
    "seen": "until the page has it",
    "uplink": "way up, ms",
    "held": "in the server, ms",
    "downlink": "way down, ms",
}
RETURNED_MBPS = 2.0
KEYFRAMES = 2


@dataclass(frozen=True)
class Figures:
    """One mode of one run; times in milliseconds."""

    mode: str
    echo: bool  # without inference
    rate: float  # results painted a second; in mode "video" annotated frames shown
    matches: Matches | None  # None in mode "video"
    age: Spread | None  # from a frame's capture to its first painting with its map; None where nothing came
    painted: Spread | None  # keeping and painting a frame, as the page's thread sees it
    drawn: Spread | None  # the same with all drawing waited for
    parts: Mapping[str, Spread] = field(default_factory=dict)
    cpu: float | None = None  # server, % of one core

    @property
    def name(self) -> str:
        """As it stands in the table."""
        return f"echo, {self.mode}" if self.echo else self.mode


def figures(watched: WatchedPage, seen: Mapping[int, int | None], *, echo: bool) -> Figures:
    """Join what the page noted with what the server noted (`numbered.read_notes`)."""
    data = watched.data
    if watched.mode == "video":
        ages = latencies(data["captured"], data["returned"])
        return Figures(
            watched.mode, echo, len(ages) / watched.seconds, None, _spread(ages), None, None, cpu=watched.cpu
        )
    times = {"seen": data["seen"], "held": data["held"], **data["ages"]}
    return Figures(
        mode=watched.mode,
        echo=echo,
        rate=len(data["ages"]["age"]) / watched.seconds,
        matches=join(data["results"], seen),
        age=_spread(data["ages"]["age"]),
        painted=_spread(data["work"]),
        drawn=_spread(watched.drawn),
        parts={part: spread(times[part]) for part in PARTS if times[part]},
        cpu=watched.cpu,
    )


def verdicts(size: str, runs: Sequence[Figures]) -> list[Verdict]:
    """What acceptance asks of the overlay at this size; what painted nothing, or has no echo to compare, misses it."""
    found = []
    echoes = {run.mode: run.age.p95 for run in runs if run.echo and run.age}
    for run in runs:
        if run.echo or run.matches is None:
            continue
        found.append(Verdict(f"{size} {run.mode}, matched", 100 * run.matches.matched, 100 * MATCHED, "%", True))
        found.append(Verdict(f"{size} {run.mode}, on a wrong frame", run.matches.wrong, 0, "results"))
        age = run.age.p95 if run.age else None
        what = f"{size} {run.mode}, p95 of the age"
        if size == "640x480":
            found.append(Verdict(what, age, AGE_480P[run.mode], "ms"))
        else:
            echo = echoes.get(run.mode)
            found.append(Verdict(f"{what} (echo + 30)", age, None if echo is None else echo + OVER_ECHO_MS, "ms"))
    return found


def quality_verdicts(size: str, quality: Traffic) -> list[Verdict]:
    """What acceptance asks of mode "video" ten seconds after Start."""
    width = int(size.partition("x")[0])
    return [
        Verdict(f"{size} video, camera stream's width", quality.camera[0], width, "pixels", True),
        Verdict(f"{size} video, width at the end", quality.camera_end[0], width, "pixels", True),
        Verdict(f"{size} video, returned", quality.returned_mbps, RETURNED_MBPS, "Mbps", True),
        Verdict(f"{size} video, keyframes", quality.keyframes, KEYFRAMES, "in that time"),
    ]


def print_size(console: Console, size: str, runs: Sequence[Figures]) -> None:
    """One column a mode; times are milliseconds, p50 / p95."""
    table = Table(title=size, box=None, pad_edge=False)
    table.add_column("")
    for run in runs:
        table.add_column(run.name, justify="right")
    for name, cell in ROWS:
        table.add_row(name, *(cell(run) for run in runs))
    for part, name in PARTS.items():
        table.add_row(name, *(_pair(run.parts.get(part)) for run in runs))
    table.add_row("server CPU", *("-" if run.cpu is None else f"{run.cpu:.0f} %" for run in runs))
    videos = {run.echo: run.cpu for run in runs if run.mode == "video"}
    table.add_row("of mode video's", *(_share(run.cpu, videos.get(run.echo)) for run in runs))
    console.print(table)


def _matches(run: Figures) -> str:
    found = run.matches
    return "-" if found is None else f"{100 * found.matched:.1f} % of {found.results}"


def _others(run: Figures) -> str:
    found = run.matches
    return "-" if found is None else f"{found.wrong} / {found.without} / {found.unreadable}"


def _spread(values: Sequence[float]) -> Spread | None:
    return spread(values) if values else None


def _share(part: float | None, whole: float | None) -> str:
    return f"{part / whole:.2f}" if part is not None and whole else "-"


def _pair(times: Spread | None) -> str:
    return "-" if times is None else f"{times.p50:.1f} / {times.p95:.1f}"


ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("painted results a second", lambda run: f"{run.rate:.1f}"),
    ("on their very frame", _matches),
    ("wrong / none / unreadable", _others),
    ("age at paint, ms", lambda run: _pair(run.age)),
    ("keep and paint, ms", lambda run: _pair(run.painted)),
    ("with all drawing, ms", lambda run: _pair(run.drawn)),
)
