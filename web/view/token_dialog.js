/** Asks for the server's token. */

import { byId } from "../dom.js";

/**
 * @param {boolean} wrong whether one was given and refused
 * @returns {Promise<string | null>} null when the person declines
 */
export function askToken(wrong) {
  const dialog = byId("token-dialog", HTMLDialogElement);
  const input = byId("token", HTMLInputElement);
  byId("token-detail", HTMLParagraphElement).textContent = wrong
    ? "The token it was given is not the right one. Look at the address that seekcam printed when it started."
    : "It was printed when seekcam started, as part of the page’s address.";
  input.value = "";
  dialog.returnValue = "";
  // Closed by hand: the server's content policy allows no form to be sent anywhere.
  byId("token-form", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    dialog.close("ok");
  };
  dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => resolve(dialog.returnValue === "ok" && input.value ? input.value.trim() : null);
    dialog.addEventListener("close", closed, { once: true });
  });
}
