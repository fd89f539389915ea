/** An overlay message in the shape that the page's panels take in either mode (Contract 3). */

/** @import { Result, Seen } from "../protocol.js" */
/** @import { Found, Message } from "./message.js" */

/**
 * @param {Message} message
 * @param {(model: string, index: number) => string} name of a class
 * @returns {Result}
 */
export function toResult(message, name) {
  const [first, second] = message.sides.map((side) => toSeen(side, name));
  if (!first) throw new RangeError("An overlay message without a side.");
  return { ...first, pts: message.pts, frame: message.frame, ...(second ? { compare: second } : {}) };
}

/**
 * @param {Found} side
 * @param {(model: string, index: number) => string} name
 * @returns {Seen}
 */
function toSeen({ model, method, map, shown, top, boxes, ms }, name) {
  return { model, method, map, shown, boxes, ms, top: top.map((entry) => ({ ...entry, name: name(model, entry.class) })) };
}
