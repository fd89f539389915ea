/** The overlay's colours, which are the server's own (`localization/painting/layout.py`, `labels.py` and `overlay.py`). */

export const INK = "rgb(16 18 22)";

/** One colour a class, by its place among the shown ones: light, so that dark text reads on the plates. */
const PLACES = /** @type {const} */ (["rgb(250 250 250)", "rgb(110 205 255)", "rgb(255 205 90)", "rgb(130 235 170)", "rgb(255 165 215)"]);

// Map values below which nothing is painted, and from which the heat has its full opacity.
const CLEAR = 0.08;
const FULL = 0.6;

/**
 * @typedef {object} PlateStyle
 * @property {string} fill
 * @property {string} text
 * @property {number} opacity of the plate; its text is always whole
 */

/** @type {PlateStyle} */
export const CALM = { fill: "rgb(24 26 30)", text: "rgb(225 228 232)", opacity: 0.62 };
/** @type {PlateStyle} a box's line may lie under it */
export const CAPTION = { ...CALM, opacity: 0.85 };

/** @param {number} place */
export function colourOf(place) {
  return PLACES[place % PLACES.length] ?? PLACES[0];
}

/**
 * @param {Record<string, string>} colormaps base64 of 256 RGB colours each, as the server's configuration has them
 * @returns {Record<string, Uint8Array>} 768 bytes each
 */
export function decodeTables(colormaps) {
  const decode = (/** @type {string} */ text) => Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));
  return Object.fromEntries(Object.entries(colormaps).map(([name, text]) => [name, decode(text)]));
}

/**
 * Heat in colour, at full opacity: what is low stays clear.
 *
 * @param {Uint8Array} heat 0 to 255 for 0 to 1
 * @param {Uint8Array} table 256 RGB colours
 * @param {boolean} premultiplied whether the colours come times their alpha
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA
 */
export function colourHeat(heat, table, premultiplied) {
  const ramp = new Uint8ClampedArray(4 * 256);
  for (let value = 0; value < 256; value++) {
    const part = Math.min(Math.max((value / 255 - CLEAR) / (FULL - CLEAR), 0), 1);
    const alpha = part * part * (3 - 2 * part);
    for (let c = 0; c < 3; c++) ramp[4 * value + c] = (table[3 * value + c] ?? 0) * (premultiplied ? alpha : 1);
    ramp[4 * value + 3] = 255 * alpha;
  }
  const words = new Uint32Array(ramp.buffer);
  const coloured = new Uint32Array(heat.length);
  for (let i = 0; i < heat.length; i++) coloured[i] = words[heat[i] ?? 0] ?? 0;
  return new Uint8ClampedArray(coloured.buffer);
}
