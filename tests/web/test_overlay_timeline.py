"""Which frame a result is about, and which one is shown: the page's own module against what must hold."""

from typing import Any

from tests.helpers.node import run_module

# Plays a script of events at the module and tells what came out of each.
PLAY = """
const { Timeline, strength } = await import(`${web}/overlay/timeline.js`);
const brief = (showing) => showing && {
  captured: showing.frame.captured,
  result: showing.result?.frame ?? null,
  strength: showing.strength,
  exact: showing.exact,
};
tell(input.map(({ slots, events }) => {
  const timeline = new Timeline(slots);
  return events.map(([kind, value, now]) => {
    if (kind === "frame") return timeline.frame(value);
    if (kind === "room") return timeline.makeRoom();
    if (kind === "result") return timeline.result(value, now)?.captured ?? null;
    if (kind === "exact") return brief(timeline.exact(value));
    if (kind === "live") return brief(timeline.live());
    if (kind === "counts") return timeline.recent;
    if (kind === "clear") return timeline.clear(value);
    if (kind === "forget") return timeline.forget();
    return timeline.holdBack;
  });
}));
"""
GAP = 1000 / 30


def play(events: list[tuple[Any, ...]], slots: int = 12) -> list[Any]:
    """What each event brought."""
    outcome: list[list[Any]] = run_module(PLAY, [{"slots": slots, "events": events}])
    return outcome[0]


def result(frame: int, captured: float | None) -> dict[str, Any]:
    """As much of a message as the timeline looks at."""
    return {"frame": frame, "captured": captured}


def counts(matched: int = 0, unmatched: int = 0, late: int = 0, undated: int = 0) -> dict[str, int]:
    """What became of the last results."""
    return {"matched": matched, "unmatched": unmatched, "late": late, "undated": undated}


def test_a_slot_that_is_being_filled_shows_nothing() -> None:
    frames = [("frame", GAP * n) for n in range(12)]
    first, second = result(0, 0.0), result(1, GAP)
    found = play([*frames, ("result", first, 400.0), ("room",), ("exact", 400.0), ("result", second, 401.0)])
    assert found[12:14] == [0.0, 0], "the oldest frame had its map, and makes room for the next one"
    assert found[14]["captured"] > 0, "so another one is shown"
    assert found[-1] == GAP, "the others stay"
    again = play([*frames, ("room",), ("frame", 12 * GAP), ("room",), ("live",)])
    assert (again[12], again[14]) == (0, 1)
    assert again[-1]["captured"] == 12 * GAP
    assert play([*frames, ("room",), ("result", first, 400.0), ("counts",)])[-1]["late"] == 1


def test_results_find_their_frames_in_spite_of_jitter() -> None:
    frames = [1000 + GAP * number + (number % 3 - 1) * 4 for number in range(60)]
    events: list[tuple[Any, ...]] = []
    for number, captured in enumerate(frames):
        events.append(("frame", captured))
        if number >= 2:  # two frames later, and the clock that names it is off by a millisecond or two
            about = frames[number - 2]
            events.append(("result", result(number - 2, about + (number % 5) - 2), frames[number] + 5))
    outcome = play([*events, ("counts",)])
    found = [told for event, told in zip(events, outcome, strict=False) if event[0] == "result"]
    assert found == frames[: len(found)]
    assert outcome[-1] == counts(matched=58)


def test_a_result_between_two_frames_or_gone_by_has_none() -> None:
    frames = [("frame", 1000 + GAP * number) for number in range(20)]
    events = [
        *frames,
        ("result", result(0, 1000 + 15.5 * GAP), 2000),  # between two
        ("result", result(1, 1000.0), 2000),  # of a frame that is kept no more
        ("result", result(2, None), 2000),  # the server cannot tell
        ("counts",),
    ]
    assert play(events)[-4:] == [None, None, None, counts(unmatched=1, late=1, undated=1)]


def test_a_result_that_is_faster_than_its_frame_waits_for_it() -> None:
    at = [1000 + GAP * number for number in range(8)]
    events = [
        *(("frame", captured) for captured in at[:3]),
        ("result", result(3, at[3] + 1), at[3] + 5),  # comes before the browser hands its frame over
        ("result", result(4, at[4] - 1), at[4] + 5),
        ("frame", at[3]),
        ("exact", at[3] + 20),
        ("frame", at[5]),  # and the fourth frame never comes
        ("counts",),
        ("result", result(5, at[5]), at[5] + 20),
        ("counts",),
    ]
    outcome = play(events)
    assert outcome[3:5] == [None, None]
    assert outcome[6] == {"captured": at[3], "result": 3, "strength": 1, "exact": True}
    assert outcome[8] == counts(matched=1, unmatched=1)
    assert outcome[10] == counts(matched=2, unmatched=1)


def test_exact_shows_a_frame_with_its_own_map_and_never_goes_back() -> None:
    frames = [1000 + GAP * number for number in range(6)]
    events: list[tuple[Any, ...]] = [("frame", captured) for captured in frames]
    events += [
        ("result", result(1, frames[1]), frames[1] + 40),
        ("exact", frames[1] + 41),
        ("exact", frames[1] + 42),  # nothing newer
        ("result", result(0, frames[0]), frames[1] + 43),  # overtaken on the way
        ("exact", frames[1] + 44),
        ("result", result(3, frames[3]), frames[3] + 40),
        ("exact", frames[3] + 41),
    ]
    told = play(events)[len(frames) :]
    assert told[1] == {"captured": frames[1], "result": 1, "strength": 1, "exact": True}
    assert told[2] is None
    assert told[4] is None
    assert told[6] == {"captured": frames[3], "result": 3, "strength": 1, "exact": True}


def test_exact_waits_for_the_next_map_and_goes_on_without_when_none_comes() -> None:
    events: list[tuple[Any, ...]] = []
    frames = [1000 + GAP * number for number in range(30)]
    for number, captured in enumerate(frames[:8]):
        events += [("frame", captured), ("result", result(number, captured), captured + 40), ("exact", captured + 41)]
    for captured in frames[8:]:
        events += [("frame", captured), ("hold",), ("exact", captured + 39), ("exact", captured + 45)]
    outcome = [
        (event[1], told) for event, told in zip(events, play(events), strict=True) if event[0] == "exact" and told
    ]
    own, without = outcome[:8], outcome[8:]
    assert all(told["exact"] for _, told in own)
    assert [told["captured"] for _, told in own] == frames[:8]
    # No picture stands under another's map as long as the next may come; then the pictures go on, and the map fades.
    assert without[0][0] >= frames[7] + 41 + 350
    assert not any(told["exact"] for _, told in without)
    assert [told["result"] for _, told in without] == [7] * len(without)
    strengths = [told["strength"] for _, told in without]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[-1] < strengths[0] < 1


def test_results_that_nobody_dated_are_shown_in_live_and_fade() -> None:
    events: list[tuple[Any, ...]] = [("frame", 1000), ("result", result(0, None), 1040), ("live",)]
    events += [("frame", 1665), ("live",), ("frame", 2100), ("live",)]
    shown = [told for event, told in zip(events, play(events), strict=True) if event[0] == "live"]
    assert [told["result"] for told in shown] == [0, 0, 0]
    assert [told["strength"] for told in shown] == [1, 0.5, 0]


def test_a_page_without_frames_keeps_few_results() -> None:
    events: list[tuple[Any, ...]] = [("frame", 1000)]
    late = [5000 + GAP * number for number in range(300)]
    events += [("result", result(number, captured), captured + 40) for number, captured in enumerate(late)]
    outcome = play([*events, ("frame", late[-2]), ("frame", late[-1]), ("counts",)])
    assert outcome[-1] == counts(matched=2, unmatched=98)


def test_a_result_that_overtook_another_does_not_keep_it_from_its_frame() -> None:
    at = [1000 + GAP * number for number in range(4)]
    events = [
        ("frame", at[0]),
        ("result", result(2, at[2]), at[1]),
        ("result", result(1, at[1]), at[1] + 1),
        ("frame", at[1]),
        ("frame", at[2]),
        ("counts",),
    ]
    assert play(events)[-1] == counts(matched=2)


def test_clocks_that_drift_apart_slowly_stay_together() -> None:
    events: list[tuple[Any, ...]] = []
    for number in range(900):
        captured = 1000 + GAP * number
        drift = number / 900 * 15
        events += [("frame", captured), ("result", result(number, captured + drift), captured + 40)]
    outcome = play(events)
    assert all(outcome[index] == events[index - 1][1] for index in range(1, len(events), 2))


def test_another_camera_begins_anew() -> None:
    events = [
        ("frame", 1000),
        ("result", result(0, 1000), 1020),
        ("clear", 1030),
        ("frame", 1040),
        ("result", result(1, 1010), 1050),  # of the camera before, still under way
        ("live",),
        ("result", result(2, 1040), 1080),
        ("live",),
        ("counts",),
    ]
    outcome = play(events)
    assert outcome[5]["result"] is None
    assert outcome[7] == {"captured": 1040, "result": 2, "strength": 1, "exact": True}
    assert outcome[8] == counts(matched=1)


def test_frames_that_were_not_kept_are_not_shown() -> None:
    events = [
        ("frame", 1000),
        ("forget",),
        ("result", result(0, 1000), 1040),
        ("exact", 1041),
        ("frame", 1100),
        ("live",),
    ]
    outcome = play(events)
    assert outcome[3] is None
    assert outcome[5]["captured"] == 1100


def test_live_shows_the_newest_of_both_and_lets_an_old_map_fade() -> None:
    events: list[tuple[Any, ...]] = [("frame", 1000), ("result", result(0, 1000), 1040), ("live",)]
    for later in (1100, 1250, 1625, 2000, 3000):
        events += [("frame", later), ("live",)]
    shown = [told for event, told in zip(events, play(events), strict=True) if event[0] == "live"]
    assert [told["captured"] for told in shown] == [1000, 1100, 1250, 1625, 2000, 3000]
    assert [told["result"] for told in shown] == [0] * 6
    assert [told["strength"] for told in shown] == [1, 1, 1, 0.5, 0, 0]


def test_an_older_result_does_not_take_a_newer_ones_place() -> None:
    events = [
        *(("frame", 1000 + GAP * number) for number in range(4)),
        ("result", result(2, 1000 + 2 * GAP), 1110),
        ("result", result(1, 1000 + GAP), 1111),
        ("live",),
    ]
    assert play(events)[-1]["result"] == 2


def test_the_hold_back_never_outlasts_the_ring() -> None:
    events: list[tuple[Any, ...]] = []
    for number in range(8):
        captured = 1000 + GAP * number
        events += [("frame", captured), ("result", result(number, captured), captured + 900)]
    assert abs(play([*events, ("hold",)], slots=8)[-1] - 6 * GAP) < 1e-6
