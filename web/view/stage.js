/** The picture and what lies over it: the welcome, the failure notice, small pills. */

/** @import { Failure } from "../failures.js" */

import { byId } from "../dom.js";

/**
 * What can stand in the stage; a return mode brings its own.
 *
 * @typedef {object} PictureView
 * @property {HTMLElement} element
 * @property {() => { width: number, height: number } | null} size of the picture in pixels, null before it is there
 * @property {() => Promise<Blob>} snapshot PNG
 * @property {() => void} close
 */

export class Stage {
  #root = byId("stage", HTMLElement);
  #frame = byId("frame", HTMLDivElement);
  #notice = byId("notice", HTMLDivElement);
  #retry = byId("notice-retry", HTMLButtonElement);
  #dismiss = byId("notice-close", HTMLButtonElement);
  #countdown = byId("notice-countdown", HTMLSpanElement);
  #busy = byId("busy", HTMLParagraphElement);
  #unsure = byId("unsure", HTMLParagraphElement);
  #recordingMark = byId("recording-mark", HTMLParagraphElement);
  /** @type {number | undefined} */
  #recordingClock;
  /** @type {PictureView | null} */
  view = null;

  /**
   * @param {() => void} retry
   * @param {() => void} dismiss the person does not want another try
   */
  constructor(retry, dismiss) {
    this.#retry.onclick = retry;
    this.#dismiss.onclick = dismiss;
  }

  /**
   * @param {PictureView | null} view null brings the welcome back
   */
  show(view) {
    if (view === this.view) return;
    this.view?.close();
    this.view = view;
    this.#frame.replaceChildren(...(view ? [view.element] : []));
    this.#root.toggleAttribute("data-empty", view === null);
    this.fit();
    if (view === null) this.unsure(false);
  }

  /** Take on the picture's shape; called when its size becomes known or changes (a phone that is turned). */
  fit() {
    const size = this.view?.size();
    if (size && size.height > 0) this.#root.style.setProperty("--shape", String(size.width / size.height));
  }

  /**
   * @param {Failure} failure
   * @param {number | null} seconds to the next try
   */
  showFailure(failure, seconds) {
    // Written only when it changes, or screen readers would read the notice again at each tick of the countdown.
    if (this.#notice.hidden || this.#notice.dataset["code"] !== failure.code) {
      byId("notice-title", HTMLHeadingElement).textContent = failure.title;
      byId("notice-detail", HTMLParagraphElement).textContent = failure.detail;
      this.#notice.dataset["code"] = failure.code;
      this.#notice.hidden = false;
    }
    this.#retry.textContent = seconds === null ? "Try again" : "Try now";
    this.#dismiss.textContent = seconds === null ? "Close" : "Stop trying";
    this.#countdown.textContent = seconds === null ? "" : `Next try in ${seconds} s`;
  }

  clearFailure() {
    this.#notice.hidden = true;
  }

  /** @param {string} text empty when nothing is under way */
  busy(text) {
    this.#busy.hidden = text === "";
    byId("busy-text", HTMLSpanElement).textContent = text;
  }

  /** @param {boolean} unsure */
  unsure(unsure) {
    this.#unsure.hidden = !unsure;
  }

  /** @param {boolean} on */
  recording(on) {
    if (on === !this.#recordingMark.hidden) return;
    this.#recordingMark.hidden = !on;
    clearInterval(this.#recordingClock);
    if (!on) return;
    const time = byId("recording-time", HTMLSpanElement);
    const started = performance.now();
    const tick = () => (time.textContent = clock((performance.now() - started) / 1000));
    tick();
    this.#recordingClock = setInterval(tick, 1000);
  }

  async toggleFullscreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else if (this.#root.requestFullscreen) await this.#root.requestFullscreen();
    else {
      // iPhones give the full screen to a video element only, by a name of their own.
      const video = /** @type {(HTMLVideoElement & { webkitEnterFullscreen?: () => void }) | null} */ (
        this.#frame.querySelector("video")
      );
      video?.webkitEnterFullscreen?.();
    }
  }
}

/**
 * @param {number} seconds
 * @returns {string} such as 1:05
 */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
