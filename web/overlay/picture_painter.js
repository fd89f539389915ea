/** @typedef {HTMLVideoElement | VideoFrame} Picture the camera's current one */

/**
 * What paints the pictures of the ring with their heat, in one way or another.
 *
 * @typedef {object} PicturePainter
 * @property {"webgl" | "2d"} kind
 * @property {HTMLCanvasElement} canvas of the picture's own pixels; two panes stand next to each other
 * @property {boolean} lost whether the browser has taken its means away for good
 * @property {(picture: Picture, slot: number) => void} keep
 * @property {(pane: number, heat: Uint8Array, table: Uint8Array) => void} setHeat FINE x FINE, and 256 RGB colours
 * @property {(slot: number, shares: number[], mirror: boolean) => boolean} paint shares: how much of each pane's heat is
 *   shown, 0 to 1. False where the slot holds no picture; then what was painted stays
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
 * @returns {{ width: number, height: number }} 0 x 0 while there is none
 */
export function sizeOf(picture) {
  if ("displayWidth" in picture) return { width: picture.displayWidth, height: picture.displayHeight };
  const there = picture.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  return there ? { width: picture.videoWidth, height: picture.videoHeight } : { width: 0, height: 0 };
}
