/** The ways a picture gets in: the button, a drop anywhere on the page, a paste. */

import { byId } from "../dom.js";
import { firstFile } from "../picture.js";

/** @param {(file: File) => void} take */
export function installUploads(take) {
  const input = byId("file", HTMLInputElement);
  for (const id of ["upload", "welcome-upload"]) byId(id, HTMLButtonElement).onclick = () => input.click();
  input.onchange = () => {
    const [file] = input.files ?? [];
    if (file) take(file);
    input.value = ""; // the same file may be chosen again
  };

  document.addEventListener("paste", (event) => {
    const file = firstFile(event.clipboardData);
    if (!file) return; // text, for a field
    event.preventDefault();
    take(file);
  });

  const hint = byId("drop-hint", HTMLDivElement);
  const carriesFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) hint.hidden = true; // left the window
  });
  document.addEventListener("drop", (event) => {
    hint.hidden = true;
    if (!carriesFile(event)) return;
    event.preventDefault();
    const file = firstFile(event.dataTransfer);
    if (file) take(file);
  });
}
