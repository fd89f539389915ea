"""Overlay mode over a bad network: real peers with a relay between them that loses, delays and overtakes packets.

A run of 6 s is recorded for what holds on any machine: each map names its very frame, and no old one is shown as fresh.
The slow tests assert rates and times as well, of some 20 s in either codec: a clear path, lossy ones, and a blackout.
What the page does with what arrived is played to its own module afterwards.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.helpers.lossy_session import FPS, STEP, Phases, Recording, record
from tests.helpers.node import run_module
from tests.helpers.relay import BLACKOUT, CLEAR, LOSSY

logger = logging.getLogger(__name__)  # `--log-cli-level=INFO` shows the figures

BRIEFLY: Phases = (
    ("clear", CLEAR, 0.5),
    ("10 %", LOSSY["10 %"], 2.5),
    ("blackout", BLACKOUT, 2.0),
    ("after", CLEAR, 1.0),
)
AT_LENGTH: Phases = (
    ("clear", CLEAR, 2.0),
    *((name, path, 6.0) for name, path in LOSSY.items()),
    ("between", CLEAR, 1.0),
    ("blackout", BLACKOUT, 2.0),
    ("after", CLEAR, 2.0),
)


Record = Callable[[Phases, str], Recording]


@pytest.fixture(scope="module")
def recorded(small_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Record:
    @functools.cache
    def made(planned: Phases, codec: str) -> Recording:
        return asyncio.run(record(small_model_path, tmp_path_factory.mktemp("lossy"), planned, codec))

    return made


@pytest.fixture(params=["VP8", "H264"])
def long_recording(recorded: Record, request: pytest.FixtureRequest) -> Recording:
    return recorded(AT_LENGTH, request.param)


@pytest.fixture(params=["briefly", *(pytest.param(codec, marks=pytest.mark.slow) for codec in ("VP8", "H264"))])
def recording(recorded: Record, request: pytest.FixtureRequest) -> Recording:
    return recorded(BRIEFLY, "VP8") if request.param == "briefly" else recorded(AT_LENGTH, request.param)


@pytest.mark.slow
@pytest.mark.parametrize("phase", LOSSY)
def test_messages_keep_coming_and_get_no_older(long_recording: Recording, phase: str) -> None:
    recording = long_recording

    def count(times: Iterable[float]) -> int:
        return sum(recording.within(at, phase) for at in times)

    sent, decoded = count(recording.handed_out), count(recording.server.decoded)
    localized, arrived = count(recording.server.localized), count(m.at for m in recording.messages)
    told = f"{sent} sent, {decoded} decoded, {localized} localized, {arrived} arrived"
    # The two ways through the network; how much a busy machine localizes of what it has decoded is another matter.
    assert decoded > 0.6 * sent, told
    assert arrived > 0.8 * localized > 0, told
    first, last = (median(recording.latencies(phase, part, 3)) for part in (0, 2))
    slowest = max(recording.latencies(phase))
    logger.info(
        "%s loss: %s; %.0f ms, then %.0f ms, at most %.0f ms", phase, told, first * 1e3, last * 1e3, slowest * 1e3
    )
    # A queue that grew would have grown by seconds.
    assert last < first + 0.5
    assert slowest < 2.0


def test_every_message_names_the_very_frame(recording: Recording) -> None:
    placed = [m.stamps for m in recording.messages if m.stamps.captured is not None]
    assert len(placed) > 20
    for stamps in placed:
        assert stamps.captured is not None
        tick = recording.tick(stamps.captured)
        assert abs(stamps.captured - (recording.started + tick / FPS) * 1e3) < 2
        assert recording.server.pictures[stamps.rtp] == tick  # what the model saw under this name


def test_no_picture_is_torn_or_passed_off_as_another(recording: Recording) -> None:
    (first, number), *rest = recording.server.pictures.items()
    assert number is not None
    for rtp, read in rest:
        assert read == number + round((rtp - first) % 2**32 / STEP)  # aiortc's encoder rounds down
    assert len(rest) > 20


def test_nothing_arrives_in_a_blackout(recording: Recording) -> None:
    begin, _ = recording.phases["blackout"]
    about = [m.stamps.captured for m in recording.during("blackout") if m.stamps.captured is not None]
    assert all(captured / 1e3 < begin + 1 / FPS for captured in about), "of a picture from the dark"


@pytest.mark.slow
def test_results_come_again_after_a_blackout_within_a_second(long_recording: Recording) -> None:
    localized = sum(long_recording.within(at, "after") for at in long_recording.server.localized)
    assert len(long_recording.during("after")) > 0.6 * localized > 0
    back, _ = long_recording.phases["after"]
    # A frame that the dark tore may be made whole behind it: its result is old, and the page shows it as that.
    first = min(m.at for m in long_recording.during("after") if (m.stamps.captured or 0) / 1e3 > back - 0.25)
    logger.info("after the blackout: first result of a new picture in %.0f ms", (first - back) * 1e3)
    assert first - back < 1.0


# Plays the camera's frames and what arrived, in the order of their times, and tells what was shown after each. Two
# seconds of frames are kept, more than the page does, so that a slow machine's results find theirs too.
PAGE = """
const { Timeline } = await import(`${web}/overlay/timeline.js`);
const timeline = new Timeline(150);
const brief = (showing) => showing && [
  showing.frame.captured, showing.result?.captured ?? null, showing.result?.frame ?? null, showing.strength,
  showing.exact,
];
const shown = input.map(({ now, captured, frame }) => {
  if (frame === null) timeline.frame(captured);
  else timeline.result({ captured, frame }, now);
  return { now, live: brief(timeline.live()), exact: brief(timeline.exact(now)) };
});
tell({ shown, unmatched: timeline.unmatched, matched: timeline.matched });
"""
FULL_MS, GONE_MS = 250, 1000  # as old as that a map may be in full, and at all


def test_the_page_never_shows_an_old_map_as_fresh(recording: Recording) -> None:
    ticks = int((recording.ended - recording.started) * FPS)
    captures = [(recording.started + tick / FPS) * 1e3 for tick in range(ticks)]
    events: list[dict[str, Any]] = [{"now": captured + 5, "captured": captured, "frame": None} for captured in captures]
    events += [
        {"now": m.at * 1e3, "captured": m.stamps.captured, "frame": recording.server.pictures[m.stamps.rtp]}
        for m in recording.messages
        if m.stamps.captured is not None  # what cannot be dated has its own test
    ]
    told = run_module(PAGE, sorted(events, key=lambda event: float(event["now"])))
    assert told["unmatched"] == 0
    assert told["matched"] > 20
    dark_from, dark_until = (1e3 * at for at in recording.phases["blackout"])
    for display in ("live", "exact"):
        shown = [(each["now"], *each[display]) for each in told["shown"] if each[display] is not None]
        for _, captured, about, number, strength, exact in shown:
            apart = float("inf") if about is None else abs(captured - about)
            assert strength == pytest.approx(min(1, max(0, (GONE_MS - apart) / (GONE_MS - FULL_MS))), abs=0.01)
            assert exact == (about is not None and number == recording.tick(captured))
        dark = [(now, strength) for now, _, _, _, strength, _ in shown if dark_from < now < dark_until]
        assert len(dark) > FPS, "the picture goes on without maps"
        assert all(strength == 0 for now, strength in dark if now > dark_from + GONE_MS + 500)
        assert dark[-1][1] == 0
    moments = [each["exact"][0] for each in told["shown"] if each["exact"] is not None]
    assert moments == sorted(moments)
    assert sum(each["exact"] is not None and each["exact"][4] for each in told["shown"]) > 20
