/** The live picture on the page: what the run, its session and the server say becomes picture, words and figures. */

/** @import { Api } from "./api.js" */
/** @import { Phase, Target } from "./live.js" */
/** @import { Models } from "./models.js" */
/** @import { ChoiceStore } from "./overlay/choices.js" */
/** @import { Refusal, Result, State, Stats } from "./protocol.js" */
/** @import { SettingsStore } from "./settings.js" */
/** @import { Use } from "./steering.js" */
/** @import { SeenPanel } from "./view/seen_panel.js" */
/** @import { Stage } from "./view/stage.js" */
/** @import { Tone } from "./view/status.js" */
/** @import { Strip } from "./view/strip.js" */

import { byId, setIcon } from "./dom.js";
import { lightCodec } from "./light_codec.js";
import { Live } from "./live.js";
import { LiveViews } from "./live_views.js";
import { strength } from "./overlay/timeline.js";
import { CameraSteering } from "./steering.js";
import { fieldError, toast } from "./view/messages.js";
import { asserts } from "./view/seen_panel.js";
import { status } from "./view/status.js";

const UNSURE_AFTER_MS = 400; // one doubtful frame is not worth a word
const SECOND_MS = 1000;
const USUAL_RATE = 30; // pictures a second, where a camera does not tell
const LOOK_MS = 250; // between two looks whether results still come

/** @type {Record<Phase, [text: string, tone: Tone]>} */
const STATUS = {
  idle: ["Ready", "idle"],
  asking: ["Asking", "busy"],
  connecting: ["Connecting", "busy"],
  live: ["Live", "good"],
  waiting: ["Interrupted", "bad"],
  failed: ["Stopped", "idle"],
};

/**
 * @typedef {object} Parts of the page that the live picture needs
 * @property {Api} api
 * @property {SettingsStore} settings
 * @property {ChoiceStore} choices
 * @property {Models} models
 * @property {() => Record<string, Uint8Array>} tables colour maps
 * @property {Stage} stage
 * @property {Strip} strip
 * @property {SeenPanel} seen
 * @property {() => void} changed something that decides what can be done now: the phase, the picture, the recording
 * @property {(own: string | null) => void} streamKnown the session's stream; `own` when our camera feeds it
 * @property {() => void} recorded a recording ended
 * @property {(why: string) => void} unpaintable this page cannot paint the overlay, so the server is to
 */

export class LivePage {
  #parts;
  #run;
  /** The newest `state` message, null while there is no session. @type {State | null} */
  state = null;
  #views;
  #steering = new CameraSteering();
  /** MIME type of the codec that costs this device least, once it is known. @type {string | null} */
  #light = null;
  #unsureSince = 0;
  #resultAt = 0; // when the newest result came, by the page's monotonic clock
  #startButton = byId("start", HTMLButtonElement);
  #recordButton = byId("record", HTMLButtonElement);

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#run = new Live(parts.api, parts.settings, {
      phase: (phase) => this.#enter(phase),
      preview: (media) => {
        this.#views.preview(media);
        this.#steer(); // another camera's pictures have another size
      },
      failure: (failure, seconds) => parts.stage.showFailure(failure, seconds),
      media: (media) => this.#views.receive(media),
      state: (state) => this.#takeState(state),
      stats: (stats) => this.#takeStats(stats),
      result: (result) => this.#takeResult(result),
      overlay: (message) => {
        const { session } = this.#run;
        if (session && this.live) this.#takeResult(this.#views.overlay.take(message, session));
      },
      refused: (refusal) => this.#takeRefusal(refusal),
      quiet: (seconds) =>
        seconds > 0 ? status(`No word from the server for ${seconds} s`, "bad") : status(...STATUS.live),
    });
    void lightCodec().then((codec) => (this.#light = codec));
    this.#run.encoding = () => (this.#use ? this.#steering.begin(this.#use) : null);
    this.#views = new LiveViews(this.#run, { ...parts, recordingChanged: () => this.#drawState() });
    setInterval(() => this.live && this.#views.measure(parts.strip), SECOND_MS);
    setInterval(() => this.#stale && this.#sayStale(), LOOK_MS);
  }

  /** @returns {LiveViews} what is shown of the run */
  get views() {
    return this.#views;
  }

  /** @param {RTCIceServer[]} servers */
  set iceServers(servers) {
    this.#run.iceServers = servers;
  }

  /** @returns {boolean} whether a run is on, be it live or trying */
  get running() {
    return this.#run.running;
  }

  /** @returns {boolean} */
  get live() {
    return this.#run.phase === "live";
  }

  /** @param {Target} target */
  start(target) {
    this.#run.start(target);
  }

  stop() {
    this.#run.stop();
  }

  tryNow() {
    this.#run.tryNow();
  }

  /** @param {Target} target another source or resolution, while running */
  switchTo(target) {
    if (target.kind === "camera" && this.#run.target?.kind === "camera") void this.#run.changeCamera(target.choice);
    else this.#run.start(target);
  }

  /** @param {Phase} phase */
  #enter(phase) {
    const { stage, strip, seen, changed } = this.#parts;
    status(...STATUS[phase]);
    this.#startButton.classList.toggle("running", this.running);
    this.#startButton.querySelector("span")?.replaceChildren(this.running ? "Stop" : "Start");
    setIcon(this.#startButton, this.running ? "stop" : "play");
    if (phase === "asking" || phase === "connecting" || phase === "live") stage.clearFailure();
    stage.busy(phase === "asking" ? "Please allow the camera" : phase === "connecting" ? "Connecting" : "");
    if (phase !== "live") {
      if (this.state?.recording) this.#parts.recorded();
      this.state = null;
      this.#resultAt = 0;
      seen.stale = false;
      this.#views.reset();
      this.#steering = new CameraSteering();
      this.#sayPace();
      stage.unsure(false);
      strip.clear();
      this.#drawState();
    }
    if (phase === "idle" || phase === "failed") {
      stage.show(null);
      seen.show(null);
    }
    if (phase === "waiting") {
      if (this.#run.camera) this.#views.preview(new MediaStream([this.#run.camera]));
      else stage.view?.element.classList.add("waiting"); // the last frame stays, but not as if it were live
    }
    changed();
  }

  /** @param {State} state */
  #takeState(state) {
    const { settings, stage, streamKnown, recorded, changed } = this.#parts;
    const first = this.state?.stream !== state.stream;
    const recordingEnded = this.state?.recording && !state.recording;
    this.state = state;
    this.#views.follow(state);
    settings.settle(state.settings, state.reply);
    if (this.live) stage.busy("");
    if (first) streamKnown(this.#run.target?.kind === "camera" ? state.stream : null);
    if (recordingEnded) recorded();
    this.#steer();
    this.#drawState();
    changed();
  }

  /** @param {Stats} stats */
  #takeStats(stats) {
    if (this.#run.camera) this.#steering.note(stats, rateOf(this.#run.camera), performance.now() / 1000);
    this.#steer();
    const { overlay } = this.#views;
    const ages = overlay.view?.ages;
    this.#parts.strip.stats(
      { ...stats, ms: { ...stats.ms, ...(this.#stale ? {} : overlay.ways) } },
      this.#run.session?.roundTrip ?? null,
      ages ? { p50: ages.percentile("age", 0.5), p95: ages.percentile("age", 0.95) } : null,
    );
    if (this.#stale) this.#sayStale();
  }

  /** @returns {boolean} whether the camera's picture goes on here, but the last result is too old to be painted */
  get #stale() {
    const shown = this.live && this.state?.mode === "overlay" && this.#resultAt > 0;
    return shown && strength(performance.now() - this.#resultAt) === 0;
  }

  #sayStale() {
    const { seen, strip, stage } = this.#parts;
    seen.stale = true;
    strip.stale();
    stage.unsure(false);
  }

  /** @returns {Use | null} what becomes of the camera's pictures; null where there is no camera */
  get #use() {
    const { camera, mode } = this.#run;
    if (!camera) return null;
    const { width = 0, height = 0 } = camera.getSettings();
    const { card, second } = this.#parts.models;
    const { recording = null, viewers = 1 } = this.state ?? {};
    return {
      mode: this.state?.mode ?? mode,
      recording: recording !== null,
      watched: viewers > 1,
      width,
      height,
      inputSize: Math.max(card?.input_size ?? 0, second?.input_size ?? 0),
      light: this.#light,
    };
  }

  #steer() {
    const { session } = this.#run;
    const use = this.#use;
    if (!session?.sender || !use || !this.state) return;
    session.tellCamera(use);
    void this.#steering.apply(session.sender, use);
    this.#sayPace();
  }

  #sayPace() {
    const hint = byId("pace-hint", HTMLParagraphElement);
    const { said } = this.#steering;
    if (hint.textContent !== said) hint.textContent = said;
    hint.hidden = said === "";
  }

  #drawState() {
    const { state } = this;
    const recording = state?.recording != null || this.#views.recording;
    this.#recordButton.setAttribute("aria-pressed", String(recording));
    this.#recordButton.setAttribute("aria-label", recording ? "Stop recording" : "Record");
    this.#parts.stage.recording(recording);
    const shared = byId("shared", HTMLParagraphElement);
    const others = (state?.viewers ?? 1) - 1;
    shared.hidden = state === null || (others < 1 && this.#run.target?.kind !== "watch");
    const who = others === 1 ? "one other viewer" : `${others} other viewers`;
    shared.textContent =
      others > 0
        ? `Shared with ${who}: what is mapped, and how, changes for everyone; colours and opacity only for you.`
        : "A stream of the server: what is mapped, and how, stays so for whoever watches next.";
  }

  /** @param {Result} result */
  #takeResult(result) {
    if (!this.live) return;
    const { seen, strip, stage, settings } = this.#parts;
    seen.show(result);
    strip.frame(result);
    const now = (this.#resultAt = performance.now());
    if (asserts(result)) this.#unsureSince = now;
    // With labels on, it is written into the picture.
    stage.unsure(now - this.#unsureSince > UNSURE_AFTER_MS && !settings.values.labels);
  }

  /** @param {Refusal} refusal */
  #takeRefusal(refusal) {
    this.#parts.stage.busy("");
    this.#views.refuse(refusal);
    const names = this.#parts.settings.refuse(refusal);
    if (names?.[0]) fieldError(names[0], refusal.detail);
    else if (names !== null) toast(refusal.detail);
  }
}

/** @param {MediaStreamTrack} camera */
function rateOf(camera) {
  return camera.getSettings().frameRate ?? USUAL_RATE;
}
