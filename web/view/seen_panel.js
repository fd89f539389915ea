/** What is seen, of one side or of two that are compared: each with its headline and its five best guesses. */

/** @import { Models } from "../models.js" */
/** @import { Card, Result, Seen, Settings } from "../protocol.js" */

import { byId } from "../dom.js";
import { methodName } from "./controls.js";
import { mapName } from "./map_kinds.js";
import { Ranking } from "./ranking.js";
import { Redraw } from "./redraw.js";

const REDRAW_MS = 100; // 30 changes a second can not be read

export class SeenPanel {
  #root = byId("seen", HTMLElement);
  #stale = byId("seen-stale", HTMLParagraphElement);
  #second = byId("seen-second", HTMLDivElement);
  #names = [byId("side-first", HTMLParagraphElement), byId("side-second", HTMLParagraphElement)];
  /** @type {Ranking} */
  #firstRanking;
  /** @type {Ranking} */
  #secondRanking;

  /**
   * @param {(index: number) => void} choose a class of the first side was clicked
   * @param {(index: number) => void} chooseOfSecond a class of the second side was
   */
  constructor(choose, chooseOfSecond) {
    // Both at once: at two moments they would differ also where both are right.
    const redraw = new Redraw(
      () => [this.#firstRanking, this.#secondRanking].forEach((ranking) => ranking.draw()),
      () => REDRAW_MS,
    );
    const changed = () => redraw.soon();
    this.#firstRanking = new Ranking(places(""), choose, true, changed);
    this.#secondRanking = new Ranking(places("second-"), chooseOfSecond, false, changed);
  }

  /**
   * @param {Models} models
   * @param {Readonly<Settings>} settings
   */
  follow(models, settings) {
    const { current, compared, card, second, chosen, chosenInSecond } = models;
    const common = (/** @type {Card | null} */ of) => ({
      minScore: settings.min_score ?? of?.min_score ?? null,
      name: (/** @type {string} */ model, /** @type {number} */ index) => models.className(model, index),
    });
    this.#firstRanking.follow({ model: current, chosen, ...common(card) });
    this.#secondRanking.follow({ model: compared, chosen: chosenInSecond, ...common(second) });
  }

  /** @param {Result | null} result null when there is no picture any more */
  show(result) {
    this.stale = false;
    const compared = result?.compare ?? null;
    this.#firstRanking.show(result);
    this.#secondRanking.show(compared);
    this.#second.hidden = compared === null;
    this.#root.classList.toggle("paired", compared !== null);
    for (const [number, side] of [result, compared].entries()) this.#name(this.#names[number], side, compared !== null);
  }

  /** @param {boolean} stale whether the picture has gone on without results */
  set stale(stale) {
    if (stale !== this.#stale.hidden) return;
    this.#stale.hidden = !stale;
    this.#root.toggleAttribute("data-stale", stale);
  }

  /**
   * @param {number} rank from 0
   * @returns {number | null} the first side's class at this rank, as it is on the screen
   */
  at(rank) {
    return this.#firstRanking.at(rank);
  }

  /**
   * @param {HTMLElement | undefined} line
   * @param {Seen | null} side
   * @param {boolean} paired
   */
  #name(line, side, paired) {
    if (!line) return;
    line.hidden = !paired;
    const text = side === null ? "" : [side.model, methodName(side.method), mapName(side.map)].join(" · ");
    const shown = line.querySelector("span");
    if (shown && shown.textContent !== text) shown.textContent = line.title = text;
  }
}

/**
 * @param {Result} result
 * @returns {boolean} whether anything is marked in the picture
 */
export function asserts({ shown, compare }) {
  return shown.length > 0 || (compare !== undefined && compare.shown.length > 0);
}

/** @param {string} prefix of the ids */
function places(prefix) {
  return {
    headline: byId(`${prefix}headline`, HTMLParagraphElement),
    subline: byId(`${prefix}subline`, HTMLParagraphElement),
    list: byId(`${prefix}ranking`, HTMLOListElement),
  };
}
