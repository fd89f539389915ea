/** Where boxes and plates stand on one pane, by the rules of `localization/painting/layout.py`: inside, and clear of each other. */

/** @import { PlateStyle } from "./colours.js" */
/** @import { Look, Mark, Pane } from "./types.js" */

import { CALM, CAPTION, colourOf, INK } from "./colours.js";

const NOT_SURE = "not sure";
const WIDEST = 30; // em: a longer label is cut
const SMALLEST = 10; // CSS pixels the em
const PADDING = 0.45; // em, left and right of the text
const LINE_HEIGHT = 1.5; // em
const ELLIPSIS = "…";

/** @typedef {{ left: number, top: number, right: number, bottom: number }} Corners of the middle of a box's line, both inclusive */
/** @typedef {{ corners: Corners, colour: string }} PlacedBox */
/** @typedef {{ text: string, x: number, y: number, width: number, height: number, padding: number, style: PlateStyle }} PlacedPlate */
/** @typedef {{ boxes: PlacedBox[], plates: PlacedPlate[], caption: PlacedPlate | null, thickness: number, em: number }} Layout in pixels */
/** @typedef {(text: string, em: number) => number} Measure the width of a text in pixels */

/**
 * Mirroring moves boxes and never turns text. A class is labelled at its first box, or in the corner when it has none;
 * a label that finds no room is left out. The caption stands even where labels are switched off.
 *
 * @param {Pane} pane
 * @param {Look} look
 * @param {number} width of the pane, in pixels
 * @param {number} height
 * @param {number} density pixels a CSS pixel
 * @param {Measure} measure
 * @returns {Layout}
 */
export function layOut(pane, look, width, height, density, measure) {
  const side = Math.min(width, height);
  const thickness = Math.max(1, Math.round(side / 240));
  const em = Math.max(Math.round(SMALLEST * density), Math.round(side * (pane.caption ? 0.048 : 0.037)));
  const margin = Math.max(2, 2 * thickness);
  /** @type {PlacedBox[]} */
  const boxes = [];
  /** @type {PlacedPlate[]} */
  const placed = [];
  let caption = null;
  if (pane.caption) {
    const made = plate(pane.caption, "", em, width - 2 * margin, CAPTION, measure);
    if (made.height + 2 * margin <= height && made.width + 2 * margin <= width) {
      caption = { ...made, x: margin, y: height - margin - made.height };
      placed.push(caption);
    }
  }
  const sure = pane.grids.length > 0 || pane.marks.length > 0;
  if (look.labels && !sure) put(plate(NOT_SURE, "", em, width, CALM, measure), null);
  for (const mark of pane.marks) {
    const colour = colourOf(mark.place);
    const corners = look.boxes ? mark.boxes.map((box) => cornersOf(box, width, height, thickness, look.mirror)) : [];
    boxes.push(...corners.map((each) => ({ corners: each, colour })));
    if (!look.labels) continue;
    const style = { fill: colour, text: INK, opacity: 1 };
    put(plate(mark.name, ` ${percentOf(mark)}`, em, width, style, measure), corners[0] ?? null);
  }
  return { boxes, plates: placed.filter((each) => each !== caption), caption, thickness, em };

  /**
   * @param {PlacedPlate} made
   * @param {Corners | null} corners
   */
  function put(made, corners) {
    const spot = freeSpot(made, corners, placed, width, height, thickness);
    if (spot) placed.push({ ...made, ...spot });
  }
}

/** @param {Mark} mark */
function percentOf({ score }) {
  return score < 0.005 ? "< 1 %" : `${(100 * score).toFixed(0)} %`;
}

/**
 * @param {string} name
 * @param {string} suffix stays where the name is cut
 * @param {number} em
 * @param {number} room the widest plate, in pixels
 * @param {PlateStyle} style
 * @param {Measure} measure
 * @returns {PlacedPlate} in the corner yet
 */
function plate(name, suffix, em, room, style, measure) {
  const padding = Math.round(em * PADDING);
  const text = shortened(name, suffix, em, Math.min(room, WIDEST * em) - 2 * padding, measure);
  const width = Math.ceil(measure(text, em)) + 2 * padding;
  return { text, x: 0, y: 0, width, height: Math.round(em * LINE_HEIGHT), padding, style };
}

/**
 * @param {string} name
 * @param {string} suffix
 * @param {number} em
 * @param {number} room in pixels
 * @param {Measure} measure
 */
function shortened(name, suffix, em, room, measure) {
  if (measure(name + suffix, em) <= room) return name + suffix;
  const letters = [...name];
  // The longest beginning that fits lies between `fits` and `long`.
  let [fits, long] = [0, letters.length];
  const cut = (/** @type {number} */ length) => letters.slice(0, length).join("").trimEnd() + ELLIPSIS + suffix;
  while (long - fits > 1) {
    const middle = (fits + long) >> 1;
    if (measure(cut(middle), em) <= room) fits = middle;
    else long = middle;
  }
  return fits > 0 ? cut(fits) : suffix.trim() || ELLIPSIS;
}

/**
 * @param {[number, number, number, number]} box in parts of the picture
 * @param {number} width
 * @param {number} height
 * @param {number} thickness
 * @param {boolean} mirror
 * @returns {Corners}
 */
function cornersOf([x0, y0, x1, y1], width, height, thickness, mirror) {
  const [left, right] = line((mirror ? 1 - x1 : x0) * width, (mirror ? 1 - x0 : x1) * width, width, thickness);
  const [top, bottom] = line(y0 * height, y1 * height, height, thickness);
  return { left, top, right, bottom };
}

/**
 * First and last pixel of one side of a box, so far inside that line and outline stay in the picture.
 *
 * @param {number} start
 * @param {number} end
 * @param {number} length
 * @param {number} thickness
 * @returns {[number, number]}
 */
function line(start, end, length, thickness) {
  const inset = Math.min((thickness >> 1) + 1, (length - 1) >> 1);
  const first = Math.min(Math.max(Math.round(start), inset), length - 1 - inset);
  return [first, Math.min(Math.max(Math.round(end) - 1, first), length - 1 - inset)];
}

/**
 * A pixel for the plate: above its box, else inside it, below it, else down the picture's left edge.
 *
 * @param {PlacedPlate} made
 * @param {Corners | null} corners
 * @param {PlacedPlate[]} placed
 * @param {number} width
 * @param {number} height
 * @param {number} thickness
 * @returns {{ x: number, y: number } | null}
 */
function freeSpot(made, corners, placed, width, height, thickness) {
  if (made.height > height || made.width > width) return null;
  const margin = Math.max(2, 2 * thickness);
  /** @type {[number, number][]} */
  let candidates = [];
  if (corners) {
    const { left, top, right, bottom } = corners;
    const reach = (thickness >> 1) + 1;
    const start = left - reach;
    candidates = [
      [start, top - reach - made.height],
      [start, top - reach],
      [start, bottom + reach + 1],
      [start, bottom + reach + 1 - made.height],
      [right + reach + 1 - made.width, top - reach],
    ];
    // A plate above a box near the top edge would be pushed over the box: inside is the better place then.
    const inside = candidates.filter(([, y]) => y >= 0 && y <= height - made.height);
    candidates = inside.length > 0 ? inside : candidates.slice(1, 2);
  }
  for (let y = margin; y <= height - made.height; y += made.height + margin) candidates.push([margin, y]);
  candidates.push([0, 0]);
  for (const candidate of candidates) {
    const x = Math.min(Math.max(0, candidate[0]), width - made.width);
    const y = Math.min(Math.max(0, candidate[1]), height - made.height);
    if (!placed.some((other) => overlap({ ...made, x, y }, other))) return { x, y };
  }
  return null;
}

/**
 * @param {PlacedPlate} a
 * @param {PlacedPlate} b
 */
function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
