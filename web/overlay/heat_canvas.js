/**
 * One pane's heat as it lies above the picture, where no graphics card puts the page together.
 *
 * The browser does so at each change of picture or map, and to enlarge a canvas smoothly takes it four times as long as
 * to repeat its pixels. So the heat is drawn smoothly to a size from which nobody sees that they are repeated.
 */

/** @import { Size } from "./picture_painter.js" */

import { FINE } from "./heat.js";
import { resize } from "./picture_painter.js";
import { Surface } from "./surface.js";

const PIXELS = 90_000; // drawn in half a millisecond: two to three of a picture's of 800 x 600 to each
const MOST_REPEATED = 4; // times a side, however large the picture: with more, steps are seen in steep heat

export class HeatCanvas extends Surface {
  share = 0;
  #fine = new Surface(true);
  #colours = new Uint8ClampedArray(4 * FINE * FINE); // RGBA, not mirrored
  #fresh = false; // `#fine` does not hold them yet
  #mirror = false;

  /** @param {string} kind for the page's styles */
  constructor(kind) {
    super(true);
    this.canvas.className = `heat ${kind}`;
    resize(this.#fine.canvas, FINE, FINE);
  }

  /** FINE x FINE, at full opacity. */
  get fine() {
    return this.#fine.canvas;
  }

  get canvases() {
    return [this.canvas, this.fine];
  }

  /** @param {Uint8ClampedArray<ArrayBuffer>} colours RGBA, FINE x FINE */
  set colours(colours) {
    this.#colours = colours;
    this.#fresh = true;
  }

  /** @param {Size} area that it takes on the screen */
  fit({ width, height }) {
    const scale = Math.min(1, Math.max(1 / MOST_REPEATED, Math.sqrt(PIXELS / (width * height))));
    resize(this.canvas, Math.ceil(scale * width), Math.ceil(scale * height));
    this.#draw();
  }

  /**
   * @param {number} share how much of it is seen, 0 to 1
   * @param {boolean} mirror
   */
  show(share, mirror) {
    const changed = share > 0 && (this.#fresh || mirror !== this.#mirror);
    if (changed) {
      const colours = mirror ? mirrored(this.#colours) : this.#colours;
      this.#fine.context.putImageData(new ImageData(colours, FINE, FINE), 0, 0);
      this.#fresh = false;
      this.#mirror = mirror;
    }
    if (!changed && share === this.share) return;
    this.canvas.style.opacity = share > 0 ? "1" : "0";
    this.share = share;
    this.#draw();
  }

  /** Its share is in the pixels: a see-through canvas would take the browser longer. */
  #draw() {
    if (this.share <= 0) return;
    const { canvas, context } = this;
    context.globalCompositeOperation = "copy";
    context.globalAlpha = this.share;
    context.drawImage(this.fine, 0, 0, canvas.width, canvas.height);
  }
}

/** @param {Uint8ClampedArray<ArrayBuffer>} colours RGBA, FINE x FINE */
function mirrored(colours) {
  const pixels = new Uint32Array(colours.slice().buffer);
  for (let row = 0; row < pixels.length; row += FINE) pixels.subarray(row, row + FINE).reverse();
  return new Uint8ClampedArray(pixels.buffer);
}
