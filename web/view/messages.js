/** What the page says in words: toasts, errors beside a control, and lines for screen readers only. */

import { byId, make } from "../dom.js";

const TOAST_MS = 5000;
const OFFER_MS = 10000; // time to reach the button
const FIELD_ERROR_MS = 8000;
const MAX_TOASTS = 3;

/**
 * @param {string} text
 * @param {{ label: string, act: () => void } | null} [offer] what can be done about it
 */
export function toast(text, offer = null) {
  const toasts = byId("toasts", HTMLDivElement);
  for (const old of [...toasts.children]) if (old.textContent === text) old.remove();
  const box = make("p", { class: "toast" }, text);
  if (offer) {
    const button = make("button", { type: "button" }, offer.label);
    button.onclick = () => {
      box.remove();
      offer.act();
    };
    box.append(button);
  }
  toasts.append(box);
  while (toasts.children.length > MAX_TOASTS) toasts.firstElementChild?.remove();
  setTimeout(() => box.remove(), offer ? OFFER_MS : TOAST_MS);
}

/** @param {string} text */
export function announce(text) {
  byId("announcer", HTMLParagraphElement).textContent = text;
}

/**
 * Say something right beside the control of a setting; a setting without a control gets a toast.
 *
 * @param {string} setting
 * @param {string} text
 */
export function fieldError(setting, text) {
  const field = document.querySelector(`[data-setting="${CSS.escape(setting)}"]`);
  if (!field) {
    toast(text);
    return;
  }
  field.querySelector(".field-error")?.remove();
  const line = make("p", { class: "field-error", role: "alert" }, text);
  field.append(line);
  setTimeout(() => line.remove(), FIELD_ERROR_MS);
}
