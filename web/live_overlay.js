/** Overlay mode on the page: its view, its messages in the panels' shape, its figures, and what goes back of them. */

/** @import { Models } from "./models.js" */
/** @import { ChoiceStore } from "./overlay/choices.js" */
/** @import { Message } from "./overlay/message.js" */
/** @import { Wish } from "./overlay/panes.js" */
/** @import { Result, Stats } from "./protocol.js" */
/** @import { Session } from "./session.js" */
/** @import { SettingsStore } from "./settings.js" */

import { shortName } from "./models.js";
import { MAX_REPORTED } from "./overlay/ages.js";
import { toResult } from "./overlay/result.js";
import { OverlayView } from "./view/overlay_view.js";

/**
 * @typedef {object} OverlayParts
 * @property {SettingsStore} settings
 * @property {ChoiceStore} choices
 * @property {Models} models
 * @property {() => Record<string, Uint8Array>} tables colour maps
 * @property {() => void} sized
 */

/** @returns {string} why this browser cannot paint the overlay; empty when it can */
export function paintingObstacle() {
  const able =
    typeof OffscreenCanvas === "function" &&
    "roundRect" in CanvasRenderingContext2D.prototype &&
    document.createElement("canvas").getContext("2d") !== null;
  return able ? "" : "This browser cannot paint over its camera’s picture, so the server does. Update it to paint here.";
}

export class LiveOverlay {
  #parts;
  /** @type {OverlayView | null} */
  view = null;
  #reported = { matched: 0, unmatched: 0 };

  /** @param {OverlayParts} parts */
  constructor(parts) {
    this.#parts = parts;
    parts.settings.listen(() => this.view?.refresh());
    parts.choices.listen(() => this.#follow());
  }

  /**
   * @param {MediaStreamTrack} camera
   * @returns {OverlayView} a view of its own for this session
   */
  open(camera) {
    const { settings, choices, tables, sized } = this.#parts;
    this.view = new OverlayView({
      camera,
      tables: tables(),
      look: () => ({ ...settings.values, line: choices.values.line }),
      wishes: () => this.#wishes(),
      sized,
    });
    this.#reported = { matched: 0, unmatched: 0 };
    this.#follow();
    return this.view;
  }

  /** Forget the view; whoever shows it closes it. */
  leave() {
    this.view = null;
  }

  /**
   * @param {Message} message
   * @param {Session} session
   * @returns {Result} for the panels
   */
  take(message, session) {
    const ways = this.view?.result(message, session.serverAhead) ?? {};
    const result = toResult(message, (model, index) => this.#parts.models.className(model, index));
    return { ...result, ms: { ...result.ms, ...shown(ways) } };
  }

  /**
   * Tell the server what became of its results; called each second.
   *
   * @param {Session} session
   */
  report(session) {
    if (this.view === null) return;
    const { matched, unmatched } = this.view.counts;
    const since = (/** @type {number} */ count, /** @type {number} */ reported) => Math.min(count - reported, MAX_REPORTED);
    session.report({
      ...this.view.ages.report(),
      matched: since(matched, this.#reported.matched),
      unmatched: since(unmatched, this.#reported.unmatched),
    });
    this.#reported = { matched, unmatched };
  }

  /** @returns {Stats["ms"]} the ways up and down, medians, for the strip */
  get ways() {
    const ages = this.view?.ages;
    const up = ages?.percentile("uplink", 0.5) ?? null;
    const down = ages?.percentile("downlink", 0.5) ?? null;
    return shown({ ...(up === null ? {} : { up }), ...(down === null ? {} : { down }) });
  }

  #follow() {
    if (this.view === null) return;
    const { display, smoothing } = this.#parts.choices.values;
    this.view.display = display;
    this.view.smoothing = smoothing;
    this.view.refresh();
  }

  /** @returns {Wish[]} */
  #wishes() {
    const { models } = this.#parts;
    const name = (/** @type {string} */ model, /** @type {number} */ index) => models.className(model, index);
    return [
      { model: shortName(models.current), chosen: models.chosen, name },
      { model: shortName(models.compared), chosen: models.chosenInSecond, name },
    ];
  }
}

/**
 * The estimate of the clocks may be off by more than a way takes; nobody wants to read that it took less than nothing.
 *
 * @param {Record<string, number>} ways milliseconds
 * @returns {Record<string, number>}
 */
function shown(ways) {
  return Object.fromEntries(Object.entries(ways).map(([way, ms]) => [way, Math.max(0, ms)]));
}
