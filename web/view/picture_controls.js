/** The panel's controls that only this page acts on: who paints, how picture and map meet, and how smooth maps are. */

/** @import { ChoiceStore, Choices } from "../overlay/choices.js" */

import { byId } from "../dom.js";
import { USUAL } from "../overlay/choices.js";

const NAMES = /** @type {const} */ (["mode", "display", "recorder"]);

/**
 * @param {ChoiceStore} choices
 * @param {string} obstacle why this browser cannot paint the overlay itself; empty when it can
 * @returns {(why: string) => void} leaves it to the server to paint, and says why; the person may try again
 */
export function installPictureControls(choices, obstacle) {
  const smoothing = byId("smoothing", HTMLInputElement);
  const line = byId("line", HTMLInputElement);
  const hint = byId("mode-hint", HTMLParagraphElement);
  for (const name of NAMES) {
    for (const radio of radios(name)) {
      radio.onchange = () => radio.checked && choices.change(/** @type {Partial<Choices>} */ ({ [name]: radio.value }));
    }
  }
  smoothing.oninput = () => choices.change({ smoothing: smoothing.valueAsNumber });
  line.onchange = () => choices.change({ line: line.checked });
  byId("reset", HTMLButtonElement).addEventListener("click", () => {
    choices.change(USUAL);
    if (obstacle !== "") leaveToServer(obstacle);
  });
  const leaveToServer = (/** @type {string} */ why) => {
    choices.forNow({ mode: "video" });
    hint.textContent = why;
    hint.hidden = false;
  };
  choices.listen((values) => {
    for (const name of NAMES) for (const radio of radios(name)) radio.checked = radio.value === values[name];
    for (const radio of radios("mode")) radio.disabled = obstacle !== "";
    smoothing.value = String(values.smoothing);
    smoothing.style.setProperty("--fill", `${100 * values.smoothing}%`);
    const said = values.smoothing === 0 ? "off" : `${values.smoothing.toFixed(2)} s`;
    byId("smoothing-value", HTMLOutputElement).textContent = said;
    smoothing.setAttribute("aria-valuetext", values.smoothing === 0 ? said : `${values.smoothing.toFixed(2)} seconds`);
    line.checked = values.line;
    const overlay = values.mode === "overlay";
    if (overlay) hint.hidden = true;
    byId("overlay-fields", HTMLDivElement).hidden = !overlay;
    byId("recorder-field", HTMLDivElement).hidden = !overlay;
  });
  if (obstacle !== "") leaveToServer(obstacle);
  return leaveToServer;
}

/**
 * @param {string} name
 * @returns {NodeListOf<HTMLInputElement>}
 */
function radios(name) {
  return document.querySelectorAll(`input[type="radio"][name="${name}"]`);
}
