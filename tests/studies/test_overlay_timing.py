"""What the overlay's timing study makes of the notes that page and server took."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console

from seekcam.streamer.bench.moving_photograph import LOOP, MovingPhotograph, frame_number
from seekcam.streamer.media.frames import planes
from seekcam.studies.overlay_timing.browser import PROBE, Traffic, WatchedPage
from seekcam.studies.overlay_timing.numbered import (
    FPS,
    Matches,
    join,
    latencies,
    number_of,
    read_notes,
    write_clip,
    write_notes,
)
from seekcam.studies.overlay_timing.timing_report import Figures, figures, print_size, quality_verdicts, verdicts
from seekcam.studies.verdict import Verdict, conclude
from tests.helpers.node import WEB

WIDTH, HEIGHT = 320, 240
CLIP = MovingPhotograph(WIDTH, HEIGHT)


def row(number: int) -> str:
    """What the page hands over of frame `number`."""
    luma = planes(CLIP.frame(number))[0]
    pixels = np.ascontiguousarray(luma[HEIGHT - HEIGHT // 24, ::2])
    return base64.b64encode(pixels.tobytes()).decode()


BLANK = base64.b64encode(bytes(160)).decode()


def watched(mode: str, results: list[tuple[int, str | None]], age: float = 0.0) -> WatchedPage:
    ages: dict[str, list[float]] = {"age": [age] * len(results), "uplink": [5.0], "downlink": []}
    data = {"results": results, "ages": ages, "held": [20.0], "seen": [1.0], "work": [3.0]}
    return WatchedPage(mode, 2.0, 50.0, data, [4.0, 6.0])


def test_a_row_tells_its_frames_number() -> None:
    assert [number_of(row(number)) for number in (0, 1, 77, 40_000)] == [0, 1, 77, 40_000]
    assert number_of(BLANK) is None


def test_the_clip_is_what_chromium_reads(tmp_path: Path) -> None:
    import av

    file = write_clip(tmp_path / "clip.y4m", WIDTH, HEIGHT)
    with av.open(str(file)) as container:
        numbers = [frame_number(frame) for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == FPS
    assert numbers == list(range(LOOP))


def test_each_result_is_right_wrong_or_without_a_frame(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    rows = [(rtp, base64.b64decode(text)) for rtp, text in ((100, row(1)), (200, row(2)), (300, BLANK), (400, row(4)))]
    write_notes(notes, rows)
    seen = read_notes(notes)
    assert seen == {100: 1, 200: 2, 300: None, 400: 4}
    results = [(100, row(1)), (200, row(3)), (300, row(3)), (400, None), (500, row(5)), (400, BLANK)]
    assert join(results, seen) == Matches(results=6, right=1, wrong=1, without=1, unreadable=3)
    assert join([], seen).matched == 0


def test_the_latency_is_from_the_newest_capture_of_that_number() -> None:
    loop = 1e3 * LOOP / FPS
    captured = [(row(7), 1000.0), (row(8), 1033.0), (row(7), 1000.0 + loop)]
    returned = [(row(7), 1050.0), (row(8), 1080.0), (row(8), 1090.0), (BLANK, 1100.0), (row(7), 1040.0 + loop)]
    assert latencies(captured, returned) == [50.0, 47.0, 40.0]
    assert latencies(captured, [(row(8), 1033.0 + loop)]) == [], "that one was lost"


@pytest.mark.parametrize(("age", "kept"), [(44.0, True), (46.0, False)])
def test_figures_are_held_against_what_is_asked(age: float, kept: bool) -> None:
    seen: dict[int, int | None] = {100: 1, 200: 2}
    run = figures(watched("exact", [(100, row(1)), (200, row(2))], age), seen, echo=False)
    assert run.matches == Matches(2, 2, 0, 0, 0)
    assert run.rate == 1.0
    told = verdicts("640x480", [run])
    assert [verdict.kept for verdict in told] == [True, True, kept]
    echo = figures(watched("exact", [(100, row(1))], 15.0), seen, echo=True)
    assert verdicts("1280x720", [run, echo])[-1].kept is kept
    console = Console(width=100, record=True, force_terminal=False)
    print_size(console, "640x480", [run, echo])
    text = console.export_text()
    assert "echo, exact" in text
    assert "100.0 % of 2" in text
    assert f"{age:.1f} / {age:.1f}" in text


def test_the_servers_work_is_compared_with_mode_videos_of_the_same_model() -> None:
    runs = [
        Figures(mode, echo, 30.0, None, None, None, None, cpu=cpu)
        for mode, echo, cpu in (
            ("exact", False, 30.0),
            ("video", False, 60.0),
            ("exact", True, 12.0),
            ("video", True, 40.0),
        )
    ]
    console = Console(width=100, record=True, force_terminal=False)
    print_size(console, "640x480", [*runs, Figures("live", False, 30.0, None, None, None, None)])
    shares = next(line for line in console.export_text().splitlines() if line.startswith("of mode video's"))
    assert shares.split()[3:] == ["0.50", "1.00", "0.30", "1.00", "-"]


def test_what_cannot_be_measured_misses_its_bound() -> None:
    nothing = figures(watched("live", []), {}, echo=False)
    some = figures(watched("live", [(100, row(1))], 20.0), {100: 1}, echo=False)
    echo = figures(watched("live", [(100, row(1))], 15.0), {100: 1}, echo=True)
    silent_echo = figures(watched("live", []), {}, echo=True)
    assert [verdict.kept for verdict in verdicts("640x480", [nothing])] == [False, True, False]
    for runs in ([nothing, echo], [some], [some, silent_echo]):
        last = verdicts("1280x720", runs)[-1]
        assert "age" in last.what
        assert not last.kept
        assert "not measured" in str(last)


def test_a_missed_bound_ends_the_script_with_1() -> None:
    console = Console(width=100, record=True, force_terminal=False)
    kept, missed = Verdict("cost", 0.3, 0.4, "of it"), Verdict("rate", 29.0, 30.0, "fps", at_least=True)
    conclude(console, [kept])
    with pytest.raises(typer.Exit) as ended:
        conclude(console, [missed, kept])
    assert ended.value.exit_code == 1
    assert "rate: 29 ≥ 30 fps: MISSED" in console.export_text()


def test_the_bitrates_are_held_against_what_is_asked() -> None:
    good = Traffic((1280, 720), (1280, 720), 2.0, 2.1, 2, 30.0)
    assert all(verdict.kept for verdict in quality_verdicts("1280x720", good))
    poor = Traffic((960, 540), (1280, 720), 2.0, 1.9, 3, 30.0)
    assert [verdict.kept for verdict in quality_verdicts("1280x720", poor)] == [False, True, False, False]


def test_the_probe_imports_what_the_page_has() -> None:
    files = re.findall(r'import\("/static/(.+?)"\)', PROBE)
    assert len(files) == 5
    for file in files:
        assert (WEB / file).is_file(), file
