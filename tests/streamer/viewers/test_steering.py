"""How the page keeps the camera's stream to what the server can use: a model of a slow server, played in Node."""

from itertools import pairwise
from typing import Any

import pytest

from tests.helpers.node import run_module

# A server that processes `capacity` pictures a second, by second, and a camera that sends 30 or the limit.
PLAY = """
const { Pace } = await import(`${web}/steering.js`);
const pace = new Pace();
let [received, dropped] = [0, 0];
const { promised } = input;
tell(input.capacities.map((capacity, second) => {
  const sent = Math.min(30, pace.limit ?? 30);
  received += sent;
  dropped += Math.max(0, sent - capacity);
  pace.note({ received, dropped }, second, 30, promised);
  return pace.limit;
}));
"""
NOTES = """
const { Pace } = await import(`${web}/steering.js`);
const pace = new Pace();
tell(input.map((counted, second) => (pace.note(counted, second * (counted.every ?? 1), 30, 0), pace.limit)));
"""
ENCODE = """
const { encodingFor } = await import(`${web}/steering.js`);
tell(input.map(([limit, use]) => encodingFor(limit, use)));
"""
STEER = """
const { CameraSteering } = await import(`${web}/steering.js`);
const set = [];
const sender = {
  encodings: [{ active: true, maxFramerate: 60 }],
  getParameters() {
    const [{ codec }] = this.encodings; // a browser puts the one that is named first
    const others = (input.codecs ?? []).filter((known) => JSON.stringify(known) !== JSON.stringify(codec));
    return { codecs: codec ? [codec, ...others] : others, encodings: structuredClone(this.encodings) };
  },
  async setParameters({ encodings }) {
    set.push(encodings[0]);
    if (input.refused.includes(set.length)) throw new Error("not now");
    if (input.knowsNoCodec && encodings[0].codec) throw new Error("never");
    this.encodings = encodings;
  },
};
const steering = new CameraSteering();
const begun = steering.begin(input.use);
const said = [];
for (const [second, [received, dropped]] of input.counted.entries()) {
  steering.note({ received, dropped, ms: {} }, 30, second);
  await steering.apply(sender, { ...input.use, ...(input.uses?.[second] ?? {}) });
  said.push(steering.said);
}
tell({ begun, set, said, last: sender.encodings[0] });
"""
# A sender that takes a while, asked for one change after the other without waiting.
HASTE = """
const { CameraSteering } = await import(`${web}/steering.js`);
let [inside, most] = [0, 0];
const scales = [];
const sender = {
  getParameters: () => ({ codecs: [], encodings: [{}] }),
  async setParameters({ encodings }) {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside -= 1;
    scales.push(encodings[0].scaleResolutionDownBy);
  },
};
const steering = new CameraSteering();
steering.begin(input.use);
const uses = [{ recording: true }, {}, { mode: "video" }].map((change) => ({ ...input.use, ...change }));
await Promise.all(uses.map((use) => steering.apply(sender, use)));
tell({ most, scales });
"""
# A sender that cannot say at first, or ever, what it does.
ODD = """
const { CameraSteering } = await import(`${web}/steering.js`);
const answers = {
  throwing: () => { throw new Error("not now"); },
  "not negotiated": () => ({ codecs: [], encodings: [] }),
  "without codecs": () => ({ encodings: [{}] }),
  able: () => ({ codecs: input.codecs, encodings: [{}] }),
};
const set = [];
const sender = {
  getParameters: () => answers[input.said.shift()](),
  setParameters: async ({ encodings }) => set.push(encodings[0]),
};
const steering = new CameraSteering();
steering.begin({ ...input.use, mode: "video" });
while (input.said.length) await steering.apply(sender, input.use);
tell(set);
"""
USE = {
    "mode": "overlay",
    "recording": False,
    "watched": False,
    "width": 1280,
    "height": 720,
    "inputSize": 224,
    "light": None,
}
WHOLE = {"scaleResolutionDownBy": 1}
HALF = {"scaleResolutionDownBy": 2}


VP8 = {"mimeType": "video/VP8"}
SINGLE = {"mimeType": "video/H264", "sdpFmtpLine": "packetization-mode=0;profile-level-id=42001f"}
H264 = {"mimeType": "video/H264", "sdpFmtpLine": "packetization-mode=1;profile-level-id=42001f"}


def limits(capacities: list[int], promised: float = 0) -> list[int | None]:
    """The limit after each second, where the server's own times promise so many pictures a second."""
    told: list[int | None] = run_module(PLAY, {"capacities": capacities, "promised": promised})
    return told


def encoding(limit: int | None, **use: Any) -> dict[str, Any]:
    told: list[dict[str, Any]] = run_module(ENCODE, [[limit, USE | use]])
    return told[0]


def test_a_server_that_keeps_up_is_left_alone() -> None:
    assert set(limits([30] * 60)) == {None}
    assert set(limits([27] * 60)) == {None}, "one in ten is no bottleneck"


def test_a_slow_server_gets_as_many_as_it_can_use() -> None:
    told = limits([10] * 10)
    assert told[3] == 10
    assert told[-1] is not None
    assert told[-1] <= 13


def test_more_is_tried_less_and_less_often() -> None:
    told = limits([10] * 300)
    raised = [second for second, (a, b) in enumerate(pairwise(told)) if a and b and b > a]
    gaps = [b - a for a, b in pairwise(raised)]
    assert len(raised) >= 3
    assert gaps == sorted(gaps)
    assert gaps[-1] > 4 * gaps[0]
    assert 10 <= sum(limit or 30 for limit in told[10:]) / len(told[10:]) < 12


def test_a_server_that_recovers_gets_all_again() -> None:
    told = limits([8] * 10 + [100] * 120)
    assert told[5] == 8
    assert told[-1] is None or told[-1] >= 30


def test_what_the_servers_times_promise_is_tried_at_once_but_not_twice_in_vain() -> None:
    recovered = limits([5] * 6 + [100] * 20, promised=40)
    assert recovered[5] == 5
    assert recovered.index(None, 6) < 6 + 8
    contended = limits([10] * 120, promised=40)
    assert contended.count(None) == 3 + 3, "before the first cut, and once in vain"
    assert max(limit or 0 for limit in contended[20:]) <= 13


def test_another_streams_counters_begin_anew() -> None:
    first = [{"received": 30 * second, "dropped": 0} for second in range(100, 103)]
    other = [{"received": 30 * second, "dropped": 0} for second in range(1, 8)]
    assert run_module(NOTES, first + other) == [None] * 10
    busy = [{"received": 30 * second, "dropped": 15 * second} for second in range(1, 9)]
    assert run_module(NOTES, first + busy)[-1] == 15


def test_what_the_server_only_looks_at_is_sent_smaller() -> None:
    assert encoding(None) == HALF
    assert encoding(12) == HALF | {"maxFramerate": 12, "maxBitrate": 500_000}
    assert encoding(24)["maxBitrate"] == round(0.15 * 640 * 360 * 24)
    assert encoding(None, inputSize=384)["scaleResolutionDownBy"] == pytest.approx(720 / 576)
    assert encoding(None, width=720, height=1280) == HALF, "a phone that is held upright"
    assert encoding(None, width=320, height=240) == WHOLE


SEEN = [{"mode": "video"}, {"recording": True}, {"watched": True}]


@pytest.mark.parametrize("use", SEEN)
def test_what_somebody_watches_or_keeps_is_sent_whole(use: dict[str, Any]) -> None:
    assert encoding(None, **use) == WHOLE
    kept = encoding(12, **use)
    assert kept["scaleResolutionDownBy"] == 1
    assert kept["maxBitrate"] == round(0.15 * 1280 * 720 * 12)


def test_the_browser_is_told_at_the_beginning_and_when_it_changes() -> None:
    calm = [(30 * second, 0) for second in range(1, 7)]
    uses = [{}, {}, {"recording": True}, {"recording": True}, {}, {}]
    told = run_module(STEER, {"counted": calm, "use": USE, "uses": uses, "refused": []})
    assert told["begun"] == HALF
    assert [each["scaleResolutionDownBy"] for each in told["set"]] == [1, 2]
    assert told["set"][0] == WHOLE | {"active": True}
    assert set(told["said"]) == {""}, "nothing that a person would miss"


@pytest.mark.parametrize("use", SEEN)
def test_the_lightest_codec_is_for_what_nobody_sees(use: dict[str, Any]) -> None:
    assert encoding(None, light="video/H264") == HALF | {"codec": "video/H264"}
    assert encoding(12, light="video/H264")["codec"] == "video/H264"
    assert encoding(None, light="video/H264", **use) == WHOLE


def steered(codecs: list[dict[str, str]]) -> list[Any]:
    """The codec named to the sender, at the first statistics, while recording, and afterwards."""
    calm = [(30 * second, 0) for second in range(1, 4)]
    given = {"counted": calm, "use": USE | {"light": "video/H264"}, "uses": [{}, {"recording": True}, {}]}
    told = run_module(STEER, given | {"refused": [], "codecs": codecs})
    assert told["begun"] == HALF, "before the answer nobody knows what both ends have"
    return [each.get("codec") for each in told["set"]]


def test_the_lightest_codec_is_named_as_soon_as_both_ends_have_it() -> None:
    assert steered([VP8, SINGLE, H264]) == [H264, VP8, H264]
    assert steered([VP8, SINGLE]) == [None, None, None], "each slice in one packet: other pictures, no gain"


def test_a_browser_that_refuses_a_codec_heeds_the_bounds_all_the_same() -> None:
    counted = [(30 * second, 15 * second) for second in range(1, 8)]
    use = USE | {"light": "video/H264"}
    given = {"counted": counted, "use": use, "refused": [], "codecs": [VP8, H264], "knowsNoCodec": True}
    told = run_module(STEER, given)
    assert ["codec" in each for each in told["set"]] == [True, False], "what it began with holds until there is a limit"
    assert told["last"] == {"active": True, "maxFramerate": 15, "maxBitrate": 518_400} | HALF


@pytest.mark.parametrize("odd", ["throwing", "not negotiated"])
def test_what_a_sender_could_not_take_at_first_it_is_told_again_codec_and_all(odd: str) -> None:
    use = USE | {"light": "video/H264"}
    assert run_module(ODD, {"use": use, "codecs": [VP8, H264], "said": [odd, odd, "able"]}) == [HALF | {"codec": H264}]


def test_a_sender_that_lists_no_codecs_heeds_the_bounds() -> None:
    use = USE | {"light": "video/H264"}
    assert run_module(ODD, {"use": use, "said": ["without codecs"]}) == [HALF]


def test_changes_wait_for_each_other() -> None:
    told = run_module(HASTE, {"use": USE})
    assert told == {"most": 1, "scales": [1, 2, 1]}


def test_statistics_that_come_late_are_of_more_than_a_second() -> None:
    """A server whose loop lags sends them every two seconds: 60 pictures of which 40 were skipped are 10 a second."""
    late = [{"received": 60 * number, "dropped": 40 * number, "every": 2} for number in range(1, 6)]
    assert run_module(NOTES, late)[-1] == 10


def test_the_sender_is_asked_once_and_again_where_it_refused() -> None:
    counted = [(30 * second, 15 * second) for second in range(1, 8)]
    told = run_module(STEER, {"counted": counted, "use": USE, "refused": [1]})
    assert [each["maxFramerate"] for each in told["set"]] == [15, 15]
    assert told["set"][1]["active"] is True
    assert told["said"][0] == ""
    assert "15 pictures a second" in told["said"][3]


def test_a_limit_is_lifted_again_also_where_that_was_refused_at_first() -> None:
    slow = [(30 * second, second) for second in range(1, 4)]
    busy = [(30 * second, 3 + 10 * (second - 3)) for second in range(4, 8)]
    calm = [(30 * second, 43) for second in range(8, 60)]
    free = run_module(STEER, {"counted": slow + busy + calm, "use": USE, "refused": []})
    lifted = len(free["set"])
    assert free["said"][-1] == ""
    assert free["last"] == {"active": True, **HALF}
    told = run_module(STEER, {"counted": slow + busy + calm, "use": USE, "refused": [lifted]})
    assert told["last"] == free["last"]
    assert len(told["set"]) == lifted + 1
