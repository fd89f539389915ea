/** @import { Context } from "./marks.js" */

/** @typedef {HTMLVideoElement | VideoFrame} Picture the camera's current one */

/**
 * @typedef {{ width: number, height: number }} Size in pixels
 * @typedef {{ x: number, y: number, width: number, height: number }} Area in whole pixels
 */

/**
 * What paints the pictures of the ring with their heat, in one way or another.
 *
 * @typedef {object} PicturePainter
 * @property {"webgl" | "2d"} kind
 * @property {HTMLCanvasElement[]} elements what is seen, from below
 * @property {boolean} lost whether the browser has taken its means away for good
 * @property {(picture: Picture, slot: number) => Promise<void>} keep until it is kept, the slot holds none
 * @property {(pane: number, heat: Uint8Array, table: Uint8Array) => void} setHeat FINE x FINE, and 256 RGB colours
 * @property {(slot: number, shares: number[], mirror: boolean) => boolean} paint shares: how much of each pane's heat is
 *   shown, 0 to 1. False where the slot holds no picture; then what was painted stays
 * @property {(room: Size) => void} fit into another room of the display's own pixels, also what was painted already; 0 x 0
 *   before the page is laid out
 * @property {() => Size | null} size of what was painted, in the picture's own pixels; two panes stand side by side
 * @property {(context: Context, area: Area) => void} drawInto what was painted, anywhere else
 * @property {() => void} close
 */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function resize(canvas, width, height) {
  // Setting the size clears a canvas, and costs fresh memory.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/**
 * @param {Picture} picture
 * @returns {Size} 0 x 0 while there is none
 */
export function sizeOf(picture) {
  if ("displayWidth" in picture) return { width: picture.displayWidth, height: picture.displayHeight };
  const there = picture.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  return there ? { width: picture.videoWidth, height: picture.videoHeight } : { width: 0, height: 0 };
}

/**
 * Where CSS's `object-fit: contain` puts a picture, in whole pixels.
 *
 * @param {Size} size
 * @param {number} width
 * @param {number} height
 * @returns {Area}
 */
export function contained(size, width, height) {
  const scale = Math.min(width / size.width, height / size.height);
  const [shownWidth, shownHeight] = [Math.round(size.width * scale), Math.round(size.height * scale)];
  return { x: (width - shownWidth) >> 1, y: (height - shownHeight) >> 1, width: shownWidth, height: shownHeight };
}

/**
 * Where two pictures that are compared stand; a pixel may be left between them.
 *
 * @param {Area} area
 * @param {number} panes 1 or 2
 * @returns {Area[]}
 */
export function panesOf(area, panes) {
  const width = Math.floor(area.width / panes);
  const first = { ...area, width };
  return panes === 1 ? [first] : [first, { ...first, x: area.x + area.width - width }];
}
