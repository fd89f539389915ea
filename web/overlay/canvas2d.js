/**
 * Picture and heat by Canvas 2D, where no graphics card does WebGL.
 *
 * There each pixel costs: the picture is drawn just as large as it is shown, and the heat is not drawn over it at all.
 * It lies above it as a canvas of its own, so that a new map over the same picture costs next to nothing.
 */

/** @import { Context } from "./marks.js" */
/** @import { Area, Picture, PicturePainter, Size } from "./picture_painter.js" */

import { colourHeat } from "./colours.js";
import { HeatCanvas } from "./heat_canvas.js";
import { contained, panesOf, resize, sizeOf } from "./picture_painter.js";
import { Surface } from "./surface.js";

const MOST_ENLARGED = 3; // times the pixels; beyond that the browser enlarges better, beside this page's work

/**
 * @typedef {{ surface: Surface, panes: number, mirror: boolean }} Shown
 * @typedef {VideoFrame & { rotation?: number, flip?: boolean }} Turned in browsers that know of turned cameras
 */

/** @implements {PicturePainter} */
export class Canvas2dPainter {
  kind = /** @type {const} */ ("2d");
  lost = false; // a browser gives a 2D canvas back by itself
  #picture = new Surface();
  #heats = [new HeatCanvas(""), new HeatCanvas("right")];
  elements = [this.#picture.canvas, ...this.#heats.map(({ canvas }) => canvas)];
  /** @type {(Surface | undefined)[]} */
  #slots = [];
  /** @type {Shown | null} */
  #shown = null;
  /** @type {Surface | undefined} */
  #spare;
  #pixels = new ImageData(1, 1);
  /** @type {Size} */
  #room = { width: 0, height: 0 };

  /**
   * @param {Picture} picture
   * @param {number} slot
   */
  async keep(picture, slot) {
    const shown = this.#shown?.surface;
    const place = this.#slots[slot];
    this.#slots[slot] = undefined; // until it holds this picture
    // What is shown may still be saved, or be drawn again at another size.
    const surface = (place === shown ? this.#spare : place) ?? new Surface();
    if (surface === this.#spare) this.#spare = undefined;
    const { width, height } = sizeOf(picture);
    const copied = "format" in picture && (await this.#copy(picture, width, height));
    resize(surface.canvas, width, height);
    if (copied) surface.context.putImageData(this.#pixels, 0, 0);
    else surface.context.drawImage(picture, 0, 0, width, height);
    this.#slots[slot] = surface;
  }

  /**
   * @param {number} pane
   * @param {Uint8Array} heat
   * @param {Uint8Array} table
   */
  setHeat(pane, heat, table) {
    (this.#heats[pane] ?? missing(pane)).colours = colourHeat(heat, table, false);
  }

  /**
   * @param {number} slot
   * @param {number[]} shares
   * @param {boolean} mirror
   */
  paint(slot, shares, mirror) {
    const surface = this.#slots[slot];
    if (!surface) return false;
    for (const [pane, heat] of this.#heats.entries()) heat.show(shares[pane] ?? 0, mirror);
    const before = this.#shown;
    const panes = shares.length;
    if (before?.surface === surface && before.mirror === mirror && before.panes === panes) return true;
    if (before !== null && !this.#slots.includes(before.surface)) this.#spare = before.surface;
    this.#shown = { surface, panes, mirror };
    const { width, height } = surface.canvas;
    const old = before?.surface.canvas;
    const placed = before?.panes === panes && old?.width === width && old.height === height;
    if (!placed) this.#layOut();
    this.#draw();
    return true;
  }

  /** @param {Size} room */
  fit(room) {
    this.#room = room;
    this.#layOut();
    this.#draw();
  }

  size() {
    if (this.#shown === null) return null;
    const { surface, panes } = this.#shown;
    return { width: surface.canvas.width * panes, height: surface.canvas.height };
  }

  /**
   * @param {Context} context
   * @param {Area} area
   */
  drawInto(context, area) {
    if (this.#shown === null) return;
    drawPicture(context, this.#shown, area);
    for (const [pane, { x, y, width, height }] of panesOf(area, this.#shown.panes).entries()) {
      const heat = this.#heats[pane];
      if (!heat || heat.share <= 0) continue;
      context.globalAlpha = heat.share;
      context.drawImage(heat.fine, x, y, width, height);
    }
    context.globalAlpha = 1;
  }

  close() {
    // Safari counts the memory of canvases until they are collected.
    const surfaces = [this.#picture, ...this.#slots, this.#shown?.surface, this.#spare];
    for (const canvas of [...surfaces.map((surface) => surface?.canvas), ...this.#heats.flatMap((heat) => heat.canvases)]) {
      if (canvas) resize(canvas, 0, 0);
    }
    this.#shown = null;
  }

  /**
   * To have a frame's colours converted into memory takes Chromium half the time of drawing it.
   *
   * @param {VideoFrame} frame
   * @param {number} width
   * @param {number} height
   * @returns {Promise<boolean>} whether `#pixels` hold it: this browser can, and the frame is to be shown as it lies
   */
  async #copy(frame, width, height) {
    const { visibleRect, rotation = 0, flip = false } = /** @type {Turned} */ (frame);
    if (rotation !== 0 || flip || visibleRect?.width !== width || visibleRect.height !== height) return false;
    /** @type {VideoFrameCopyToOptions} */
    const options = { format: "RGBA", colorSpace: "srgb" };
    if (this.#pixels.width !== width || this.#pixels.height !== height) this.#pixels = new ImageData(width, height);
    try {
      if (frame.allocationSize(options) !== this.#pixels.data.length) return false; // the option is not known here
      await frame.copyTo(this.#pixels.data, options);
      return true;
    } catch {
      return false;
    }
  }

  #layOut() {
    const size = this.size();
    if (this.#shown === null || size === null) return;
    const room = this.#room.width > 0 && this.#room.height > 0 ? this.#room : size;
    const area = contained(size, room.width, room.height);
    // As large as it is shown, or the browser has to bring it to that size each time that a map changes above it.
    const drawn = area.width * area.height <= MOST_ENLARGED * size.width * size.height ? area : size;
    resize(this.#picture.canvas, drawn.width, drawn.height);
    place(this.#picture.canvas, area, room);
    for (const [pane, part] of panesOf(area, this.#shown.panes).entries()) {
      const heat = this.#heats[pane];
      if (!heat) continue;
      place(heat.canvas, part, room);
      heat.fit(part);
      heat.canvas.classList.toggle("half", this.#shown.panes > 1);
    }
  }

  #draw() {
    const { canvas, context } = this.#picture;
    if (this.#shown) drawPicture(context, this.#shown, { x: 0, y: 0, width: canvas.width, height: canvas.height });
  }
}

/**
 * @param {Context} context
 * @param {Shown} shown
 * @param {Area} area
 */
function drawPicture(context, { surface, panes, mirror }, area) {
  context.save();
  for (const { x, y, width, height } of panesOf(area, panes)) {
    if (mirror) context.setTransform(-1, 0, 0, 1, x + width, y);
    else context.setTransform(1, 0, 0, 1, x, y);
    context.drawImage(surface.canvas, 0, 0, width, height);
  }
  context.restore();
}

/**
 * In parts of the room, which stay true whatever becomes of it.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Area} area
 * @param {Size} room
 */
function place({ style }, { x, y, width, height }, room) {
  style.left = `${(100 * x) / room.width}%`;
  style.top = `${(100 * y) / room.height}%`;
  style.width = `${(100 * width) / room.width}%`;
  style.height = `${(100 * height) / room.height}%`;
}

/**
 * @param {number} pane
 * @returns {never}
 */
function missing(pane) {
  throw new RangeError(`There is no pane ${pane}.`);
}
