/** What stands in the stage of a live run: the camera's own picture at first, then the one of the mode in force. */

/** @import { Live } from "./live.js" */
/** @import { OverlayParts } from "./overlay/live_overlay.js" */
/** @import { Mode } from "./protocol.js" */
/** @import { Stage } from "./view/stage.js" */
/** @import { Strip } from "./view/strip.js" */

import { LiveOverlay } from "./overlay/live_overlay.js";
import { OverlayRecorder } from "./overlay/recorder.js";
import { byId } from "./view/dom.js";
import { download, stamp } from "./view/download.js";
import { OverlayView } from "./view/overlay_view.js";
import { VideoView } from "./view/video_view.js";

/**
 * @typedef {object} ViewParts
 * @property {Stage} stage
 * @property {() => void} changed another view is shown
 * @property {() => void} recordingChanged this page began or ended to record
 */

export class LiveViews {
  #run;
  #parts;
  /** @type {LiveOverlay} */
  overlay;
  /** The annotated track, which is there in either mode. @type {MediaStream | null} */
  media = null;
  /** @type {OverlayRecorder | null} */
  #recorder = null;
  /** What is shown, or about to be. @type {Mode | null} */
  #mode = null;

  /**
   * @param {Live} run
   * @param {ViewParts & Omit<OverlayParts, "sized">} parts
   */
  constructor(run, parts) {
    this.#run = run;
    this.#parts = parts;
    this.overlay = new LiveOverlay({ ...parts, sized: () => parts.stage.fit() });
    parts.choices.listen(({ mode }) => this.#want(mode));
  }

  /** @param {MediaStream} media the person's own picture: before the first result, or from another camera */
  preview(media) {
    const [camera] = media.getVideoTracks();
    if (this.#run.phase === "live") {
      if (camera) this.overlay.view?.follow(camera);
      return;
    }
    const view = new VideoView(media, () => this.#parts.stage.fit());
    view.element.classList.add("waiting");
    view.element.classList.toggle("flipped", this.#parts.settings.values.mirror);
    this.#parts.stage.show(view);
  }

  /** @param {Mode} mode that the server has confirmed */
  follow(mode) {
    const { session, camera } = this.#run;
    if (session === null) return;
    const before = this.#mode;
    this.#mode = session.mode = mode;
    if (before === mode) return;
    if (mode === "overlay" && camera) void this.#show(this.overlay.open(camera), mode);
    else if (this.media) void this.#show(new VideoView(this.media, () => this.#parts.stage.fit()), mode);
  }

  /** The session is over: whatever comes next starts anew. */
  reset() {
    this.media = this.#mode = null;
    this.#leaveOverlay();
  }

  /** @returns {boolean} whether this page is recording */
  get recording() {
    return this.#recorder !== null;
  }

  /** @returns {boolean} whether this page could record: only what it paints itself */
  get recordable() {
    return this.overlay.view !== null && OverlayRecorder.type !== undefined;
  }

  /** Record what is shown from now on, or save what was recorded. */
  async record() {
    const { view } = this.overlay;
    const size = view?.size() ?? null;
    const recorder = this.#recorder;
    if (recorder !== null) {
      this.#recorder = null;
      this.#parts.recordingChanged();
      const { blob, ending } = await recorder.stop();
      download(blob, `seekcam-${stamp()}.${ending}`);
    } else if (view !== null && size !== null) {
      this.#recorder = new OverlayRecorder(size, (context, width, height) => view.drawInto(context, width, height));
      view.painted = () => this.#recorder?.painted();
      this.#parts.recordingChanged();
    }
  }

  /**
   * Once a second: what this page sees of its own picture.
   *
   * @param {Strip} strip
   */
  measure(strip) {
    const { view } = this.#parts.stage;
    if (view instanceof VideoView || view instanceof OverlayView) strip.shown({ fps: view.fps, size: view.size() });
    if (this.#run.session) this.overlay.report(this.#run.session);
    const obstacle = this.#parts.choices.values.display === "exact" ? (this.overlay.view?.obstacle ?? "") : "";
    const hint = byId("display-hint", HTMLParagraphElement);
    if (hint.textContent !== obstacle) hint.textContent = obstacle;
    hint.hidden = obstacle === "";
  }

  /** @param {Mode} mode that the person wants */
  #want(mode) {
    this.#run.mode = mode;
    const { session, target, phase } = this.#run;
    if (session && phase === "live" && target?.kind === "camera" && session.mode !== mode) session.setMode(mode);
  }

  /**
   * Put a view in the stage with its first picture, unless something else is wanted by then.
   *
   * @param {VideoView | OverlayView} view
   * @param {Mode} mode
   */
  async #show(view, mode) {
    const { session } = this.#run;
    await view.started();
    if (session === null || this.#run.session !== session || this.#mode !== mode) {
      view.close();
      return;
    }
    this.#parts.stage.show(view);
    if (mode === "video") this.#leaveOverlay();
    this.#parts.changed();
  }

  #leaveOverlay() {
    if (this.#recorder !== null) void this.record(); // what was recorded is saved, not lost
    this.overlay.leave();
  }
}
