/** Keyboard shortcuts: one table for the keys, the help overlay and the person who wants them off. */

import { byId, make } from "../dom.js";
import { recall, remember } from "../preferences.js";

const TEXT_FIELDS = "select, textarea, input:not([type=checkbox], [type=radio], [type=range], [type=file])";

/** @typedef {{ keys: string[], label: string, does: string, act: (key: string) => void }} Shortcut */

/** @param {Shortcut[]} shortcuts */
export function installShortcuts(shortcuts) {
  const help = byId("help", HTMLDialogElement);
  const toggle = byId("shortcuts-on", HTMLInputElement);
  toggle.checked = recall("shortcuts") !== false;
  toggle.onchange = () => remember("shortcuts", toggle.checked);
  byId("help-open", HTMLButtonElement).onclick = () => help.showModal();
  const rows = [...shortcuts, { label: "?", does: "This help" }];
  byId("keys", HTMLDListElement).replaceChildren(
    ...rows.flatMap(({ label, does }) => [
      make("dt", {}, ...label.split(" ").map((key) => make("kbd", {}, key))),
      make("dd", {}, does),
    ]),
  );
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event)) return;
    if (event.key === "?") {
      if (!document.querySelector("dialog[open]")) help.showModal();
      return;
    }
    if (!toggle.checked || document.querySelector("dialog[open]")) return;
    const shortcut = shortcuts.find(({ keys }) => keys.includes(event.key.toLowerCase()));
    if (!shortcut) return;
    event.preventDefault();
    shortcut.act(event.key);
  });
  for (const dialog of document.querySelectorAll("dialog")) closeByClick(dialog);
}

/** @param {HTMLDialogElement} dialog closes by its own buttons and by a click beside it */
function closeByClick(dialog) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

/**
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key belongs to the element that has the focus
 */
function isTyping(event) {
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (!target) return false;
  if (target.matches(TEXT_FIELDS)) return true;
  return event.key === " " && target.matches("button, input, a, video");
}
