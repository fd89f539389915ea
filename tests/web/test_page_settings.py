"""What the page keeps of what is changed on it, how it sends that, and what it does with the answers; in Node."""

import itertools
from dataclasses import fields
from typing import Any

import pytest

from seekcam.localization.card import MAP_KINDS
from seekcam.localization.comparison import Comparison, parse_comparison
from seekcam.localization.settings import PaintSettings, Settings
from tests.helpers.node import run_module

# `input` is a list of steps: ["change", settings], ["wait", ms], ["answer", settings] of the newest message,
# ["refuse", error]. Told are what was sent, and after each step what is shown and kept.
PLAY = """
let now = 0;
let timers = [];
globalThis.setTimeout = (work, ms) => { const id = { at: now + ms, work }; timers.push(id); return id; };
globalThis.clearTimeout = (id) => { timers = timers.filter((other) => other !== id); };
const kept = {};
globalThis.localStorage = { getItem: (name) => kept[name] ?? null, setItem: (name, value) => { kept[name] = value; } };
const { SettingsStore } = await import(`${web}/settings.js`);
const store = new SettingsStore();
const sent = [], seen = [];
store.attach((changes) => sent.push(changes));
let truth = { ...store.values };
for (const [kind, given] of input) {
  if (kind === "change") store.change(given);
  else if (kind === "answer") { truth = { ...truth, ...given }; store.settle(truth, sent.length); }
  else if (kind === "refuse") seen.push(store.refuse({ type: "error", error: given, detail: "", reply: sent.length }));
  else for (now += given; ;) {
    const due = timers.find(({ at }) => at <= now);
    if (!due) break;
    timers = timers.filter((other) => other !== due);
    due.work();
  }
}
tell({ sent, seen, opacity: store.values.opacity, kept: JSON.parse(kept["seekcam.settings"] ?? "{}") });
"""


def play(*steps: tuple[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = run_module(PLAY, steps)
    return told


def slide(*values: float) -> list[tuple[str, Any]]:
    """A slider that moves, faster than is sent."""
    return [step for value in values for step in (("change", {"opacity": value}), ("wait", 20))]


def test_while_nothing_is_answered_the_newest_value_waits_here() -> None:
    told = play(*slide(*(n / 100 for n in range(100))))
    assert told["sent"] == [{"opacity": 0}]
    assert told["opacity"] == 0.99
    told = play(*slide(*(n / 100 for n in range(100))), ("answer", {"opacity": 0}), ("wait", 60))
    assert told["sent"] == [{"opacity": 0}, {"opacity": 0.99}]
    assert told["opacity"] == 0.99


def test_what_is_answered_at_once_is_sent_every_60_ms() -> None:
    moving = [step for n in range(30) for step in (*slide(n / 100), ("answer", {"opacity": n / 100}))]
    told = play(*moving, ("wait", 100))
    assert 9 <= len(told["sent"]) <= 12
    assert told["sent"][-1] == {"opacity": 0.29}


def test_a_busy_server_is_asked_again_and_the_wish_is_kept() -> None:
    told = play(("change", {"opacity": 0.3}), ("refuse", "busy"))
    assert told["seen"] == [None]
    assert told["kept"] == {"opacity": 0.3}
    assert told["opacity"] == 0.3
    told = play(("change", {"opacity": 0.3}), ("change", {"map": "plain"}), ("refuse", "busy"), ("wait", 1000))
    assert told["sent"] == [{"opacity": 0.3}, {"opacity": 0.3, "map": "plain"}]
    told = play(("change", {"opacity": 0.3}), ("change", {"opacity": 0.4}), ("refuse", "busy"), ("wait", 1000))
    assert told["sent"][-1] == {"opacity": 0.4}


def test_what_the_server_cannot_do_is_taken_back() -> None:
    told = play(("change", {"opacity": 7}), ("refuse", "bad-setting"))
    assert told["seen"] == [["opacity"]]
    assert told["kept"] == {}
    assert told["opacity"] == 0.5
    told = play(("change", {"opacity": 7}), ("change", {"opacity": 0.4}), ("refuse", "bad-setting"), ("wait", 60))
    assert told["sent"][-1] == {"opacity": 0.4}
    assert told["opacity"] == 0.4
    assert told["kept"] == {"opacity": 0.4}


# A visit for each of `input`: [the model that the server is served with, the model that is chosen then or null].
VISITS = """
const kept = {};
globalThis.localStorage = { getItem: (name) => kept[name] ?? null, setItem: (name, value) => { kept[name] = value; } };
const { SettingsStore } = await import(`${web}/settings.js`);
const { Models } = await import(`${web}/models.js`);
const api = {
  models: async () => [{ name: "cats" }, { name: "birds" }],
  card: async () => ({ classes: ["a", "b"], class_ids: ["a", "b"], methods: ["cam"], maps: ["plain"], mapped: 5 }),
};
const shown = [];
for (const [served, chosen] of input) {
  const settings = new SettingsStore();
  const models = new Models(api, settings, () => {});
  await models.load(served);
  shown.push(models.current);
  if (chosen !== null) await models.choose(chosen);
}
tell(shown);
"""


def test_a_chosen_model_stays_until_the_server_is_served_with_another() -> None:
    visits = [("cats", None), ("cats", "birds"), ("cats", None), ("cats", "birds"), ("birds", None), ("birds", "cats")]
    assert run_module(VISITS, visits) == ["cats", "cats", "birds", "birds", "birds", "birds"]
    assert run_module(VISITS, [("birds", "cats"), ("birds", None), ("cats", None), ("birds", None)]) == [
        *("birds", "cats", "cats", "birds")
    ]


# What a visit shows and keeps that finds `kept` and then makes `changes`.
VISIT = """
const kept = Object.fromEntries(Object.entries(input.kept).map(([name, value]) => [name, JSON.stringify(value)]));
globalThis.localStorage = { getItem: (name) => kept[name] ?? null, setItem: (name, value) => { kept[name] = value; } };
const { SettingsStore } = await import(`${web}/settings.js`);
const store = new SettingsStore();
const found = store.wishes(false);
for (const change of input.changes) store.change(change);
tell({ found, again: new SettingsStore().wishes(false) });
"""


def visit(settings: dict[str, Any], *changes: dict[str, Any], version: int | None = None) -> dict[str, Any]:
    kept: dict[str, Any] = {"seekcam.settings": settings}
    if version is not None:
        kept["seekcam.settings-version"] = version
    told: dict[str, Any] = run_module(VISIT, {"kept": kept, "changes": changes})
    return told


def test_the_default_of_an_earlier_version_is_no_wish_and_a_choice_of_this_one_is() -> None:
    assert visit({"map": "spread", "opacity": 0.3})["found"] == {"opacity": 0.3}
    assert visit({"map": "plain"})["found"] == {"map": "plain"}, "nobody had that without choosing it"
    assert visit({"map": "spread"}, version=2)["found"] == {"map": "spread"}
    assert visit({"map": "spread"}, {"opacity": 0.3})["again"] == {"opacity": 0.3}
    assert visit({}, {"map": "spread"})["again"] == {"map": "spread"}


def test_only_kinds_of_map_and_comparisons_that_there_are_are_recalled() -> None:
    for kind in ("objectness", "spread", "plain", "foreground", None):
        assert visit({"map": kind}, version=2)["found"] == {"map": kind}
    assert visit({"map": "palm", "opacity": 0.3}, version=2)["found"] == {"opacity": 0.3}
    comparisons: tuple[dict[str, Any], ...] = (
        {"model": "m", "method": None},  # as version 1 kept it
        {"model": "m", "method": None, "map": None},
        {"model": None, "method": None, "map": "spread"},
    )
    for comparison in comparisons:
        assert visit({"compare": comparison})["found"] == {"compare": comparison}
    for comparison in ({"model": None, "method": None, "map": None}, {"model": "m", "method": None, "map": "palm"}):
        assert visit({"compare": comparison})["found"] == {}


# What choosing, comparing and changing sides make of the settings; cards by model in `cards`, steps in `steps`.
MODELS = """
const getItem = (name) => (name === "seekcam.default-model" ? '"new"' : null);
globalThis.localStorage = { getItem, setItem: () => {} };
const { SettingsStore } = await import(`${web}/settings.js`);
const { Models } = await import(`${web}/models.js`);
const common = { classes: ["a"], class_ids: ["a"], methods: ["cam", "gradcam"], default_method: "cam", mapped: 5 };
const api = {
  models: async () => Object.keys(input.cards).map((name) => ({ name })),
  card: async (name) => ({ ...common, maps: input.cards[name] }),
};
const settings = new SettingsStore();
if (input.kept) settings.change(input.kept);
const models = new Models(api, settings, () => {});
await models.load("new");
const seen = [];
for (const [does, given] of input.steps) {
  if (does === "change") settings.change(given);
  else await models[does](given);
  await models.follow();
  const { model, method, map, compare } = settings.values;
  seen.push({ model, method, map, compare, kinds: [models.kind, models.kindOfSecond] });
}
tell(seen);
"""
WITH_HEAD = ["objectness", "spread", "plain", "foreground"]
CARDS = {"new": WITH_HEAD, "newer": WITH_HEAD, "old": ["spread", "plain"]}


def run_models(*steps: tuple[str, Any], kept: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = run_module(MODELS, {"cards": CARDS, "steps": steps, "kept": kept})
    return told


@pytest.mark.parametrize(
    ("own", "proposed"),
    [(None, "spread"), ("spread", "objectness"), ("plain", "objectness"), ("foreground", "objectness")],
)
def test_a_model_is_compared_with_itself_by_the_rule_before(own: str | None, proposed: str) -> None:
    seen = run_models(("change", {"map": own, "method": "gradcam"}), ("compare", "new"))[-1]
    assert seen["compare"] == {"model": "new", "method": "gradcam", "map": proposed}
    assert seen["kinds"] == [own or "objectness", proposed]
    seen = run_models(("choose", "old"), ("compare", "old"))[-1]
    assert seen["compare"]["map"] == "plain"


def test_a_kind_that_the_next_model_lacks_is_forgotten_and_one_that_it_has_stays() -> None:
    for kind, stays in (("foreground", None), ("objectness", None), ("plain", "plain"), (None, None)):
        assert run_models(("change", {"map": kind}), ("choose", "old"))[-1]["map"] == stays
        assert run_models(("change", {"map": kind}), ("choose", "newer"))[-1]["map"] == kind
    nothing: tuple[str, Any] = ("change", {})
    assert run_models(nothing, kept={"model": "old", "map": "foreground"})[-1]["map"] is None
    kept = {"compare": {"model": "old", "method": None, "map": "foreground"}}
    assert run_models(nothing, kept=kept)[-1]["compare"] is None


@pytest.mark.parametrize("own", [None, *WITH_HEAD])
@pytest.mark.parametrize(("second", "other"), [("newer", None), ("newer", "spread"), ("old", None), ("old", "plain")])
def test_sides_that_change_places_keep_their_kinds(own: str | None, second: str, other: str | None) -> None:
    compare = {"model": second, "method": None, "map": other}
    before, after, back = run_models(
        ("change", {"map": own, "compare": compare}), ("choose", second), ("choose", "new")
    )
    assert after["model"] == second
    assert after["kinds"] == before["kinds"][::-1]
    assert back["kinds"] == before["kinds"]


def test_a_comparisons_kind_and_method_are_chosen_one_by_one() -> None:
    steps = (("compare", "newer"), ("compareBy", {"map": "plain"}), ("compareBy", {"method": "gradcam"}))
    seen = run_models(*steps)
    assert [one["compare"] for one in seen] == [
        {"model": "newer", "method": None, "map": None},
        {"model": "newer", "method": None, "map": "plain"},
        {"model": "newer", "method": "gradcam", "map": "plain"},
    ]
    assert [one["kinds"][1] for one in seen] == ["objectness", "plain", "plain"]


QUERY = """
const { inQuery } = await import(`${web}/api.js`);
tell(input.map(inQuery));
"""


def test_a_comparison_reaches_the_server_whole_in_a_pictures_query() -> None:
    parts = list(itertools.product((None, "has-mixed_v1.5"), (None, "gradcam++"), (None, *MAP_KINDS)))[1:]
    texts = run_module(QUERY, [dict(zip(("model", "method", "map"), part, strict=True)) for part in parts])
    assert [parse_comparison("compare", text) for text in texts] == [Comparison(*part) for part in parts]
    assert run_module(QUERY, [{"model": "m", "method": None}]) == ["m:"]  # kept by an earlier version


def test_the_page_and_the_server_have_the_same_settings_defaults_and_kinds() -> None:
    tell = """
const { DEFAULTS, MAP_KINDS, PAINT_NAMES } = await import(`${web}/settings.js`);
tell({ defaults: DEFAULTS, kinds: MAP_KINDS, paint: PAINT_NAMES });
"""
    page = run_module(tell)
    assert page == {
        "defaults": Settings().to_json(),
        "kinds": list(MAP_KINDS),
        "paint": [f.name for f in fields(PaintSettings)],
    }
    assert list(page["defaults"]) == list(Settings().to_json())
