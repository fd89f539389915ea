/** The frames of a camera's track one by one, each with the moment of its capture where the browser tells that. */

import { make } from "../view/dom.js";

const PERIOD_MS = 1000 / 60;

export class CameraFrames {
  video = make("video", { autoplay: "", playsinline: "", "aria-hidden": "true" });
  #taken;
  #closed = false;
  #timer = 0;
  #time = -1;

  /**
   * @param {MediaStreamTrack} track
   * @param {(captured: number | null) => void} taken a new frame is in `video`; `captured` in Unix milliseconds
   */
  constructor(track, taken) {
    this.#taken = taken;
    this.video.muted = true;
    this.follow(track);
    if (CameraFrames.told) this.#await();
    else this.#timer = setInterval(() => this.#look(), PERIOD_MS);
  }

  /** @returns {boolean} whether this browser tells of each frame that it shows */
  static get told() {
    return "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  }

  /** @param {MediaStreamTrack} track */
  follow(track) {
    this.video.srcObject = new MediaStream([track]);
    // A page that is not looked at may refuse; it plays when it is shown again, as `autoplay` says.
    this.video.play().catch(() => {});
  }

  close() {
    this.#closed = true;
    clearInterval(this.#timer);
    this.video.srcObject = null;
  }

  #await() {
    this.video.requestVideoFrameCallback((_, { captureTime }) => {
      if (this.#closed) return;
      this.#await();
      this.#taken(captureTime === undefined ? null : performance.timeOrigin + captureTime);
    });
  }

  /** For browsers that do not tell: a frame is new when the time of the video has moved on. */
  #look() {
    const { currentTime, readyState } = this.video;
    if (readyState < HTMLMediaElement.HAVE_CURRENT_DATA || currentTime === this.#time) return;
    this.#time = currentTime;
    this.#taken(null);
  }
}
