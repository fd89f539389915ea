/**
 * Which of the camera's frames a result is about, and which frame to show next. No picture is touched here.
 *
 * The browser tells when each of its frames was captured; the server tells, from the browser's own RTCP sender
 * reports, when the frame of a result was captured by the same clock. Both name the same instant to within a
 * millisecond or two, and frames are some 33 ms apart, so the nearest one is the frame itself; where the nearest is
 * not near enough, the result has no frame.
 */

/** @import { Message } from "./message.js" */

const NEAR_MS = 8; // how far a result may be from its frame: half the time between two at 60 a second
const INTERVALS = 30; // frames that the usual time between two is taken from
const LOOPS = 60; // results that the hold-back is taken from
const SKEWS = 30; // matched results that the drift between the browser's two clocks is taken from
const JUDGED = 100; // results that what is said of this browser is taken from
const SLACK_MS = 4;
const STALLED_MS = 350; // "exact" shows pictures without their own map when none came for so long
const FRESH_MS = 250; // a map that is this much older than the picture is painted in full
const GONE_MS = 1000; // and one this much older not at all

/**
 * @typedef {object} Kept one frame of the ring
 * @property {number} slot
 * @property {number} number one more than the frame before
 * @property {number} captured Unix milliseconds
 * @property {Message | null} result
 *
 * @typedef {object} Showing
 * @property {Kept} frame
 * @property {Message | null} result the newest one that is not newer than the frame in "exact", newest of all in "live"
 * @property {number} strength 0 to 1, by how far the result's frame is from the shown one
 * @property {boolean} exact the result is of this very frame
 *
 * @typedef {"matched" | "unmatched" | "late" | "undated"} Outcome of a result: it found its frame, there is none, its
 *   frame is not kept any more, or the server cannot tell when it was captured
 *
 * @typedef {{ message: Message, arrived: number }} Came when, in Unix milliseconds
 */

export class Timeline {
  #slots;
  /** @type {Kept[]} oldest first */
  #frames = [];
  #number = 0;
  /** @type {Came | null} */
  #newest = null;
  /** @type {Came[]} results of frames that are still to come, by their time of capture */
  #early = [];
  /** @type {number[]} milliseconds from capture to the result's arrival, newest last */
  #loops = [];
  /** @type {number[]} milliseconds that results were dated after their frames, newest last */
  #skews = [];
  /** @type {Outcome[]} newest last */
  #outcomes = [];
  #shown = -1; // number of the frame
  #shownOwn = -Infinity; // when a frame with its own map was shown last
  #since = -Infinity; // what was captured, or came undated, before is of another camera
  matched = 0;
  unmatched = 0;

  /** @param {number} slots frames that are kept */
  constructor(slots) {
    this.#slots = slots;
  }

  /** @returns {number} the slot to keep the next frame in; the one that was there is not to be shown any more */
  makeRoom() {
    const slot = this.#number % this.#slots;
    this.#frames = this.#frames.filter((frame) => frame.slot !== slot);
    return slot;
  }

  /**
   * A frame of the camera's, which is kept by now.
   *
   * @param {number} captured Unix milliseconds
   */
  frame(captured) {
    const slot = this.makeRoom();
    const frame = { slot, number: this.#number++, captured, result: null };
    this.#frames = [...this.#frames, frame];
    this.#meet(frame);
  }

  /**
   * @param {Message} message
   * @param {number} now Unix milliseconds
   * @returns {Kept | null} the frame that it is about; null where it cannot be told, is not kept any more, or is still
   *   to come: a result may be faster than the browser, and waits then
   */
  result(message, now) {
    const came = { message, arrived: now };
    // An undated one that has just come may still be of the camera before.
    if ((message.captured ?? now - FRESH_MS) < this.#since) return null;
    this.#newest = newer(came, this.#newest);
    if (message.captured === null) {
      this.#judge("undated");
      return null;
    }
    const captured = message.captured - this.#skew;
    const kept = nearest(this.#frames, captured);
    if (kept !== null && Math.abs(kept.captured - captured) <= NEAR_MS) {
      this.#match(kept, came);
      return kept;
    }
    if (captured < (this.#frames[0]?.captured ?? -Infinity)) this.#judge("late");
    else if (captured > (this.#frames.at(-1)?.captured ?? -Infinity)) this.#await(came);
    else this.#judge("unmatched");
    return null;
  }

  /** @returns {Record<Outcome, number>} of the last results */
  get recent() {
    const count = { matched: 0, unmatched: 0, late: 0, undated: 0 };
    for (const outcome of this.#outcomes) count[outcome] += 1;
    return count;
  }

  /** @returns {number} milliseconds that "exact" holds the picture back at most: the loop that nearly all results keep */
  get holdBack() {
    const reach = (this.#slots - 2) * this.#interval();
    return Math.min((percentile(this.#loops, 0.95) ?? 0) + SLACK_MS, reach);
  }

  /**
   * The newest picture with the newest map.
   *
   * @returns {Showing | null}
   */
  live() {
    const frame = this.#frames.at(-1);
    return frame ? this.#showing(frame, this.#newest) : null;
  }

  /**
   * The newest frame whose own result is here. Only when results stop coming, so that the picture would stand still, one
   * without: then the last map fades on it. Never an older one than before.
   *
   * @param {number} now Unix milliseconds
   * @returns {Showing | null} null when there is nothing newer to show
   */
  exact(now) {
    const { holdBack } = this;
    const stalled = now - this.#shownOwn >= STALLED_MS;
    const due = this.#frames.filter(
      ({ number, captured, result }) => number > this.#shown && (result !== null || (stalled && now - captured >= holdBack)),
    );
    const frame = due.at(-1);
    if (!frame) return null;
    this.#shown = frame.number;
    if (frame.result !== null) this.#shownOwn = now;
    const before = this.#frames.filter(({ number, result }) => result !== null && number <= frame.number).at(-1)?.result;
    const found = before ? { message: before, arrived: now } : this.#newest;
    return this.#showing(frame, found && (found.message.captured ?? found.arrived) <= frame.captured + NEAR_MS ? found : null);
  }

  /** Frames so far are not to be shown any more. */
  forget() {
    this.#frames = [];
  }

  /**
   * Start anew: another camera, whose clock is another.
   *
   * @param {number} now Unix milliseconds
   */
  clear(now) {
    this.#frames = [];
    this.#newest = null;
    this.#early = [];
    this.#loops = [];
    this.#skews = [];
    this.#outcomes = [];
    this.#shownOwn = -Infinity;
    this.#since = now;
  }

  /**
   * Keep a result until its frame comes.
   *
   * @param {Came} came
   */
  #await(came) {
    this.#early = [...this.#early, came].sort((a, b) => captureOf(a) - captureOf(b));
    // A hidden page may get no frames for hours.
    while (this.#early.length > this.#slots) {
      this.#early.shift();
      this.#judge("unmatched");
    }
  }

  /**
   * Results that were faster than their frame.
   *
   * @param {Kept} frame the newest
   */
  #meet(frame) {
    const ahead = (/** @type {Came} */ came) => captureOf(came) - this.#skew - frame.captured;
    const due = this.#early.filter((came) => ahead(came) <= NEAR_MS);
    this.#early = this.#early.filter((came) => ahead(came) > NEAR_MS);
    for (const came of due) {
      if (ahead(came) >= -NEAR_MS) this.#match(frame, came);
      else this.#judge("unmatched"); // the browser has left its frame out
    }
  }

  /**
   * @param {Kept} frame
   * @param {Came} came
   */
  #match(frame, came) {
    this.#judge("matched");
    frame.result = came.message;
    this.#loops = [...this.#loops, came.arrived - frame.captured].slice(-LOOPS);
    this.#skews = [...this.#skews, captureOf(came) - frame.captured].slice(-SKEWS);
  }

  /** @param {Outcome} outcome */
  #judge(outcome) {
    if (outcome === "matched") this.matched += 1;
    else if (outcome !== "undated") this.unmatched += 1;
    this.#outcomes = [...this.#outcomes, outcome].slice(-JUDGED);
    // Only a match corrects the skew: one that is wrong altogether would stay so.
    if (!this.#outcomes.slice(-SKEWS).includes("matched")) this.#skews = [];
  }

  /**
   * @param {Kept} frame
   * @param {Came | null} came
   * @returns {Showing}
   */
  #showing(frame, came) {
    if (came === null) return { frame, result: null, strength: 0, exact: false };
    const result = came.message;
    const own = frame.result === result;
    const captured = result.captured === null ? came.arrived : result.captured - this.#skew;
    return { frame, result, strength: own ? 1 : strength(Math.abs(frame.captured - captured)), exact: own };
  }

  /**
   * The browser dates its frames by one clock and its sender reports by another, which may drift from it while the page
   * stands open. So the middle of what they were apart lately is taken off.
   *
   * @returns {number} milliseconds
   */
  get #skew() {
    return this.#skews.length < SKEWS ? 0 : (percentile(this.#skews, 0.5) ?? 0);
  }

  /** @returns {number} milliseconds between two frames, the median of the last ones */
  #interval() {
    const times = this.#frames.slice(-INTERVALS).map(({ captured }) => captured);
    return percentile(times.slice(1).map((time, index) => time - (times[index] ?? time)), 0.5) ?? 1000 / 30;
  }
}

/**
 * How strongly a map is painted that is so far from its picture.
 *
 * @param {number} apart milliseconds
 * @returns {number} 1 for a fresh one, falling to 0
 */
export function strength(apart) {
  return Math.min(1, Math.max(0, (GONE_MS - apart) / (GONE_MS - FRESH_MS)));
}

/**
 * @param {Kept[]} frames
 * @param {number} captured
 * @returns {Kept | null}
 */
function nearest(frames, captured) {
  let best = null;
  for (const frame of frames) {
    if (best === null || Math.abs(frame.captured - captured) < Math.abs(best.captured - captured)) best = frame;
  }
  return best;
}

/** @param {Came} came */
function captureOf({ message, arrived }) {
  return message.captured ?? arrived;
}

/**
 * @param {Came} came
 * @param {Came | null} before
 * @returns {Came} that of the newer picture; where one of them is not dated, that which came last
 */
function newer(came, before) {
  const [a, b] = [came.message.captured, before?.message.captured ?? null];
  return before !== null && a !== null && b !== null && a < b ? before : came;
}

/**
 * @param {number[]} values
 * @param {number} share 0.5 for the median
 * @returns {number | undefined}
 */
function percentile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor(share * values.length)];
}
