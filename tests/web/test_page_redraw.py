"""Words and plots beside the picture: at most so often, with the picture's own frames, and the last one always."""

import itertools

from tests.helpers.node import run_module

# A clock, timers and frames of our own: a result comes every 33 ms, and the browser draws a frame every 16 ms.
PLAY = """
const { Redraw } = await import(`${web}/view/redraw.js`);
let [time, frame, next] = [0, null, 1];
const timers = new Map();
globalThis.performance = { now: () => time };
globalThis.requestAnimationFrame = (callback) => ((frame = callback), next++);
globalThis.setTimeout = (callback, ms) => (timers.set(next, { callback, at: time + ms }), next++);
globalThis.clearTimeout = (id) => timers.delete(id);
const drawn = [];
const redraw = new Redraw(() => drawn.push(time), () => input.every);
for (time = 1000; time < 1000 + input.length; time += 1) {
  if (time < 1000 + input.results && (time - 1000) % 33 === 0) redraw.soon();
  for (const [id, { callback, at }] of timers) if (at <= time) { timers.delete(id); callback(); }
  if (time % 16 === 0 && frame !== null && !(time < 1000 + input.hidden)) { const due = frame; frame = null; due(); }
}
tell(drawn.map((at) => at - 1000));
"""


def drawn(results: int, every: int = 100, hidden: int = 0) -> list[int]:
    """When it was drawn, in milliseconds: results come for so long, and for the first ones nobody looks."""
    told: list[int] = run_module(PLAY, {"results": results, "every": every, "hidden": hidden, "length": results + 500})
    return told


def test_it_is_drawn_at_most_so_often_and_just_behind_a_result() -> None:
    times = drawn(2000)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert min(gaps) >= 100
    assert max(gaps) <= 100 + 33 + 16
    assert all((at % 33) <= 16 for at in times[:-1]), "in the frame that the result is painted in"


def test_the_last_result_is_drawn_although_nothing_follows() -> None:
    times = drawn(90)
    assert times[0] <= 16
    assert 66 < times[-1] <= 16 + 100 + 50 + 16
    assert len(times) == 2


def test_a_page_that_was_hidden_draws_once_when_it_is_seen_again() -> None:
    times = drawn(1000, hidden=800)
    assert times[0] >= 800
    assert len([at for at in times if at < 900]) == 1
