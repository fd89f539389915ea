/** The panel's controls that only this page acts on: who paints, how picture and map meet, and how smooth maps are. */

/** @import { ChoiceStore, Choices } from "../overlay/choices.js" */

import { USUAL } from "../overlay/choices.js";
import { byId } from "./dom.js";

const NAMES = /** @type {const} */ (["mode", "display", "recorder"]);

/**
 * @param {ChoiceStore} choices
 * @param {string} obstacle why this browser cannot paint the overlay itself; empty when it can
 */
export function installPictureControls(choices, obstacle) {
  const smoothing = byId("smoothing", HTMLInputElement);
  const line = byId("line", HTMLInputElement);
  for (const name of NAMES) {
    for (const radio of radios(name)) {
      radio.onchange = () => radio.checked && choices.change(/** @type {Partial<Choices>} */ ({ [name]: radio.value }));
    }
  }
  smoothing.oninput = () => choices.change({ smoothing: smoothing.valueAsNumber });
  line.onchange = () => choices.change({ line: line.checked });
  byId("reset", HTMLButtonElement).addEventListener("click", () => {
    choices.change({ ...USUAL, ...(obstacle === "" ? {} : { mode: "video" }) });
  });
  const hint = byId("mode-hint", HTMLParagraphElement);
  hint.hidden = obstacle === "";
  hint.textContent = obstacle;
  choices.listen((values) => {
    for (const name of NAMES) for (const radio of radios(name)) radio.checked = radio.value === values[name];
    for (const radio of radios("mode")) radio.disabled = obstacle !== "";
    smoothing.value = String(values.smoothing);
    smoothing.style.setProperty("--fill", `${100 * values.smoothing}%`);
    byId("smoothing-value", HTMLOutputElement).textContent =
      values.smoothing === 0 ? "off" : `${values.smoothing.toFixed(2)} s`;
    line.checked = values.line;
    const overlay = values.mode === "overlay";
    byId("overlay-fields", HTMLDivElement).hidden = !overlay;
    byId("recorder-field", HTMLDivElement).hidden = !overlay;
  });
}

/**
 * @param {string} name
 * @returns {NodeListOf<HTMLInputElement>}
 */
function radios(name) {
  return document.querySelectorAll(`input[type="radio"][name="${name}"]`);
}
