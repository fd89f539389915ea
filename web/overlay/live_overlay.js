/** Overlay mode on the page: its view, its messages in the panels' shape, its figures, and what goes back of them. */

/** @import { Models } from "../models.js" */
/** @import { Result, Stats } from "../protocol.js" */
/** @import { Session } from "../session.js" */
/** @import { SettingsStore } from "../settings.js" */
/** @import { ChoiceStore } from "./choices.js" */
/** @import { Message } from "./message.js" */
/** @import { Wish } from "./panes.js" */

import { methodName } from "../view/controls.js";
import { OverlayView } from "../view/overlay_view.js";
import { toResult } from "./result.js";

/**
 * @typedef {object} OverlayParts
 * @property {SettingsStore} settings
 * @property {ChoiceStore} choices
 * @property {Models} models
 * @property {() => Record<string, Uint8Array>} tables colour maps
 * @property {() => void} sized
 */

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
    const result = toResult(message, [this.#name(0), this.#name(1)]);
    return { ...result, ms: { ...result.ms, ...ways } };
  }

  /**
   * Tell the server what became of its results; called each second.
   *
   * @param {Session} session
   */
  report(session) {
    if (this.view === null) return;
    const { matched, unmatched } = this.view.counts;
    const since = { matched: matched - this.#reported.matched, unmatched: unmatched - this.#reported.unmatched };
    this.#reported = { matched, unmatched };
    session.report({ ...this.view.ages.report(), ...since });
  }

  /** @returns {Stats["ms"]} the ways up and down, medians, for the strip */
  get ways() {
    const ages = this.view?.ages;
    const up = ages?.percentile("uplink", 0.5) ?? null;
    const down = ages?.percentile("downlink", 0.5) ?? null;
    return { ...(up === null ? {} : { up }), ...(down === null ? {} : { down }) };
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
    const { models, settings } = this.#parts;
    const { compared, card, second, chosen, chosenInSecond } = models;
    const caption = (/** @type {string} */ model, /** @type {string | null | undefined} */ method) =>
      compared === "" ? "" : `${model} · ${methodName(method ?? "")}`;
    return [
      {
        chosen,
        name: this.#name(0),
        caption: caption(models.current, settings.values.method ?? card?.default_method),
      },
      {
        chosen: chosenInSecond,
        name: this.#name(1),
        caption: caption(compared, settings.values.compare?.method ?? second?.default_method),
      },
    ];
  }

  /**
   * @param {number} side
   * @returns {(index: number) => string}
   */
  #name(side) {
    const { card, second } = this.#parts.models;
    const classes = (side === 0 ? card : second)?.classes ?? [];
    return (index) => classes[index] ?? `#${index}`;
  }
}
