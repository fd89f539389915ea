/** The one word at the top that says how things stand; screen readers hear it change. */

import { byId } from "../dom.js";

/** @typedef {"idle" | "busy" | "good" | "bad"} Tone */

/**
 * @param {string} text
 * @param {Tone} tone
 */
export function status(text, tone) {
  byId("status", HTMLParagraphElement).dataset["tone"] = tone;
  const line = byId("status-text", HTMLSpanElement);
  if (line.textContent !== text) line.textContent = text;
}
