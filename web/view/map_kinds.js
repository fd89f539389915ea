/** The kinds of map in people's words, and what their threshold is where nobody chose one. */

/** @import { Card, MapKind } from "../protocol.js" */

/** @type {Readonly<Record<MapKind, [label: string, hint: string]>>} */
const MAPS = {
  objectness: ["Objectness", "The class map that stays on what is a thing; the default."],
  spread: ["Spread", "The class map, spread along similar regions alone."],
  plain: ["Plain", "The class map as it is."],
  foreground: ["Foreground", "What is a thing at all, whatever its class."],
};

/**
 * @param {MapKind} kind
 * @returns {string}
 */
export function mapName(kind) {
  return MAPS[kind]?.[0] ?? kind; // a newer server may have others
}

/**
 * @param {MapKind} kind
 * @returns {string} a line of help
 */
export function mapHint(kind) {
  return MAPS[kind]?.[1] ?? "";
}

/**
 * What `own_threshold` of localization/settings.py says.
 *
 * @param {MapKind} kind
 * @param {Card} card
 * @returns {number | "otsu" | "card"}
 */
export function ownThreshold(kind, card) {
  if (kind === "spread") return "otsu";
  return kind === "plain" ? "card" : card.cut;
}
