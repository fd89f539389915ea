/** What only this page decides about the picture, and the server never hears of; kept between visits. */

/** @import { Mode } from "../protocol.js" */

import { recall, remember } from "../preferences.js";

/** @typedef {"exact" | "live"} Display */

/**
 * @typedef {object} Choices
 * @property {Mode} mode who paints: this page ("overlay") or the server ("video")
 * @property {Display} display how picture and map are brought together in overlay mode
 * @property {boolean} line draw where the map crosses its threshold
 * @property {number} smoothing seconds in which a map follows its frames
 * @property {"server" | "browser"} recorder who records
 */

/** @type {Readonly<Choices>} */
export const USUAL = Object.freeze({
  mode: "overlay",
  display: "exact",
  line: false,
  smoothing: 0,
  recorder: "server",
});

export const MAX_SMOOTHING = 1; // seconds

export class ChoiceStore {
  /** What the person chose. @type {Choices} */
  #kept;
  /** @type {Choices} */
  #values;
  /** @type {Array<(values: Readonly<Choices>) => void>} */
  #listeners = [];

  constructor() {
    this.#kept = this.#values = { ...USUAL, ...sensible(recall("picture")) };
  }

  /** @returns {Readonly<Choices>} what is in force */
  get values() {
    return this.#values;
  }

  /** @param {Partial<Choices>} changes that the person made */
  change(changes) {
    this.#kept = { ...this.#kept, ...changes };
    remember("picture", this.#kept);
    this.forNow(changes);
  }

  /** @param {Partial<Choices>} changes that nobody chose: the next visit starts without them */
  forNow(changes) {
    this.#values = { ...this.#values, ...changes };
    for (const listener of this.#listeners) listener(this.#values);
  }

  /** @param {(values: Readonly<Choices>) => void} listener called now and after each change */
  listen(listener) {
    this.#listeners.push(listener);
    listener(this.#values);
  }
}

/**
 * @param {unknown} kept from an earlier visit, perhaps by an older page
 * @returns {Partial<Choices>}
 */
function sensible(kept) {
  if (typeof kept !== "object" || kept === null) return {};
  const { mode, display, line, smoothing, recorder } = /** @type {Record<string, unknown>} */ (kept);
  return {
    ...(mode === "video" || mode === "overlay" ? { mode } : {}),
    ...(display === "exact" || display === "live" ? { display } : {}),
    ...(typeof line === "boolean" ? { line } : {}),
    ...(typeof smoothing === "number" && smoothing >= 0 && smoothing <= MAX_SMOOTHING ? { smoothing } : {}),
    ...(recorder === "server" || recorder === "browser" ? { recorder } : {}),
  };
}
