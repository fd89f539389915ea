/** Mode "video": the server painted the picture; here it is only shown. Also shows the person's own camera before. */

/** @import { PictureView } from "./stage.js" */

import { make } from "../dom.js";

const WINDOW_MS = 1000;

/** @implements {PictureView} */
export class VideoView {
  element = make("video", { autoplay: "", playsinline: "", "aria-label": "Live picture" });
  /** @type {number[]} when the frames of the last second were shown */
  #shown = [];
  #closed = false;

  /**
   * @param {MediaStream} media
   * @param {() => void} sized called when the picture's size becomes known or changes
   */
  constructor(media, sized) {
    this.element.muted = true;
    this.element.srcObject = media;
    this.element.addEventListener("resize", sized);
    this.element.addEventListener("loadeddata", sized);
    this.#count();
  }

  /** @returns {Promise<void>} fulfils with the first frame */
  started() {
    return new Promise((resolve) => {
      if (this.element.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) resolve();
      this.element.addEventListener("loadeddata", () => resolve(), { once: true });
    });
  }

  /** @returns {number} frames shown in the last second */
  get fps() {
    const since = performance.now() - WINDOW_MS;
    this.#shown = this.#shown.filter((time) => time > since);
    return this.#shown.length;
  }

  size() {
    const { videoWidth, videoHeight } = this.element;
    return videoWidth > 0 ? { width: videoWidth, height: videoHeight } : null;
  }

  /** @returns {Promise<Blob>} */
  async snapshot() {
    const size = this.size();
    const canvas = size && new OffscreenCanvas(size.width, size.height);
    const context = canvas?.getContext("2d");
    if (!canvas || !context) throw new Error("There is no picture to save yet.");
    context.drawImage(this.element, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  close() {
    this.#closed = true;
    this.element.srcObject = null;
  }

  #count() {
    if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) return;
    const note = () => {
      this.#shown.push(performance.now());
      if (this.#shown.length > 240) this.#shown.shift();
      if (!this.#closed) this.element.requestVideoFrameCallback(note);
    };
    this.element.requestVideoFrameCallback(note);
  }
}
