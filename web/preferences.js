/** What the page remembers between visits, in localStorage; a browser that blocks storage simply forgets. */

const PREFIX = "seekcam.";

/**
 * @param {string} name
 * @returns {unknown} what was kept, or undefined
 */
export function recall(name) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined; // storage is blocked, or holds something that is not ours
  }
}

/**
 * @param {string} name
 * @returns {string | undefined}
 */
export function recallText(name) {
  const value = recall(name);
  return typeof value === "string" ? value : undefined;
}

/**
 * @param {string} name
 * @param {unknown} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Blocked or full: the page works the same, it only forgets at the next visit.
  }
}
