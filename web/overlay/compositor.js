/** Mode "overlay": the page paints the server's maps over its own camera's pictures, which it keeps in a small ring. */

/** @import { Context } from "./marks.js" */
/** @import { Picture, PicturePainter } from "./picture_painter.js" */
/** @import { Grid, Look, Pane } from "./types.js" */

import { make } from "../dom.js";
import { Canvas2dPainter } from "./canvas2d.js";
import { heatOf } from "./heat.js";
import { drawMarks } from "./marks.js";
import { contained, resize, sizeOf } from "./picture_painter.js";
import { WebglPainter } from "./webgl.js";

const STEPS = 16; // of a pane's strength; marks are drawn anew at each

/**
 * Paints by WebGL 2 where a graphics card does it, by Canvas 2D elsewhere, unless one of them is preferred.
 *
 * @param {Record<string, Uint8Array>} tables 256 RGB colours each, by the colour map's name; see `decodeTables`
 * @param {{ slots: number, prefer?: "webgl" | "2d" }} options
 */
export function createCompositor(tables, options) {
  return new Compositor(tables, options.slots, options.prefer);
}

/** Grids, marks and panes are values: a changed one is another object, and what is the same object is not drawn again. */
export class Compositor {
  element = make("div", { class: "overlay", role: "img", "aria-label": "Live picture" });
  #marks = make("canvas", { class: "marks" });
  #tables;
  #slots;
  /** @type {PicturePainter} */
  #painter;
  /** @type {(Heat | undefined)[]} what the painter has, by pane */
  #heats = [];
  /** @type {{ panes: Pane[], look: Look } | null} */
  #painted = null;
  /** @type {{ key: string, grids: Grid[] } | null} what stands on the canvas of marks */
  #drawn = null;
  #fitted = ""; // the room that the painter knows
  /** @type {{ width: number, height: number, exact?: ResizeObserverSize | undefined }} in CSS pixels */
  #box = { width: 0, height: 0 };
  #observer = new ResizeObserver(([entry]) => entry && this.#resized(entry));
  // A page that is zoomed may keep its room in the display's pixels, and one brought to another display that in CSS's own.
  #exactObserver = new ResizeObserver(([entry]) => entry && this.#resized(entry));

  /**
   * @param {Record<string, Uint8Array>} tables
   * @param {number} slots
   * @param {"webgl" | "2d"} [prefer]
   */
  constructor(tables, slots, prefer) {
    this.#tables = tables;
    this.#slots = slots;
    this.#painter = prefer === "2d" ? new Canvas2dPainter() : webglOr2d(prefer === "webgl");
    this.element.append(...this.#painter.elements, this.#marks);
    this.#observer.observe(this.#marks);
    const exact = "devicePixelContentBoxSize" in ResizeObserverEntry.prototype;
    if (exact) this.#exactObserver.observe(this.#marks, { box: "device-pixel-content-box" });
  }

  /** How it paints at the moment. */
  get kind() {
    return this.#painter.kind;
  }

  /**
   * Copy the camera's picture; it may have another size than the one before (a phone that is turned).
   *
   * @param {Picture} picture
   * @param {number} slot 0 to slots - 1; it holds no picture until this one is there
   */
  async keep(picture, slot) {
    if (!(slot >= 0 && slot < this.#slots)) throw new RangeError(`The ring has no slot ${slot}.`);
    this.#ready();
    if (sizeOf(picture).width > 0) await this.#painter.keep(picture, slot);
  }

  /**
   * Paint a kept picture; a slot that holds none leaves the last painting where it is.
   *
   * @param {number} slot
   * @param {Pane[]} panes one, or two that are compared
   * @param {Look} look
   */
  paint(slot, panes, look) {
    this.#ready();
    const shares = panes.map((pane, number) => {
      if (pane.grids.length === 0) return 0;
      this.#warm(number, pane.grids, look.colormap);
      return look.opacity * pane.strength;
    });
    this.#fit(); // developer tools change the display without a word
    if (!this.#painter.paint(slot, shares, look.mirror)) return;
    this.#painted = { panes, look };
    this.#drawMarks();
  }

  /** Of what was painted last, in the picture's own pixels: as wide as both panes. */
  size() {
    return this.#painter.size();
  }

  /**
   * Draw what was painted last, with its marks laid out for that size. A picture of another shape stands between bars.
   *
   * @param {Context} context
   * @param {number} width
   * @param {number} height
   */
  drawInto(context, width, height) {
    const size = this.size();
    if (!this.#painted || !size) return;
    const { panes, look } = this.#painted;
    const area = contained(size, width, height);
    if (area.width < width || area.height < height) {
      context.fillStyle = "black";
      context.fillRect(0, 0, width, height);
    }
    this.#painter.drawInto(context, area);
    drawMarks(context, panes, look, area, 1, this.#fonts());
  }

  /** @returns {Promise<Blob>} PNG of the picture's own size */
  async snapshot() {
    const size = this.size();
    const canvas = size && new OffscreenCanvas(size.width, size.height);
    const context = canvas?.getContext("2d");
    if (!canvas || !context) throw new Error("There is no picture to save yet.");
    this.drawInto(context, canvas.width, canvas.height);
    return canvas.convertToBlob({ type: "image/png" });
  }

  close() {
    this.#observer.disconnect();
    this.#exactObserver.disconnect();
    this.#painter.close();
    this.#painted = null;
  }

  /** Where the browser took WebGL away (a driver's reset, too many pages), go on without it from the next frame. */
  #ready() {
    if (!this.#painter.lost) return;
    for (const element of this.#painter.elements) element.remove();
    this.#painter = new Canvas2dPainter();
    this.#fitted = "";
    this.element.prepend(...this.#painter.elements);
    this.#heats = [];
  }

  /**
   * @param {number} number of the pane
   * @param {Grid[]} grids
   * @param {string} colormap
   */
  #warm(number, grids, colormap) {
    const known = this.#heats[number];
    const same = known !== undefined && alike(known.grids, grids);
    if (same && known.colormap === colormap) return;
    const table = this.#tables[colormap];
    if (!table) throw new RangeError(`There is no colour map ${colormap}.`);
    const heat = same ? known.heat : heatOf(grids);
    this.#painter.setHeat(number, heat, table);
    this.#heats[number] = { grids: [...grids], colormap, heat };
  }

  /**
   * The room on the screen in the display's own pixels. CSS pixels times their ratio may be one off, so the browser's own
   * word counts where it has one; but developer tools that play a phone's screen leave that at the true one's.
   */
  get #room() {
    const density = devicePixelRatio;
    const own = (/** @type {number} */ css, /** @type {number | undefined} */ exact) =>
      exact !== undefined && Math.abs(exact - css * density) <= 1 ? exact : Math.round(css * density);
    const { width, height, exact } = this.#box;
    return { width: own(width, exact?.inlineSize), height: own(height, exact?.blockSize), density };
  }

  /** @param {ResizeObserverEntry} entry */
  #resized({ contentRect: { width, height }, devicePixelContentBoxSize }) {
    this.#box = { width, height, exact: devicePixelContentBoxSize?.[0] };
    this.#fit();
    this.#drawMarks();
  }

  #fit() {
    const { width, height } = this.#room;
    const fitted = `${width} ${height}`;
    if (fitted === this.#fitted) return;
    this.#fitted = fitted;
    this.#painter.fit({ width, height });
  }

  #drawMarks() {
    const size = this.size();
    const room = this.#room;
    const { width, height, density } = room;
    if (!this.#painted || !size || width === 0 || height === 0) return;
    const { look } = this.#painted;
    const panes = this.#painted.panes.map((pane) => ({ ...pane, strength: Math.round(pane.strength * STEPS) / STEPS }));
    const said = panes.map(({ marks, caption, strength, grids }) => [marks, caption, strength, grids.length]);
    const key = JSON.stringify([said, look.boxes, look.labels, look.line, look.mirror, size, room]);
    const grids = look.line ? panes.flatMap((pane) => pane.grids) : [];
    if (this.#drawn?.key === key && alike(this.#drawn.grids, grids)) return;
    this.#drawn = { key, grids };
    const context = this.#marks.getContext("2d");
    if (!context) return;
    resize(this.#marks, width, height);
    context.clearRect(0, 0, width, height);
    drawMarks(context, panes, look, contained(size, width, height), density, this.#fonts());
  }

  #fonts() {
    return getComputedStyle(this.element).fontFamily || "sans-serif";
  }
}

/** @typedef {{ grids: Grid[], colormap: string, heat: Uint8Array }} Heat */

/**
 * @param {boolean} evenSlow
 * @returns {PicturePainter}
 */
function webglOr2d(evenSlow) {
  try {
    return new WebglPainter(evenSlow);
  } catch {
    return new Canvas2dPainter(); // slower, and looks the same
  }
}

/**
 * @param {Grid[]} a
 * @param {Grid[]} b
 */
function alike(a, b) {
  return a.length === b.length && a.every((grid, i) => grid === b[i]);
}
