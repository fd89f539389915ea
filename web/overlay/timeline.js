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
const SLACK_MS = 4;
const FRESH_MS = 250; // a map that is this much older than the picture is painted in full
const GONE_MS = 1000; // and one this much older not at all

/**
 * @typedef {object} Kept one frame of the ring
 * @property {number} slot
 * @property {number} captured Unix milliseconds
 * @property {Message | null} result
 *
 * @typedef {object} Showing
 * @property {Kept} frame
 * @property {Message | null} result the newest one that is not newer than the frame in "exact", newest of all in "live"
 * @property {number} strength 0 to 1, by how far the result's frame is from the shown one
 * @property {boolean} exact the result is of this very frame
 */

export class Timeline {
  #slots;
  /** @type {Kept[]} oldest first */
  #frames = [];
  #next = 0;
  /** @type {Message | null} */
  #newest = null;
  /** @type {{ message: Message, arrived: number }[]} results of frames that are still to come, oldest first */
  #early = [];
  /** @type {number[]} milliseconds from capture to the result's arrival, newest last */
  #loops = [];
  #shown = -Infinity;
  matched = 0;
  unmatched = 0;
  late = 0; // results whose frame is not kept any more

  /** @param {number} slots frames that are kept */
  constructor(slots) {
    this.#slots = slots;
  }

  /**
   * A frame of the camera's.
   *
   * @param {number} captured Unix milliseconds
   * @returns {number} the slot to keep it in
   */
  frame(captured) {
    const slot = this.#next;
    this.#next = (slot + 1) % this.#slots;
    const frame = { slot, captured, result: null };
    this.#frames = [...this.#frames.filter((other) => other.slot !== slot), frame];
    this.#meet(frame);
    return slot;
  }

  /**
   * @param {Message} message
   * @param {number} now Unix milliseconds
   * @returns {Kept | null} the frame that it is about; null where it cannot be told, is not kept any more, or is still
   *   to come: a result may be faster than the browser, and waits then
   */
  result(message, now) {
    const { captured } = message;
    if (captured === null) return null;
    const kept = nearest(this.#frames, captured);
    const own = kept !== null && Math.abs(kept.captured - captured) <= NEAR_MS ? kept : null;
    if (own) this.#match(own, message, now);
    else if (captured < (this.#frames[0]?.captured ?? -Infinity)) this.late += 1;
    else if (captured > (this.#frames.at(-1)?.captured ?? -Infinity)) this.#early.push({ message, arrived: now });
    else this.unmatched += 1;
    if (this.#newest?.captured == null || captured >= this.#newest.captured) this.#newest = message;
    return own;
  }

  /** @returns {number} milliseconds that "exact" holds the picture back at most: the loop that nearly all results keep */
  get holdBack() {
    const sorted = [...this.#loops].sort((a, b) => a - b);
    const reach = (this.#slots - 2) * this.#interval();
    return Math.min((sorted[Math.floor(0.95 * sorted.length)] ?? 0) + SLACK_MS, reach);
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
   * The newest frame whose own result is here, or whose time to wait for it is over; never an older one than before.
   *
   * @param {number} now Unix milliseconds
   * @returns {Showing | null} null when there is nothing newer to show
   */
  exact(now) {
    const { holdBack } = this;
    const due = this.#frames.filter(
      ({ captured, result }) => captured > this.#shown && (result !== null || now - captured >= holdBack),
    );
    const frame = due.at(-1);
    if (!frame) return null;
    this.#shown = frame.captured;
    const before = this.#frames.filter(({ captured, result }) => result !== null && captured <= frame.captured);
    return this.#showing(frame, before.at(-1)?.result ?? this.#older(frame));
  }

  /** Start anew: another camera, whose clock is another. */
  clear() {
    this.#frames = [];
    this.#early = [];
    this.#newest = null;
    this.#loops = [];
    this.#shown = -Infinity;
  }

  /**
   * Results that were faster than their frame.
   *
   * @param {Kept} frame the newest
   */
  #meet(frame) {
    while (this.#early[0] && (this.#early[0].message.captured ?? 0) <= frame.captured + NEAR_MS) {
      const { message, arrived } = /** @type {{ message: Message, arrived: number }} */ (this.#early.shift());
      if ((message.captured ?? 0) >= frame.captured - NEAR_MS) this.#match(frame, message, arrived);
      else this.unmatched += 1; // the browser has left its frame out
    }
  }

  /**
   * @param {Kept} frame
   * @param {Message} message
   * @param {number} arrived Unix milliseconds
   */
  #match(frame, message, arrived) {
    this.matched += 1;
    frame.result = message;
    this.#loops = [...this.#loops, arrived - frame.captured].slice(-LOOPS);
  }

  /** @param {Kept} frame */
  #older(frame) {
    const captured = this.#newest?.captured ?? null;
    return captured !== null && captured <= frame.captured ? this.#newest : null;
  }

  /**
   * @param {Kept} frame
   * @param {Message | null} result
   * @returns {Showing}
   */
  #showing(frame, result) {
    const apart = result?.captured == null ? Infinity : Math.abs(frame.captured - result.captured);
    return { frame, result, strength: strength(apart), exact: result !== null && frame.result === result };
  }

  /** @returns {number} milliseconds between two frames, the median of the last ones */
  #interval() {
    const times = this.#frames.slice(-INTERVALS).map(({ captured }) => captured);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
    gaps.sort((a, b) => a - b);
    return gaps[Math.floor(gaps.length / 2)] ?? 1000 / 30;
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
