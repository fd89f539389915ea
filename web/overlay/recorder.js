/** Records in this browser what the overlay shows, at the camera's full resolution, as a file to be saved. */

const BITS_PER_PIXEL = 0.14; // at 30 frames a second: 4 Mbit/s for 1280 x 720
const FPS = 30;
const MOST_BYTES = 2 ** 31; // an hour of 1280 x 720: the file is put together in this page
// The level named with H.264 (the last two digits) is not binding: Chromium writes the one that the size needs.
const TYPES = ["video/mp4;codecs=avc1.42E01F", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];

/** @typedef {(context: CanvasRenderingContext2D, width: number, height: number) => void} Draw */

export class OverlayRecorder {
  #canvas = document.createElement("canvas");
  #context;
  #recorder;
  /** @type {Blob[]} */
  #parts = [];
  #draw;
  #ended;

  /**
   * @param {{ width: number, height: number }} size of the picture in pixels
   * @param {Draw} draw what is shown
   * @param {(why: string) => void} ended it cannot go on, perhaps said more than once; what there is can be had by `stop`
   * @throws {Error} this browser cannot record
   */
  constructor({ width, height }, draw, ended) {
    this.#canvas.width = width;
    this.#canvas.height = height;
    const context = this.#canvas.getContext("2d", { alpha: false });
    const type = OverlayRecorder.type;
    if (context === null || type === undefined) throw new Error("This browser cannot record: let the server do it.");
    this.#context = context;
    this.#draw = draw;
    const videoBitsPerSecond = Math.round(width * height * FPS * BITS_PER_PIXEL);
    this.#recorder = new MediaRecorder(this.#canvas.captureStream(), { mimeType: type, videoBitsPerSecond });
    let bytes = 0;
    this.#recorder.ondataavailable = ({ data }) => {
      this.#parts.push(data);
      bytes += data.size;
      if (bytes > MOST_BYTES) ended("The recording has reached 2 GB.");
    };
    this.#recorder.onerror = () => ended("This browser could not go on recording.");
    this.#ended = new Promise((resolve) => (this.#recorder.onstop = resolve)); // after the last piece, also of a failed one
    this.#recorder.start(1000);
    this.painted();
  }

  /** @returns {string | undefined} the kind of file that this browser writes */
  static get type() {
    return typeof MediaRecorder === "undefined" ? undefined : TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  }

  /** Take in what was painted just now. A picture of another size is fitted in, as a file has one size. */
  painted() {
    this.#draw(this.#context, this.#canvas.width, this.#canvas.height);
  }

  /** @returns {Promise<{ blob: Blob, ending: string }>} the file */
  async stop() {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    await this.#ended;
    for (const track of this.#recorder.stream.getTracks()) track.stop();
    const [type = ""] = this.#recorder.mimeType.split(";");
    return { blob: new Blob(this.#parts, { type }), ending: type === "video/mp4" ? "mp4" : "webm" };
  }
}
