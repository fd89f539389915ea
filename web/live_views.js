/** What stands in the stage of a live run: the camera's own picture at first, then the one of the mode in force. */

/** @import { Live } from "./live.js" */
/** @import { OverlayParts } from "./live_overlay.js" */
/** @import { Mode, Refusal, State } from "./protocol.js" */
/** @import { Stage } from "./view/stage.js" */
/** @import { Strip } from "./view/strip.js" */

import { byId } from "./dom.js";
import { LiveOverlay } from "./live_overlay.js";
import { OverlayRecorder } from "./overlay/recorder.js";
import { download, stamp } from "./view/download.js";
import { toast } from "./view/messages.js";
import { OverlayView } from "./view/overlay_view.js";
import { VideoView } from "./view/video_view.js";

/**
 * @typedef {object} ViewParts
 * @property {Stage} stage
 * @property {() => void} changed another view is shown
 * @property {() => void} recordingChanged this page began or ended to record
 * @property {(why: string) => void} unpaintable the overlay did not open, so the server is to paint
 */

export class LiveViews {
  #run;
  #parts;
  /** @type {LiveOverlay} */
  overlay;
  /** The annotated track, which is there in either mode. @type {MediaStream | null} */
  #media = null;
  /** @type {OverlayRecorder | null} */
  #recorder = null;
  /** The mode in force, as the server said last. @type {Mode | null} */
  #mode = null;
  /** The message that asked for another mode and is not answered yet. @type {number | null} */
  #asked = null;
  /** What waits for its first picture. @type {VideoView | OverlayView | null} */
  #pending = null;

  /**
   * @param {Live} run
   * @param {ViewParts & Omit<OverlayParts, "sized">} parts
   */
  constructor(run, parts) {
    this.#run = run;
    this.#parts = parts;
    this.overlay = new LiveOverlay({ ...parts, sized: () => parts.stage.fit() });
    parts.choices.listen(({ mode }) => {
      run.mode = mode;
      this.#ask();
    });
    addEventListener("beforeunload", (event) => this.recording && event.preventDefault());
  }

  /** @param {MediaStream} media the person's own picture: before the first result, or from another camera */
  preview(media) {
    if (this.#run.phase === "live") {
      const [camera] = media.getVideoTracks();
      if (camera && this.overlay.view) this.overlay.view.follow(camera);
      else if (this.#mode !== null) this.#open(this.#mode); // confirmed while there was no camera
      return;
    }
    const view = new VideoView(media, () => this.#parts.stage.fit());
    view.element.classList.add("waiting");
    view.element.classList.toggle("flipped", this.#parts.settings.values.mirror);
    this.#parts.stage.show(view);
  }

  /** @param {MediaStream} media with the annotated track; the server's first message may overtake it */
  receive(media) {
    this.#media = media;
    if (this.#mode === "video") this.#open("video");
  }

  /** @param {State} state that the server has told */
  follow({ mode, reply }) {
    const before = this.#mode;
    this.#mode = mode;
    if (reply === this.#asked) this.#asked = null;
    this.#ask(); // something else may have been chosen meanwhile
    if (before !== mode) this.#open(mode);
  }

  /**
   * The server refused a message: where it was a change of mode, the choice goes back to what is in force.
   *
   * @param {Refusal} refusal
   */
  refuse({ reply }) {
    if (reply === null || reply !== this.#asked || this.#mode === null) return;
    this.#asked = null;
    this.#parts.choices.forNow({ mode: this.#mode });
  }

  /** The session is over: whatever comes next starts anew. */
  reset() {
    this.#media = this.#mode = this.#asked = null;
    this.#drop();
    this.#leaveOverlay();
  }

  /** @returns {boolean} whether this page is recording */
  get recording() {
    return this.#recorder !== null;
  }

  /** @returns {boolean} whether this page could record: only what it paints itself */
  get recordable() {
    return this.#isShown("overlay") && OverlayRecorder.type !== undefined;
  }

  /** Record what is shown from now on, or save what was recorded. */
  async record() {
    if (this.#recorder !== null) {
      await this.#endRecording();
      return;
    }
    const { view } = this.overlay;
    const size = view?.size() ?? null;
    if (view === null || size === null || !this.#isShown("overlay")) return;
    const recorder = new OverlayRecorder(
      size,
      (context, width, height) => view.drawInto(context, width, height),
      (why) => {
        if (this.#recorder !== recorder) return;
        toast(`${why} What was recorded so far is saved.`);
        void this.#endRecording();
      },
    );
    this.#recorder = recorder;
    view.painted = () => recorder.painted();
    this.#parts.recordingChanged();
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

  /** Ask the server for the mode that is wanted, where that is not the one in force; one question at a time. */
  #ask() {
    const { session, target, mode } = this.#run;
    if (session === null || target?.kind !== "camera") return;
    if (this.#mode !== null && this.#mode !== mode && this.#asked === null) this.#asked = session.setMode(mode);
  }

  /** @param {Mode} mode whose view is to be shown */
  #open(mode) {
    this.#drop();
    if (this.#isShown(mode)) return;
    const { camera } = this.#run;
    if (mode === "video") {
      if (this.#media) void this.#show(new VideoView(this.#media, () => this.#parts.stage.fit()));
    } else if (camera) {
      let view;
      try {
        view = this.overlay.open(camera);
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error);
        this.#parts.unpaintable(`This page could not paint the picture (${said}), so the server does.`);
        return;
      }
      void this.#show(view);
    }
  }

  /**
   * Put a view in the stage with its first picture, unless something else is wanted by then.
   *
   * @param {VideoView | OverlayView} view
   */
  async #show(view) {
    this.#pending = view;
    await view.started();
    if (this.#pending !== view) return; // whoever dropped it has closed it
    this.#pending = null;
    if (view instanceof VideoView) this.#leaveOverlay();
    this.#parts.stage.show(view);
    this.#parts.changed();
  }

  /** Close what waits for its first picture. */
  #drop() {
    if (this.#pending === null) return;
    if (this.#pending === this.overlay.view) this.overlay.leave();
    this.#pending.close();
    this.#pending = null;
  }

  /**
   * @param {Mode} mode
   * @returns {boolean} whether its view stands in the stage, as one of this session
   */
  #isShown(mode) {
    const { view } = this.#parts.stage;
    if (mode === "overlay") return view !== null && view === this.overlay.view;
    return view instanceof VideoView && this.#media !== null && view.element.srcObject === this.#media;
  }

  #leaveOverlay() {
    void this.#endRecording(); // what was recorded is saved, not lost
    this.overlay.leave();
  }

  /** Save what was recorded. */
  async #endRecording() {
    const recorder = this.#recorder;
    if (recorder === null) return;
    this.#recorder = null;
    if (this.overlay.view) this.overlay.view.painted = null;
    this.#parts.recordingChanged();
    const { blob, ending } = await recorder.stop();
    download(blob, `seekcam-${stamp()}.${ending}`);
  }
}
