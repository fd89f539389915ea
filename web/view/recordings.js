/** The recordings on the server: list, play, download (picture and results), delete. */

/** @import { Api } from "../api.js" */
/** @import { Recording } from "../protocol.js" */

import { byId, icon, iconButton, make } from "../dom.js";
import { explain } from "../failures.js";
import { toast } from "./messages.js";
import { clock } from "./stage.js";

const SURE_MS = 4000; // a second click within this time deletes

export class Recordings {
  #api;
  #list = byId("recordings", HTMLUListElement);
  #player = byId("player", HTMLDialogElement);
  #video = byId("player-video", HTMLVideoElement);

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    this.#player.addEventListener("close", () => this.#video.removeAttribute("src"));
  }

  async refresh() {
    try {
      const [recordings, streams] = await Promise.all([this.#api.recordings(), this.#api.streams()]);
      recordings.sort((a, b) => b.started.localeCompare(a.started));
      const growing = new Set(streams.map(({ recording }) => recording));
      this.#list.replaceChildren(...recordings.map((recording) => this.#row(recording, growing.has(recording.id))));
      byId("recordings-empty", HTMLParagraphElement).hidden = recordings.length > 0;
    } catch (error) {
      toast(explain(error).detail);
    }
  }

  /**
   * @param {Recording} recording
   * @param {boolean} growing it is being made
   */
  #row(recording, growing) {
    const name = moment(recording);
    const extent = growing ? ["recording now"] : [clock(recording.duration), size(recording.bytes)];
    const ending = recording.ended ?? (recording.complete || growing ? "" : "cut short");
    const facts = [...extent, recording.title, ending].filter((fact) => fact !== "").join(" · ");
    const about = make("div", { class: "about" }, make("p", {}, name), make("p", { title: facts }, facts));
    const play = iconButton("play", `Play the recording of ${name}`);
    play.onclick = () => this.play(recording);
    const remove = iconButton("trash", `Delete the recording of ${name}`);
    remove.onclick = () => this.#remove(recording, remove, name);
    const file = `seekcam-${recording.id}`;
    const [picture, lines] = [recording.video ?? "", recording.sidecar ?? ""].map((at) => this.#api.address(at));
    const video = link("download", `Download the recording of ${name}`, picture ?? "", `${file}.mp4`);
    const results = link("text", `Download the results of ${name}`, lines ?? "", `${file}.jsonl`);
    return make("li", { "data-id": recording.id }, about, play, video, results, remove);
  }

  /** @param {Recording} recording */
  play(recording) {
    byId("player-title", HTMLHeadingElement).textContent = `${recording.title}, ${moment(recording)}`;
    this.#video.src = this.#api.address(recording.video ?? "");
    this.#player.showModal();
    this.#video.play().catch(() => {
      // Some browsers wait for a click on the player's own button.
    });
  }

  /**
   * @param {Recording} recording
   * @param {HTMLButtonElement} button
   * @param {string} name
   */
  async #remove(recording, button, name) {
    if (!button.classList.contains("sure")) {
      button.classList.add("sure");
      button.textContent = "Delete?";
      button.setAttribute("aria-label", `Really delete the recording of ${name}?`);
      setTimeout(() => {
        button.classList.remove("sure");
        button.replaceChildren(icon("trash"));
        button.setAttribute("aria-label", `Delete the recording of ${name}`);
      }, SURE_MS);
      return;
    }
    try {
      await this.#api.deleteRecording(recording.id);
      toast("The recording is deleted.");
    } catch (error) {
      toast(explain(error).detail);
    }
    await this.refresh();
  }
}

/**
 * @param {string} symbol
 * @param {string} label
 * @param {string} address
 * @param {string} file
 */
function link(symbol, label, address, file) {
  const attributes = { class: "icon-button small", href: address, download: file, "aria-label": label, title: label };
  return make("a", attributes, icon(symbol));
}

/**
 * @param {Recording} recording
 * @returns {string} when it was made
 */
function moment(recording) {
  const when = new Date(recording.started);
  if (Number.isNaN(when.getTime())) return recording.id;
  return when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/**
 * @param {number} bytes
 * @returns {string}
 */
function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
