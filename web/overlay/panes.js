/** From what the server found to what is painted: which classes, how smooth, and what their plates say. */

/** @import { Found, Message } from "./message.js" */
/** @import { Grid, Mark, Pane } from "./types.js" */

import { captions } from "./captions.js";

/**
 * @typedef {object} Wish what the person wants to see of each side
 * @property {string} model that the person wants; messages may still be about another
 * @property {number[]} chosen indices of that model's classes to show; none leaves it to the server
 * @property {(model: string, index: number) => string} name of a class
 */

/** @type {Wish} */
const NOTHING = { model: "", chosen: [], name: (_, index) => `#${index}` };

export class PaneMaker {
  /** Seconds in which a map follows its frames; 0 shows each as it is. */
  smoothing = 0;
  /** @type {Map<string, Grid>} the smoothed maps, by side, model, method, kind and class */
  #smooth = new Map();
  /** @type {Message | null} */
  #message = null;
  /** @type {Grid[][]} of `#message`, by side */
  #grids = [];

  /**
   * @param {Message | null} message
   * @param {Wish[]} wishes by side
   * @param {number} strength 0 to 1
   * @returns {Pane[]}
   */
  panes(message, wishes, strength) {
    if (message === null) return [{ grids: [], marks: [], caption: "", strength: 0 }];
    if (message !== this.#message) this.#take(message);
    const [first, second] = message.sides;
    const names = first && second ? captions(first, second) : [];
    return message.sides.map((side, number) => {
      const shown = pane(side, this.#grids[number] ?? side.grids, wishes[number] ?? NOTHING);
      return { ...shown, caption: names[number] ?? "", strength };
    });
  }

  /** Another scene: nothing of the one before is blended into it. */
  clear() {
    this.#smooth = new Map();
    this.#message = null;
    this.#grids = [];
  }

  /** @param {Message} message */
  #take(message) {
    const seconds = this.#message === null ? Infinity : Math.abs(message.pts - this.#message.pts);
    const share = this.smoothing > 0 ? 1 - Math.exp(-seconds / this.smoothing) : 1;
    const smooth = new Map();
    this.#grids = message.sides.map((side, number) =>
      side.grids.map((grid) => {
        const key = `${number} ${side.model} ${side.method} ${side.map} ${grid.class}`;
        const blended = blend(this.#smooth.get(key), grid, share);
        smooth.set(key, blended);
        return blended;
      }),
    );
    this.#smooth = smooth;
    this.#message = message;
  }
}

/**
 * @param {Grid | undefined} before
 * @param {Grid} grid
 * @param {number} share of the new one
 * @returns {Grid}
 */
function blend(before, grid, share) {
  if (share >= 1 || before?.rows !== grid.rows || before.columns !== grid.columns) return grid;
  const { values: old } = before;
  const mix = (/** @type {number} */ from, /** @type {number} */ to) => from + share * (to - from);
  const values = grid.values.map((value, cell) => Math.round(mix(old[cell] ?? value, value)));
  return { ...grid, values, threshold: mix(before.threshold, grid.threshold) };
}

/**
 * @param {Found} side
 * @param {Grid[]} grids
 * @param {Wish} wish
 * @returns {Pick<Pane, "grids" | "marks">}
 */
function pane(side, grids, { model, chosen, name }) {
  // A class that was just chosen may be among the maps already: then it is shown before the server has heard of it.
  const own = chosen.length > 0 && side.model === model; // while a model is loading, messages are about the one before
  const wanted = own && chosen.every((index) => grids.some((grid) => grid.class === index));
  const shown = wanted ? chosen : side.shown;
  const ofShown = shown.map((index) => grids.find((grid) => grid.class === index)).filter((grid) => grid !== undefined);
  /** @type {Mark[]} */
  const marks = shown.map((index, place) => ({
    name: name(side.model, index),
    score: scoreOf(side, grids, index),
    place,
    boxes: side.boxes.filter((box) => box.class === index).map(({ box }) => box),
  }));
  return { grids: ofShown, marks };
}

/**
 * @param {Found} side
 * @param {Grid[]} grids
 * @param {number} index
 */
function scoreOf(side, grids, index) {
  const ranked = side.top.find((entry) => entry.class === index);
  return (ranked ?? grids.find((grid) => grid.class === index))?.score ?? 0;
}
