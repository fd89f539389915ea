/** The lines, boxes and plates over the picture, drawn at whatever size they are shown, so that they are always crisp. */

/** @import { Layout, PlacedPlate } from "./layout.js" */
/** @import { Area } from "./picture_painter.js" */
/** @import { Look, Pane } from "./types.js" */
/** @typedef {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} Context */

import { INK } from "./colours.js";
import { contour } from "./contour.js";
import { layOut } from "./layout.js";
import { panesOf } from "./picture_painter.js";

const BASELINE = 1.11; // em below the top of a plate: centres the capitals
const CORNER = 0.28; // em
const RIM = 0.5; // how far the plate's edge goes from its own colour to that of the text

/**
 * @param {Context} context
 * @param {Pane[]} panes
 * @param {Look} look
 * @param {Area} area where the picture, or both of them, stand
 * @param {number} density pixels a CSS pixel
 * @param {string} fonts as in CSS
 */
export function drawMarks(context, panes, look, area, density, fonts) {
  const parts = panesOf(area, panes.length);
  for (const [number, { x, y, width, height }] of parts.entries()) {
    const pane = panes[number];
    if (!pane) continue;
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.translate(x, y);
    drawPane(context, pane, look, width, height, density, fonts);
    context.restore();
  }
  const [left, right] = parts;
  if (!left || !right) return;
  const seam = seamOf(left.width, left.height);
  context.fillStyle = INK;
  context.fillRect(left.x + left.width - seam, area.y, right.x - left.x - left.width + 2 * seam, area.height);
}

/**
 * Pixels of the dark line between two panes that lie on each of them.
 *
 * @param {number} width
 * @param {number} height
 */
function seamOf(width, height) {
  return Math.min(2 * Math.max(1, Math.round(Math.min(width, height) / 480)), (width >> 2) * 2);
}

/**
 * @param {Context} context
 * @param {Pane} pane
 * @param {Look} look
 * @param {number} width
 * @param {number} height
 * @param {number} density
 * @param {string} fonts
 */
function drawPane(context, pane, look, width, height, density, fonts) {
  const font = (/** @type {number} */ em) => `500 ${em}px ${fonts}`;
  const measure = (/** @type {string} */ text, /** @type {number} */ em) => {
    context.font = font(em);
    return context.measureText(text).width;
  };
  const layout = layOut(pane, look, width, height, density, measure);
  context.globalAlpha = pane.strength;
  if (pane.strength > 0) {
    if (look.line) drawContours(context, pane, look, width, height, Math.max(density, 0.6 * layout.thickness));
    drawBoxes(context, layout);
  }
  context.font = font(layout.em);
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  if (layout.caption) drawPlate(context, layout.caption, layout.em, density, 1);
  for (const plate of pane.strength > 0 ? layout.plates : []) drawPlate(context, plate, layout.em, density, pane.strength);
}

/**
 * @param {Context} context
 * @param {Pane} pane
 * @param {Look} look
 * @param {number} width
 * @param {number} height
 * @param {number} thickness
 */
function drawContours(context, pane, look, width, height, thickness) {
  context.beginPath();
  for (const grid of pane.grids) {
    const segments = contour(grid);
    const x = (/** @type {number} */ i) => width * (look.mirror ? 1 - (segments[i] ?? 0) : (segments[i] ?? 0));
    for (let i = 0; i < segments.length; i += 4) {
      context.moveTo(x(i), height * (segments[i + 1] ?? 0));
      context.lineTo(x(i + 2), height * (segments[i + 3] ?? 0));
    }
  }
  context.lineCap = "round"; // the segments meet end to end
  context.strokeStyle = INK;
  context.lineWidth = 2 * thickness + 1;
  context.stroke();
  context.strokeStyle = "white";
  context.lineWidth = thickness;
  context.stroke();
}

/**
 * @param {Context} context
 * @param {Layout} layout
 */
function drawBoxes(context, { boxes, thickness }) {
  const [before, after] = [thickness >> 1, (thickness + 1) >> 1];
  context.lineJoin = "miter";
  // The first class comes out on top.
  for (const { corners, colour } of [...boxes].reverse()) {
    const [left, top] = [corners.left - before, corners.top - before];
    const [right, bottom] = [corners.right + after, corners.bottom + after];
    for (const [style, line] of /** @type {const} */ ([[INK, thickness + 2], [colour, thickness]])) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.strokeRect(left + thickness / 2, top + thickness / 2, right - left - thickness, bottom - top - thickness);
    }
  }
}

/**
 * @param {Context} context
 * @param {PlacedPlate} plate
 * @param {number} em
 * @param {number} density
 * @param {number} strength
 */
function drawPlate(context, { text, x, y, width, height, padding, style }, em, density, strength) {
  const rim = Math.max(1, Math.round(density));
  context.globalAlpha = strength * style.opacity;
  context.fillStyle = style.fill;
  context.beginPath();
  context.roundRect(x, y, width, height, CORNER * em);
  context.fill();
  context.globalAlpha = strength * style.opacity * RIM; // parts a plate from its like
  context.strokeStyle = style.text;
  context.lineWidth = rim;
  context.beginPath();
  context.roundRect(x + rim / 2, y + rim / 2, width - rim, height - rim, CORNER * em - rim / 2);
  context.stroke();
  context.globalAlpha = strength;
  context.fillStyle = style.text;
  context.fillText(text, x + padding, y + Math.round(BASELINE * em));
}
