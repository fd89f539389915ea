/** Light, dark or as the system: applied before the first paint, so this module stands alone in the page's head. */

import { recallText, remember } from "../preferences.js";

const THEMES = ["system", "light", "dark"];

/** @returns {string} */
export function theme() {
  const kept = recallText("theme");
  return kept !== undefined && THEMES.includes(kept) ? kept : "system";
}

/** @returns {string} the next theme of the round, which now applies */
export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] ?? "system";
  remember("theme", next);
  apply();
  return next;
}

function apply() {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
}

apply();
