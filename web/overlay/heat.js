/**
 * From the grids of the shown classes to heat, as `localization/painting/overlay.py` makes it: each at its full heat, the larger
 * value where they overlap, bent smoothly (cubic) up to FINE x FINE. From there to the picture's size it goes straight (linear).
 */

/** @import { Grid } from "./types.js" */

export const FINE = 56;
const PALE = 127.5; // a half

const SHARPNESS = -0.75; // of the cubic, as in OpenCV; Catmull and Rom's is -0.5

/**
 * @typedef {object} Taps where each place looks, and how much of it counts; four of each for a place
 * @property {Int32Array} at
 * @property {Float32Array} weight
 */

/** @type {Map<string, Taps>} */
const known = new Map();

/**
 * A grid at another size; places are the centres of cells, and beyond the edge the edge goes on.
 *
 * @param {ArrayLike<number>} values rows x columns, row by row
 * @param {number} rows
 * @param {number} columns
 * @param {number} toRows
 * @param {number} toColumns
 * @param {"cubic" | "linear"} bend a cubic may reach beyond the values it goes through
 * @returns {Float32Array} toRows x toColumns
 */
export function resample(values, rows, columns, toRows, toColumns, bend) {
  const wide = new Float32Array(rows * toColumns);
  const across = tapsOf(columns, toColumns, bend);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < toColumns; x++) wide[row * toColumns + x] = sum(values, row * columns, 1, across, x);
  }
  const found = new Float32Array(toRows * toColumns);
  const down = tapsOf(rows, toRows, bend);
  for (let y = 0; y < toRows; y++) {
    for (let x = 0; x < toColumns; x++) found[y * toColumns + x] = sum(wide, x, toColumns, down, y);
  }
  return found;
}

/**
 * @param {Grid[]} grids at least one; those of other sizes are brought to that of the first
 * @returns {Uint8Array} FINE x FINE, 0 to 255 for 0 to 1
 */
export function heatOf(grids) {
  const [first, ...others] = grids;
  if (!first) throw new RangeError("There is no heat without a grid.");
  const { rows, columns } = first;
  const largest = atFullHeat(first.values);
  for (const other of others) {
    const same = other.rows === rows && other.columns === columns;
    const hot = atFullHeat(other.values);
    const values = same ? hot : resample(hot, other.rows, other.columns, rows, columns, "linear");
    for (let i = 0; i < largest.length; i++) largest[i] = Math.max(largest[i] ?? 0, values[i] ?? 0);
  }
  const fine = resample(largest, rows, columns, FINE, FINE, "cubic");
  return Uint8Array.from(Uint8ClampedArray.from(fine)); // the clamped kind rounds and keeps to 0..255
}

/**
 * @param {ArrayLike<number>} values 0 to 255
 * @returns {Float32Array} with 255 as the largest; a map that does not reach PALE stays pale
 */
function atFullHeat(values) {
  const hot = Float32Array.from(values);
  const peak = hot.reduce((largest, value) => Math.max(largest, value), PALE);
  return hot.map((value) => (255 * value) / peak);
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} start
 * @param {number} step
 * @param {Taps} taps
 * @param {number} place
 */
function sum(values, start, step, { at, weight }, place) {
  let total = 0;
  for (let tap = 4 * place; tap < 4 * place + 4; tap++) {
    total += (weight[tap] ?? 0) * (values[start + step * (at[tap] ?? 0)] ?? 0);
  }
  return total;
}

/**
 * @param {number} from
 * @param {number} to
 * @param {"cubic" | "linear"} bend
 * @returns {Taps}
 */
function tapsOf(from, to, bend) {
  const key = `${from} ${to} ${bend}`;
  const kept = known.get(key);
  if (kept) return kept;
  const taps = { at: new Int32Array(4 * to), weight: new Float32Array(4 * to) };
  for (let place = 0; place < to; place++) {
    const centre = ((place + 0.5) * from) / to - 0.5;
    const before = Math.floor(centre);
    taps.weight.set(bend === "cubic" ? cubic(centre - before) : [0, 1 - (centre - before), centre - before, 0], 4 * place);
    for (let tap = 0; tap < 4; tap++) taps.at[4 * place + tap] = Math.min(Math.max(before - 1 + tap, 0), from - 1);
  }
  known.set(key, taps);
  return taps;
}

/**
 * Keys, "Cubic convolution interpolation for digital image processing", 1981.
 *
 * @param {number} x how far after the second of four neighbours, 0 to 1
 */
function cubic(x) {
  const a = SHARPNESS;
  /** @param {number} d */
  const near = (d) => ((a + 2) * d - (a + 3)) * d * d + 1;
  /** @param {number} d */
  const far = (d) => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [far(x + 1), near(x), near(1 - x), far(2 - x)];
}
