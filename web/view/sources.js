/** Where the picture comes from: one of the person's cameras, or one of the server's streams; and its resolution. */

/** @import { Api } from "../api.js" */
/** @import { Target } from "../live.js" */
/** @import { StreamSummary } from "../protocol.js" */

import { listCameras, onCamerasChanged } from "../camera.js";
import { byId, make } from "../dom.js";
import { recallText, remember } from "../preferences.js";

const STREAM = "stream:";
const CAMERA = "camera:";
const DEFAULT_RESOLUTION = "640x480";
/** @type {[string, string][]} */
const FACINGS = [
  ["user", "Front camera"],
  ["environment", "Back camera"],
];
/** @type {[string, string][]} */
const DEFAULT = [["", "Default camera"]];

export class Sources {
  #api;
  #select = byId("source", HTMLSelectElement);
  #resolution = byId("resolution", HTMLSelectElement);
  #flip = byId("flip", HTMLButtonElement);
  /** @type {MediaDeviceInfo[]} */
  #cameras = [];
  /** @type {StreamSummary[]} */
  #streams = [];
  /** @type {string | null} the stream that our own camera makes, which is not for watching */
  #own = null;
  #wanted;

  /**
   * @param {Api} api
   * @param {() => void} changed the person chose another source or resolution
   */
  constructor(api, changed) {
    this.#api = api;
    this.#wanted = recallText("source") ?? CAMERA;
    this.#resolution.value = recallText("resolution") ?? DEFAULT_RESOLUTION;
    if (this.#resolution.selectedIndex < 0) this.#resolution.value = DEFAULT_RESOLUTION;
    this.#select.onchange = () => this.#choose(this.#select.value, changed);
    this.#select.addEventListener("pointerdown", () => void this.refreshStreams());
    this.#select.addEventListener("focus", () => void this.refreshStreams());
    this.#resolution.onchange = () => {
      remember("resolution", this.#resolution.value);
      changed();
    };
    this.#flip.onclick = () => this.#choose(this.#other(), changed);
    onCamerasChanged(() => void this.refreshCameras());
    this.#draw();
  }

  /** @returns {Target} */
  get target() {
    const value = this.#select.value;
    if (value.startsWith(STREAM)) return { kind: "watch", stream: value.slice(STREAM.length) };
    return { kind: "camera", choice: { device: value.slice(CAMERA.length), resolution: this.#resolution.value } };
  }

  /** Read the list of cameras again. */
  async refreshCameras() {
    this.#cameras = await listCameras();
    this.#draw();
  }

  /** @param {string | null} [own] the stream that our own camera feeds */
  async refreshStreams(own = this.#own) {
    this.#own = own;
    try {
      this.#streams = (await this.#api.streams()).filter((stream) => stream.id !== this.#own);
      this.#draw();
    } catch {
      // The list is a convenience; whatever is wrong with the server is said where it matters.
    }
  }

  /**
   * @param {string} value
   * @param {() => void} changed
   */
  #choose(value, changed) {
    this.#wanted = value;
    remember("source", value);
    this.#draw();
    changed();
  }

  #draw() {
    const camera = make("optgroup", { label: "Your cameras" });
    for (const [value, label] of this.#cameraOptions()) camera.append(make("option", { value: CAMERA + value }, label));
    const server = make("optgroup", { label: "Streams on the server" });
    for (const { id, name, source, viewers } of this.#streams) {
      const called = source === "camera" ? "Somebody’s camera" : `${id} (${source})`;
      const watched = viewers > 0 ? `, ${viewers} watching` : "";
      server.append(make("option", { value: STREAM + id, title: name }, called + watched));
    }
    this.#select.replaceChildren(camera, ...(this.#streams.length > 0 ? [server] : []));
    this.#select.value = this.#wanted;
    if (this.#select.selectedIndex < 0) this.#select.selectedIndex = 0; // gone for now: wanted again when it is back
    this.#resolution.hidden = this.target.kind === "watch";
    const start = this.target.kind === "watch" ? "Watch the stream" : "Start camera";
    byId("welcome-start-text", HTMLSpanElement).textContent = start;
    this.#flip.hidden = this.target.kind === "watch" || (!isPhone() && this.#cameras.length !== 2);
  }

  /** @returns {[string, string][]} value and label */
  #cameraOptions() {
    /** @type {[string, string][]} */
    const options = isPhone() ? [...FACINGS] : [...DEFAULT];
    for (const [number, { deviceId, label }] of this.#cameras.entries()) {
      if (deviceId) options.push([deviceId, label || `Camera ${number + 1}`]); // no id before a camera was allowed
    }
    return options;
  }

  /** @returns {string} the camera that looks the other way */
  #other() {
    const device = this.#select.value.slice(CAMERA.length);
    if (isPhone()) return CAMERA + (device === "environment" ? "user" : "environment");
    const [first, second] = this.#cameras;
    return CAMERA + ((device === second?.deviceId ? first : second)?.deviceId ?? "");
  }
}

/** @returns {boolean} whether "front" and "back" mean something here */
function isPhone() {
  return matchMedia("(pointer: coarse)").matches;
}
