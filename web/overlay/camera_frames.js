/** The frames of a camera's track one by one, each with the moment of its capture where the browser tells that. */

/** @import { Picture } from "./picture_painter.js" */

import { CaptureClock, now } from "../clock.js";
import { make } from "../dom.js";

const PERIOD_MS = 1000 / 60;
const WAITING = 3; // frames that wait for a busy page

/**
 * Where the browser hands out a track's frames themselves, each comes as soon as it is captured, and none is mistaken
 * for another. A video element shows them up to a screen's frame later, not always all of them, and on an overloaded
 * machine may have gone on to the next by the time that it is drawn.
 *
 * @typedef {{ readable: ReadableStream<VideoFrame> }} TrackProcessor
 * @typedef {new (init: { track: MediaStreamTrack, maxBufferSize?: number }) => TrackProcessor} TrackProcessorConstructor
 */

export class CameraFrames {
  #taken;
  /** @type {HTMLVideoElement | null} */
  #video = null;
  /** @type {ReadableStreamDefaultReader<VideoFrame> | null} */
  #reader = null;
  #busy = Promise.resolve(); // with a frame: the next one waits, also where it is another camera's
  #closed = false;
  #timer = 0;
  #time = -1;

  /**
   * @param {MediaStreamTrack} track
   * @param {(picture: Picture, captured: number | null) => Promise<void>} taken a new frame, which is gone when this is
   *   fulfilled; `captured` in Unix milliseconds
   */
  constructor(track, taken) {
    this.#taken = taken;
    this.follow(track);
  }

  /** @param {MediaStreamTrack} track */
  follow(track) {
    const Processor = /** @type {{ MediaStreamTrackProcessor?: TrackProcessorConstructor }} */ (globalThis).MediaStreamTrackProcessor;
    if (!Processor) {
      this.#show(track);
      return;
    }
    const reader = new Processor({ track, maxBufferSize: WAITING }).readable.getReader();
    void this.#read(reader).catch((error) => {
      reportError(error);
      // The track may be fine all the same: another way to its pictures.
      if (this.#reader === reader) this.#show(track);
    });
  }

  close() {
    this.#closed = true;
    release(this.#reader);
    this.#reader = null;
    clearInterval(this.#timer);
    if (this.#video) this.#video.srcObject = null;
  }

  /** @param {ReadableStreamDefaultReader<VideoFrame>} reader */
  async #read(reader) {
    release(this.#reader);
    this.#reader = reader;
    const clock = new CaptureClock();
    try {
      for (;;) {
        const { value: frame } = await reader.read();
        if (!frame) return; // the track has ended, or another is followed
        try {
          const captured = clock.wall(frame.timestamp / 1000, now());
          await this.#busy;
          if (this.#reader === reader) {
            // One frame that cannot be painted is not the end of all.
            this.#busy = this.#taken(frame, captured).catch(reportError);
            await this.#busy;
          }
        } finally {
          frame.close(); // the camera has only a few
        }
      }
    } finally {
      release(reader);
    }
  }

  /** @param {MediaStreamTrack} track */
  #show(track) {
    const first = this.#video === null;
    const video = (this.#video ??= make("video", { autoplay: "", playsinline: "", "aria-hidden": "true" }));
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    // A page that is not looked at may refuse; it plays when it is shown again, as `autoplay` says.
    video.play().catch(() => {});
    if (!first) return;
    if ("requestVideoFrameCallback" in HTMLVideoElement.prototype) this.#await(video);
    else this.#timer = setInterval(() => this.#look(video), PERIOD_MS);
  }

  /** @param {HTMLVideoElement} video */
  #await(video) {
    video.requestVideoFrameCallback((_, { captureTime }) => {
      if (this.#closed) return;
      this.#await(video);
      void this.#taken(video, captureTime === undefined ? null : now() - performance.now() + captureTime);
    });
  }

  /**
   * For browsers that do not tell: a frame is new when the time of the video has moved on.
   *
   * @param {HTMLVideoElement} video
   */
  #look(video) {
    const { currentTime, readyState } = video;
    if (readyState < HTMLMediaElement.HAVE_CURRENT_DATA || currentTime === this.#time) return;
    this.#time = currentTime;
    void this.#taken(video, null);
  }
}

/** @param {ReadableStreamDefaultReader<VideoFrame> | null} reader */
function release(reader) {
  reader?.cancel().catch(() => {}); // it has ended by itself
}
