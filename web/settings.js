/**
 * The settings as the page shows them: the person's wishes first, then the server's truth.
 *
 * A wish is shown at once, kept for the next visit and sent to wherever the picture comes from (`attach`), at most
 * every `SEND_EVERY_MS`, and only when the last one was answered: while a model loads, the newest value waits here and
 * not a queue of older ones there. The server's `state` messages overwrite everything that is not still on its way.
 */

/** @import { MapKind, Refusal, Settings } from "./protocol.js" */
/** @typedef {keyof Settings} SettingName */

import { recall, remember } from "./preferences.js";

const SEND_EVERY_MS = 60;
const AGAIN_AFTER_MS = 1000; // where the server was too busy
const VERSION = 2; // of what is kept: 2 since a map of null is the model's own kind

/** @type {readonly MapKind[]} */
export const MAP_KINDS = ["objectness", "spread", "plain", "foreground"];

/** @type {readonly SettingName[]} */
export const PAINT_NAMES = ["opacity", "colormap", "boxes", "labels", "mirror"];

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  model: null,
  classes: "top",
  top_k: 5,
  method: null,
  map: null,
  box: "largest",
  threshold: null,
  min_score: null,
  compare: null,
  opacity: 0.5,
  colormap: "turbo",
  boxes: true,
  labels: true,
  mirror: false,
});

export class SettingsStore {
  /** @type {Partial<Settings>} what the person chose, on whatever source */
  #wishes = {};
  /** @type {Settings} */
  #truth;
  /** @type {Settings} */
  #values;
  /** @type {Partial<Settings>} */
  #unsent = {};
  /** @type {Map<number, Partial<Settings>>} message id -> changes not yet answered */
  #onTheWay = new Map();
  /** @type {((changes: Partial<Settings>) => number | null) | null} */
  #send = null;
  /** @type {number | undefined} */
  #timer;
  /** @type {Array<(values: Settings) => void>} */
  #listeners = [];

  constructor() {
    this.#wishes = sensible(recall("settings"), recall("settings-version"));
    this.#truth = { ...DEFAULTS, ...this.#wishes };
    this.#values = this.#truth;
  }

  /** @returns {Readonly<Settings>} */
  get values() {
    return this.#values;
  }

  /**
   * What a new session should start with.
   *
   * @param {boolean} paintOnly for a stream that others watch too, whose analysis is not ours to reset
   * @returns {Partial<Settings>}
   */
  wishes(paintOnly) {
    const entries = Object.entries(this.#wishes);
    return Object.fromEntries(paintOnly ? entries.filter(([name]) => isPaint(name)) : entries);
  }

  /** @param {(values: Settings) => void} listener called now and after each change */
  listen(listener) {
    this.#listeners.push(listener);
    listener(this.#values);
  }

  /**
   * Where changes go from now on.
   *
   * @param {((changes: Partial<Settings>) => number | null) | null} send returns the message's id, or null where no
   *   answer will come
   */
  attach(send) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#send = send;
    this.#unsent = {};
    this.#onTheWay.clear();
    if (send === null) this.#reset({ ...DEFAULTS, ...this.#wishes });
  }

  /** @param {Partial<Settings>} changes made by the person */
  change(changes) {
    this.#wishes = { ...this.#wishes, ...changes };
    this.#keep();
    this.#show({ ...this.#values, ...changes });
    if (this.#send === null) {
      this.#truth = this.#values;
      return;
    }
    this.#unsent = { ...this.#unsent, ...changes };
    this.#flush();
  }

  /**
   * The server's truth.
   *
   * @param {Settings} settings
   * @param {number | null} reply the newest of our messages that it takes into account
   */
  settle(settings, reply) {
    if (reply !== null) for (const id of this.#onTheWay.keys()) if (id <= reply) this.#onTheWay.delete(id);
    this.#reset(settings);
    this.#flush();
  }

  /**
   * The server refused a change: the old values come back, or where it only was too busy, the change is sent again.
   *
   * @param {Refusal} refusal
   * @returns {SettingName[] | null} the settings that were refused; null where they are sent again
   */
  refuse({ reply, error }) {
    const refused = (reply !== null && this.#onTheWay.get(reply)) || {};
    if (reply !== null) this.#onTheWay.delete(reply);
    const names = /** @type {SettingName[]} */ (Object.keys(refused));
    if (error === "busy" && names.length > 0) {
      this.#unsent = { ...refused, ...this.#unsent };
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#next(), AGAIN_AFTER_MS);
      return null;
    }
    for (const name of names) if (!(name in this.#unsent)) delete this.#wishes[name];
    this.#keep();
    this.#reset(this.#truth);
    this.#flush();
    return names;
  }

  #keep() {
    remember("settings", this.#wishes);
    remember("settings-version", VERSION);
  }

  /** @param {Settings} truth */
  #reset(truth) {
    this.#truth = truth;
    this.#show(Object.assign({}, truth, ...this.#onTheWay.values(), this.#unsent));
  }

  /** Send what waits, unless something was sent just now or is not answered yet. */
  #flush() {
    if (this.#timer !== undefined || this.#onTheWay.size > 0) return;
    if (this.#send === null || Object.keys(this.#unsent).length === 0) return;
    const changes = this.#unsent;
    this.#unsent = {};
    const id = this.#send(changes);
    if (id !== null) this.#onTheWay.set(id, changes);
    else this.#truth = { ...this.#truth, ...changes };
    this.#timer = setTimeout(() => this.#next(), SEND_EVERY_MS);
  }

  #next() {
    this.#timer = undefined;
    this.#flush();
  }

  /** @param {Settings} values */
  #show(values) {
    this.#values = values;
    for (const listener of this.#listeners) listener(values);
  }
}

/**
 * @param {string} name
 * @returns {boolean}
 */
function isPaint(name) {
  return PAINT_NAMES.some((paint) => paint === name);
}

/**
 * What an earlier visit left, without names or kinds of value that this version does not know.
 *
 * Before version 2 the spread map was the default, kept by "Back to the defaults" and by coming back from the plain
 * map. Nobody had chosen it before the objectness map, which was not there, so it is no wish. The plain map was one.
 *
 * @param {unknown} kept
 * @param {unknown} version that kept it
 * @returns {Partial<Settings>}
 */
function sensible(kept, version) {
  if (typeof kept !== "object" || kept === null) return {};
  const entries = Object.entries(kept).filter(([name, value]) => name in DEFAULTS && isLike(name, value));
  return Object.fromEntries(entries.filter(([name, value]) => version === VERSION || name !== "map" || value !== "spread"));
}

/** @type {Partial<Record<string, (value: unknown) => boolean>>} settings whose default does not tell their kind */
const KINDS = {
  model: (value) => value === null || typeof value === "string",
  method: (value) => value === null || typeof value === "string",
  map: (value) => value === null || isMapKind(value),
  classes: (value) => value === "top" || Array.isArray(value),
  threshold: (value) => value === null || value === "otsu" || value === "card" || typeof value === "number",
  min_score: (value) => value === null || typeof value === "number",
  compare: (value) => value === null || isComparison(value),
};

/** @param {unknown} value */
function isMapKind(value) {
  return MAP_KINDS.some((kind) => kind === value);
}

/** @param {unknown} value */
function isComparison(value) {
  if (typeof value !== "object" || value === null) return false;
  const { model, method, map = null } = /** @type {Record<string, unknown>} */ (value); // version 1 had no map
  const named = [model, method].every((name) => name === null || typeof name === "string");
  return named && (map === null || isMapKind(map)) && (model ?? method ?? map) !== null;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {boolean}
 */
function isLike(name, value) {
  const check = KINDS[name];
  if (check) return check(value);
  return typeof value === typeof (/** @type {Record<string, unknown>} */ (DEFAULTS)[name]);
}
