/**
 * Mode "overlay": the person's own camera picture, with what the server found painted over it right here.
 *
 * Two ways to bring picture and map together. "exact" shows a frame when its own map has come: picture and map are the
 * same instant; only when maps stop coming, the picture goes on and the last one fades. "live" shows the newest picture
 * with the newest map, which fades as it gets older.
 */

/** @import { Display } from "../overlay/choices.js" */
/** @import { Compositor } from "../overlay/compositor.js" */
/** @import { Message } from "../overlay/message.js" */
/** @import { Wish } from "../overlay/panes.js" */
/** @import { Picture } from "../overlay/picture_painter.js" */
/** @import { Showing } from "../overlay/timeline.js" */
/** @import { Look } from "../overlay/types.js" */
/** @import { PictureView } from "./stage.js" */

import { Ages } from "../overlay/ages.js";
import { CameraFrames } from "../overlay/camera_frames.js";
import { now } from "../clock.js";
import { createCompositor } from "../overlay/compositor.js";
import { PaneMaker } from "../overlay/panes.js";
import { Timeline } from "../overlay/timeline.js";

const SLOTS = 12; // frames that are kept: 400 ms at 30 a second
const WINDOW_MS = 1000;
const JUDGE_AFTER = 60; // results before it is said that frames cannot be told apart


/**
 * @typedef {object} OverlayPlan
 * @property {MediaStreamTrack} camera
 * @property {Record<string, Uint8Array>} tables colour maps
 * @property {() => Look} look asked anew for each painting
 * @property {() => Wish[]} wishes by side
 * @property {() => void} sized the picture's size became known, or another
 */

/** @implements {PictureView} */
export class OverlayView {
  /** @type {Compositor} */
  #compositor;
  #plan;
  #camera;
  #frames;
  #timeline = new Timeline(SLOTS);
  #panes = new PaneMaker();
  #ages = new Ages();
  /** @type {Display} */
  #display = "exact";
  /** @type {Showing | null} */
  #shown = null;
  /** @type {number[]} when new pictures were painted in the last second */
  #paintings = [];
  #shape = "";
  #captureKnown = true;
  #skipped = false; // the newest picture was not kept
  #hasBegun = false;
  #due = false; // a painting is on its way
  #turn = new MessageChannel();
  /** @type {() => void} */
  #begun = () => {};
  /** Called after each painting, by whoever records. @type {(() => void) | null} */
  painted = null;

  /** @param {OverlayPlan} plan */
  constructor(plan) {
    this.#plan = plan;
    this.#camera = plan.camera;
    this.#compositor = createCompositor(plan.tables, { slots: SLOTS });
    this.element = this.#compositor.element;
    this.#turn.port1.onmessage = () => this.#paintNewest();
    this.#frames = new CameraFrames(plan.camera, (picture, captured) => this.#frame(picture, captured));
  }

  /** @returns {Promise<void>} fulfils with the first painting */
  started() {
    return this.#hasBegun ? Promise.resolve() : new Promise((resolve) => (this.#begun = resolve));
  }

  /** @param {Display} display */
  set display(display) {
    this.#display = display;
  }

  /** @param {number} seconds */
  set smoothing(seconds) {
    this.#panes.smoothing = seconds;
  }

  /** @returns {string} why results do not find their very frames, so that there is only "live"; empty when they do */
  get obstacle() {
    const { matched, unmatched, late, undated } = this.#timeline.recent;
    const judged = matched + unmatched + late + undated >= JUDGE_AFTER;
    if (!this.#captureKnown || (judged && unmatched > matched)) {
      return "This browser does not tell its camera frames apart, so the newest map lies over the newest picture.";
    }
    if (judged && undated > matched) {
      return "The server cannot tell which picture a map is of, so the newest map lies over the newest picture.";
    }
    return judged && late > matched
      ? "Maps come too late for the frames that are kept, so the newest map lies over the newest picture."
      : "";
  }

  /** @returns {Ages} */
  get ages() {
    return this.#ages;
  }

  /** @returns {{ matched: number, unmatched: number }} results that found their frame, and that did not, so far */
  get counts() {
    const { matched, unmatched } = this.#timeline;
    return { matched, unmatched };
  }

  /** @param {MediaStreamTrack} camera another one, from now on */
  follow(camera) {
    this.#camera = camera;
    this.#timeline.clear(now());
    this.#panes.clear();
    this.#frames.follow(camera);
  }

  /**
   * @param {Message} message
   * @param {number | null} ahead milliseconds that the server's clock is ahead of ours
   * @returns {Record<string, number>} milliseconds of the ways up (capture and encoding included) and down, where known
   */
  result(message, ahead) {
    const arrived = now();
    this.#timeline.result(message, arrived);
    this.#paintSoon();
    if (ahead === null) return {};
    const down = arrived - (message.sent - ahead);
    this.#ages.note("downlink", down);
    if (message.captured === null) return { down };
    const up = message.sent - message.held - ahead - message.captured;
    this.#ages.note("uplink", up);
    return { up, down };
  }

  /** Paint again what is shown, as the person wants it now. */
  refresh() {
    if (this.#shown) this.#paint(this.#shown);
  }

  /** @returns {number} pictures shown in the last second */
  get fps() {
    const since = performance.now() - WINDOW_MS;
    this.#paintings = this.#paintings.filter((time) => time > since);
    return this.#paintings.length;
  }

  size() {
    return this.#compositor.size();
  }

  /** @returns {Promise<Blob>} */
  snapshot() {
    return this.#compositor.snapshot();
  }

  /**
   * What is shown now with its marks, for a recording.
   *
   * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
   * @param {number} width
   * @param {number} height
   */
  drawInto(context, width, height) {
    this.#compositor.drawInto(context, width, height);
  }

  close() {
    this.#frames.close();
    this.#turn.port1.close();
    this.#compositor.close();
  }

  /**
   * @param {Picture} picture
   * @param {number | null} captured
   */
  async #frame(picture, captured) {
    const moment = captured ?? now();
    this.#captureKnown = captured !== null;
    if (this.#unseen !== this.#skipped) this.#timeline.forget(); // the ring holds none of those that were skipped
    this.#skipped = this.#unseen;
    const camera = this.#camera;
    if (!this.#skipped) await this.#compositor.keep(picture, this.#timeline.makeRoom());
    if (camera !== this.#camera) return; // meanwhile another one is followed
    this.#timeline.frame(moment); // also of one that was skipped: results find it all the same
    this.#paintSoon();
  }

  /** Behind whatever waits already: on a busy machine, frames and results that came together are painted once. */
  #paintSoon() {
    if (this.#due) return;
    this.#due = true;
    this.#turn.port2.postMessage(null);
  }

  #paintNewest() {
    this.#due = false;
    if (this.#skipped) return;
    const exact = this.#display === "exact" && this.obstacle === "";
    const showing = exact ? this.#timeline.exact(now()) : this.#timeline.live();
    if (showing === null) return;
    if (showing.frame.captured !== this.#shown?.frame.captured) this.#paintings.push(performance.now());
    const fresh = showing.result !== null && showing.result !== this.#shown?.result;
    this.#paint(showing);
    if (fresh && showing.result?.captured != null) this.#ages.note("age", now() - showing.result.captured);
  }

  /** Whether a painting would be for nobody. */
  get #unseen() {
    return document.hidden && this.painted === null;
  }

  /** @param {Showing} showing */
  #paint(showing) {
    this.#shown = showing;
    const panes = this.#panes.panes(showing.result, this.#plan.wishes(), showing.strength);
    this.#compositor.paint(showing.frame.slot, panes, this.#plan.look());
    const size = this.size();
    if (!size) return;
    const shape = `${size.width} ${size.height}`;
    if (shape !== this.#shape) this.#plan.sized();
    this.#shape = shape;
    this.painted?.();
    this.#hasBegun = true;
    this.#begun();
  }
}
