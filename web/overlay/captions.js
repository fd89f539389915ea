/** What is written under two compared sides: `captions` of localization/painting/layout.py says the same. */

/** @typedef {{ model: string, method: string, map: string }} Named */

/**
 * @param {Named} first
 * @param {Named} second
 * @returns {[first: string, second: string]} only what tells them apart, for half a picture has little room
 */
export function captions(first, second) {
  const names = (/** @type {Named} */ { model, method, map }) => [model, method, map];
  const [left, right] = [names(first), names(second)];
  const differs = left.map((name, part) => name !== right[part]);
  if (!differs.includes(true)) return [first.model, second.model];
  const told = (/** @type {string[]} */ side) => side.filter((_, part) => differs[part]).join(" · ");
  return [told(left), told(right)];
}
