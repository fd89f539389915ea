"""What the page keeps of what is changed on it, how it sends that, and what it does with the answers; in Node."""

from typing import Any

from tests.node import run_module

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
  card: async () => ({ classes: ["a", "b"], class_ids: ["a", "b"], methods: ["cam"], mapped: 5 }),
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
