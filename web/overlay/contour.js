/** Where a class's map crosses its threshold, as line segments: marching squares (Lorensen & Cline, 1987, in the plane). */

/** @import { Grid } from "./types.js" */

import { resample } from "./heat.js";

// The server's boxes are measured on the map enlarged linearly, so that is where the line runs: it touches its box.
const SIDE = 112;
const ROUNDING = 1e-3; // a plateau at the threshold itself is inside, whatever the sums' last bits say

/**
 * @param {Grid} grid
 * @returns {Float32Array} x0, y0, x1, y1 of each segment in parts of the picture, in no order
 */
export function contour(grid) {
  const map = resample(grid.values, grid.rows, grid.columns, SIDE, SIDE, "linear");
  const level = 255 * grid.threshold - ROUNDING;
  /** @type {number[]} */
  const found = [];
  // One line of places more on each side, so that the line runs to the picture's edge.
  const at = (/** @type {number} */ x, /** @type {number} */ y) => (map[cell(y) * SIDE + cell(x)] ?? 0) - level;
  for (let y = 0; y <= SIDE; y++) {
    let [northWest, southWest] = [at(0, y), at(0, y + 1)];
    for (let x = 0; x <= SIDE; x++) {
      const [northEast, southEast] = [at(x + 1, y), at(x + 1, y + 1)];
      const inside = (northWest >= 0 ? 1 : 0) + (northEast >= 0 ? 2 : 0) + (southEast >= 0 ? 4 : 0) + (southWest >= 0 ? 8 : 0);
      if (inside !== 0 && inside !== 15) cross(found, x, y, northWest, northEast, southEast, southWest);
      [northWest, southWest] = [northEast, southEast];
    }
  }
  return Float32Array.from(found);
}

/**
 * The line through one square of four neighbours, which are above or below 0.
 *
 * @param {number[]} found
 * @param {number} x
 * @param {number} y
 * @param {number} northWest
 * @param {number} northEast
 * @param {number} southEast
 * @param {number} southWest
 */
function cross(found, x, y, northWest, northEast, southEast, southWest) {
  const [left, right, top, bottom] = [place(x), place(x + 1), place(y), place(y + 1)];
  /** @type {[number, number][]} in the order north, east, south, west */
  const points = [];
  const between = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ from, /** @type {number} */ to) => from + ((to - from) * a) / (a - b);
  if (northWest >= 0 !== northEast >= 0) points.push([between(northWest, northEast, left, right), top]);
  if (northEast >= 0 !== southEast >= 0) points.push([right, between(northEast, southEast, top, bottom)]);
  if (southWest >= 0 !== southEast >= 0) points.push([between(southWest, southEast, left, right), bottom]);
  if (northWest >= 0 !== southWest >= 0) points.push([left, between(northWest, southWest, top, bottom)]);
  // Two corners across from each other: whether they hang together is what the middle says.
  const joined = northWest + northEast + southEast + southWest >= 0;
  if (points.length === 4 && joined !== northWest >= 0) points.unshift(/** @type {[number, number]} */ (points.pop()));
  for (let i = 0; i + 1 < points.length; i += 2) found.push(...(points[i] ?? []), ...(points[i + 1] ?? []));
}

/** @param {number} index 0 and SIDE + 1 are the picture's edges */
function place(index) {
  return Math.min(Math.max((index - 0.5) / SIDE, 0), 1);
}

/** @param {number} index */
function cell(index) {
  return Math.min(Math.max(index - 1, 0), SIDE - 1);
}
