"""What the page paints of a message: classes chosen and shown, marks, smoothing, and the other small parts of it."""

import math
from typing import Any

import pytest

from seekcam.streamer.telemetry import MAX_REPORTED
from tests.helpers.node import run_module

PANES = """
const { PaneMaker } = await import(`${web}/overlay/panes.js`);
tell(input.map(({ smoothing, plays }) => {
  const maker = new PaneMaker();
  maker.smoothing = smoothing;
  return plays.map(({ message, chosen, strength, model = "m" }) => {
    for (const side of message?.sides ?? [])
      for (const grid of side.grids) grid.values = Uint8Array.from(grid.values);
    const wish = { model, chosen, name: (of, index) => `${of} ${index}` };
    return maker.panes(message, [wish, wish], strength).map((pane) => ({
      ...pane, grids: pane.grids.map((grid) => ({ ...grid, values: [...grid.values] })) }));
  });
}));
"""
ROUND = """
const { ServerClock } = await import(`${web}/clock.js`);
const { Ages } = await import(`${web}/overlay/ages.js`);
const clock = new ServerClock();
const before = clock.ahead;
for (const [sent, server, received] of input.pings) clock.note(sent, server, received);
const ages = new Ages();
const empty = ages.percentile("age", 0.5);
for (const ms of input.ages) ages.note("age", ms);
const percentiles = [ages.percentile("age", 0.5), ages.percentile("age", 0.95)];
tell({ before, ahead: clock.ahead, empty, percentiles, reports: [ages.report().age, ages.report().age] });
"""
AGES = """
const { Ages } = await import(`${web}/overlay/ages.js`);
const ages = new Ages();
for (const [ms, at] of input.notes) ages.note("age", ms, at);
tell({ medians: input.times.map((at) => ages.percentile("age", 0.5, at)), report: ages.report().age });
"""
NAMES = """
const { Models } = await import(`${web}/models.js`);
const settings = { values: { model: input.models[0], compare: null, classes: "top" } };
const models = new Models({ card: async (name) => ({ classes: [`${name}'s first`] }) }, settings, () => {});
for (const name of input.models) {
  settings.values.model = name;
  await models.follow();
}
tell(input.asked.map(([model, index]) => models.className(model, index)));
"""
CAPTURES = """
const { CaptureClock } = await import(`${web}/clock.js`);
const clock = new CaptureClock();
tell(input.map(([captured, received]) => clock.wall(captured, received)));
"""


def grid(index: int, value: int = 0, threshold: float = 0.5) -> dict[str, Any]:
    return {"class": index, "score": 0.1, "threshold": threshold, "rows": 2, "columns": 2, "values": [value] * 4}


def message(grids: list[dict[str, Any]], shown: list[int], pts: float = 0.0) -> dict[str, Any]:
    side = {
        "model": "m",
        "method": "cam",
        "map": "objectness",
        "shown": shown,
        "top": [{"class": 1, "score": 0.7}, {"class": 2, "score": 0.2}],
        "boxes": [{"class": 1, "score": 0.6, "box": [0, 0, 0.5, 0.5]}],
        "grids": grids,
        "ms": {},
    }
    return {"pts": pts, "frame": 0, "captured": 0, "sides": [side]}


def panes(*plays: dict[str, Any], smoothing: float = 0.0) -> list[Any]:
    """The panes of each play, of one maker."""
    told: list[list[Any]] = run_module(PANES, [{"smoothing": smoothing, "plays": list(plays)}])
    return told[0]


def test_a_class_among_the_maps_is_shown_before_the_server_has_heard_of_it() -> None:
    both = message([grid(1), grid(2)], shown=[1])
    top, second, unknown, nothing = panes(
        {"message": both, "chosen": [], "strength": 1},
        {"message": both, "chosen": [2], "strength": 0.5},
        {"message": both, "chosen": [2, 9], "strength": 1},  # 9 is not there yet: what the server shows stays
        {"message": None, "chosen": [], "strength": 1},
    )
    assert [g["class"] for g in top[0]["grids"]] == [1]
    assert top[0]["marks"] == [{"name": "m 1", "score": 0.7, "place": 0, "boxes": [[0, 0, 0.5, 0.5]]}]
    assert [g["class"] for g in second[0]["grids"]] == [2]
    assert second[0]["marks"] == [{"name": "m 2", "score": 0.2, "place": 0, "boxes": []}]
    assert second[0]["strength"] == 0.5
    assert [g["class"] for g in unknown[0]["grids"]] == [1]
    assert nothing == [{"grids": [], "marks": [], "caption": "", "strength": 0}]


def test_not_sure_is_nothing_shown_though_there_are_maps() -> None:
    pane = panes({"message": message([grid(1), grid(2)], shown=[]), "chosen": [], "strength": 1})[0][0]
    assert (pane["grids"], pane["marks"], pane["strength"]) == ([], [], 1)


def test_while_a_model_is_loading_messages_are_read_as_the_one_befores() -> None:
    both = message([grid(1), grid(2)], shown=[1])
    pane = panes({"message": both, "chosen": [2], "strength": 1, "model": "next"})[0][0]
    assert [g["class"] for g in pane["grids"]] == [1]  # the chosen 2 is a class of another model
    assert pane["marks"][0]["name"] == "m 1"
    compared = {**both, "sides": [*both["sides"], {**both["sides"][0], "map": "spread"}]}
    pair = panes({"message": compared, "chosen": [], "strength": 1, "model": "next"})[0]
    assert [side["caption"] for side in pair] == ["objectness", "spread"]


def test_classes_are_named_by_the_card_of_the_model_that_a_message_names() -> None:
    long = "ö" * 40  # a message has its first 32
    asked = [("old", 0), ("new", 0), ("old", 1), ("never", 0), (long[:32], 0)]
    told = run_module(NAMES, {"models": ["old", "new", long], "asked": asked})
    assert told == ["old's first", "new's first", "#1", "#0", f"{long}'s first"]


def test_ages_are_forgotten_after_some_seconds_and_a_report_has_no_more_than_the_server_takes() -> None:
    told = run_module(AGES, {"notes": [(100, 0), (200, 9000)], "times": [9500, 10_500, 19_500]})
    assert told["medians"][1:] == [200, None]
    assert told["medians"][0] in (100, 200)
    told = run_module(AGES, {"notes": [(ms, 0) for ms in range(2 * MAX_REPORTED)], "times": []})
    assert told["report"] == list(range(MAX_REPORTED, 2 * MAX_REPORTED))


def test_smoothing_follows_with_its_time_constant_and_starts_anew_with_the_class() -> None:
    plays = [
        {"message": message([grid(1, 0, 0.2)], [1], 0.0), "chosen": [], "strength": 1},
        {"message": message([grid(1, 200, 0.6)], [1], 0.5), "chosen": [], "strength": 1},
        {"message": message([grid(2, 200)], [2], 0.6), "chosen": [], "strength": 1},
    ]
    share = 1 - math.exp(-1)  # half a second with a time constant of half a second
    smooth = [played[0]["grids"][0] for played in panes(*plays, smoothing=0.5)]
    assert smooth[1]["values"] == [round(200 * share)] * 4
    assert smooth[1]["threshold"] == pytest.approx(0.2 + 0.4 * share)
    assert smooth[2]["values"] == [200] * 4
    plain = [played[0]["grids"][0]["values"][0] for played in panes(*plays)]
    assert plain == [0, 200, 200]


def test_the_quickest_ping_tells_the_servers_clock_and_ages_have_percentiles() -> None:
    pings = [(1000, 6100, 1100), (2000, 7010, 2012), (3000, 8200, 3300)]  # ahead 5050, 5004 and 5050, by round trip
    told = run_module(ROUND, {"pings": pings, "ages": [*range(1, 101), -3.4]})
    assert told["before"] is None
    assert told["ahead"] == 5004
    assert told["empty"] is None
    assert told["percentiles"][0] in (50, 51)
    assert told["percentiles"][1] in (95, 96)
    assert told["reports"] == [[*range(1, 101), 0], []]


def test_the_cameras_clock_is_told_by_the_frame_that_came_soonest() -> None:
    begun, apart = 5e6, 1.7e12  # the camera's clock begins anywhere
    frames = [begun + 1000 / 30 * number for number in range(2000)]
    late = [0.5 + (number * 7919 % 97) / 97 * 60 for number in range(2000)]  # a busy page: .5 to 60 ms
    drift = [5e-6 * (captured - begun) for captured in frames]  # 5 ms in 1000 s
    given = [
        (captured, captured + apart + away + slow) for captured, away, slow in zip(frames, late, drift, strict=True)
    ]
    walls = run_module(CAPTURES, given)
    errors = [wall - (captured + apart + away) for wall, captured, away in zip(walls, frames, drift, strict=True)]
    assert max(abs(error) for error in errors[100:]) < 3


def test_a_camera_clock_that_was_set_back_or_forward_is_followed() -> None:
    steady = [(1000 + 33.0 * number, 50_000 + 33.0 * number) for number in range(100)]
    back = [(10 + 33.0 * number, 53_300 + 33.0 * number) for number in range(50)]
    forward = [(90_000 + 33.0 * number, 55_000 + 33.0 * number) for number in range(50)]
    hiccup = [(1000 + 33.0 * 100, 50_000 + 33.0 * 100 + 900)]
    slow = [(1000 + 33.0 * number - 5000, 50_000 + 33.0 * number) for number in range(200, 220)]
    walls = run_module(CAPTURES, steady + hiccup)
    assert walls[-1] == 50_000 + 33.0 * 100, "one late frame is only late"
    for others in (back, forward, slow):
        walls = run_module(CAPTURES, steady + others)
        assert walls[-1] == others[-1][1]
