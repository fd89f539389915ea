/** Picture and heat by Canvas 2D, where there is no WebGL. */

/** @import { Picture, PicturePainter } from "./picture_painter.js" */

import { colourHeat } from "./colours.js";
import { FINE } from "./heat.js";
import { resize, sizeOf } from "./picture_painter.js";

/** @implements {PicturePainter} */
export class Canvas2dPainter {
  kind = /** @type {const} */ ("2d");
  lost = false; // a browser gives a 2D canvas back by itself
  #shown = new Surface();
  canvas = this.#shown.canvas;
  /** @type {(Surface | undefined)[]} */
  #slots = [];
  #heats = [new Surface(true), new Surface(true)];

  /**
   * @param {Picture} picture
   * @param {number} slot
   */
  keep(picture, slot) {
    const place = (this.#slots[slot] ??= new Surface());
    const { width, height } = sizeOf(picture);
    resize(place.canvas, width, height);
    place.context.drawImage(picture, 0, 0, width, height);
  }

  /**
   * @param {number} pane
   * @param {Uint8Array} heat
   * @param {Uint8Array} table
   */
  setHeat(pane, heat, table) {
    const { canvas, context } = this.#heats[pane] ?? missing(pane);
    resize(canvas, FINE, FINE);
    context.putImageData(new ImageData(colourHeat(heat, table, false), FINE, FINE), 0, 0);
  }

  /**
   * @param {number} slot
   * @param {number[]} shares
   * @param {boolean} mirror
   */
  paint(slot, shares, mirror) {
    const picture = this.#slots[slot]?.canvas;
    if (!picture) return false;
    const { width, height } = picture;
    const { canvas, context } = this.#shown;
    resize(canvas, width * shares.length, height);
    for (const [pane, share] of shares.entries()) {
      if (mirror) context.setTransform(-1, 0, 0, 1, (pane + 1) * width, 0);
      else context.setTransform(1, 0, 0, 1, pane * width, 0);
      context.globalAlpha = 1;
      context.drawImage(picture, 0, 0);
      const heat = this.#heats[pane];
      if (!heat || share <= 0) continue;
      context.globalAlpha = share;
      context.drawImage(heat.canvas, 0, 0, width, height);
    }
    return true;
  }

  close() {
    // Safari counts the memory of canvases until they are collected.
    for (const surface of [this.#shown, ...this.#heats, ...this.#slots]) if (surface) resize(surface.canvas, 0, 0);
  }
}

class Surface {
  canvas = document.createElement("canvas");
  context;

  constructor(alpha = false) {
    const context = this.canvas.getContext("2d", { alpha });
    if (!context) throw new Error("This browser gives no 2D canvas.");
    this.context = context;
  }
}

/**
 * @param {number} pane
 * @returns {never}
 */
function missing(pane) {
  throw new RangeError(`There is no pane ${pane}.`);
}
