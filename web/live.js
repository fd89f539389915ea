/**
 * A live run: the camera or stream that was chosen, its session, and the tries to get it back when it breaks.
 *
 * One loop (`#run`) opens the camera, opens a session, waits for its end, says what happened, waits, and starts over,
 * until the person stops it or only the person can help.
 */

/** @import { Api } from "./api.js" */
/** @import { CameraChoice } from "./camera.js" */
/** @import { Failure } from "./failures.js" */
/** @import { Mode } from "./protocol.js" */
/** @import { SessionEvents } from "./session.js" */
/** @import { SettingsStore } from "./settings.js" */

import { cameraComesBack, openCamera } from "./camera.js";
import { UNPLUGGED, explain } from "./failures.js";
import { Session } from "./session.js";

const WAITS_S = [1, 2, 4, 8, 15]; // before the first, second, ... try after a break

/**
 * @typedef {{ kind: "camera", choice: CameraChoice } | { kind: "watch", stream: string }} Target
 *
 * @typedef {"idle" | "asking" | "connecting" | "live" | "waiting" | "failed"} Phase
 *
 * @typedef {object} LiveEvents
 * @property {(phase: Phase) => void} phase
 * @property {(camera: MediaStream) => void} preview the person's own picture, before the server's comes back
 * @property {(failure: Failure, seconds: number | null) => void} failure with the countdown to the next try
 */

export class Live {
  #api;
  #settings;
  #events;
  /** @type {RTCIceServer[]} */
  iceServers = [];
  /** How the camera's pictures are sent to begin with. @type {() => RTCRtpEncodingParameters | null} */
  encoding = () => null;
  /** How the answer of the next session is to come back. @type {Mode} */
  mode = "video";
  /** @type {Session | null} */
  session = null;
  /** @type {Target | null} */
  target = null;
  /** @type {MediaStreamTrack | null} */
  camera = null;
  /** @type {Phase} */
  phase = "idle";
  /** @type {AbortController} */
  #stopper = new AbortController();
  #skipWait = () => {};

  /**
   * @param {Api} api
   * @param {SettingsStore} settings
   * @param {LiveEvents & SessionEvents} events
   */
  constructor(api, settings, events) {
    this.#api = api;
    this.#settings = settings;
    this.#events = events;
  }

  /** @returns {boolean} */
  get running() {
    return this.phase !== "idle" && this.phase !== "failed";
  }

  /** @param {Target} target */
  start(target) {
    this.stop();
    this.#stopper = new AbortController();
    this.target = target;
    void this.#run(target, this.#stopper.signal);
  }

  stop() {
    this.#stopper.abort();
    this.#skipWait();
    this.session?.close();
    this.session = null;
    this.#closeCamera();
    this.#settings.attach(null);
    this.#enter("idle");
  }

  /** Try again now instead of at the end of the countdown. */
  tryNow() {
    if (this.phase === "waiting") this.#skipWait();
    else if (this.target) this.start(this.target);
  }

  /**
   * Go on with another camera or resolution, in the same session.
   *
   * @param {CameraChoice} choice
   */
  async changeCamera(choice) {
    const target = this.target;
    if (target?.kind !== "camera") return;
    target.choice = choice;
    if (this.phase !== "live" || !this.session) {
      if (this.running) this.start(target);
      return;
    }
    const signal = this.#stopper.signal;
    this.#closeCamera(); // phones open one camera at a time
    try {
      const track = await this.#openCamera(choice, signal);
      await this.session.replaceCamera(track);
    } catch (error) {
      if (!signal.aborted) this.session.close(explain(error));
    }
  }

  /**
   * @param {Target} target
   * @param {AbortSignal} signal
   */
  async #run(target, signal) {
    let breaks = 0;
    while (!signal.aborted) {
      const { failure, wasLive } = await this.#once(target, signal);
      if (signal.aborted) return;
      this.session = null;
      this.#settings.attach(null);
      if (failure === null || failure.retry === "person") {
        this.#closeCamera();
        this.#enter(failure === null ? "idle" : "failed");
        if (failure !== null) this.#events.failure(failure, null);
        return;
      }
      breaks = wasLive ? 0 : breaks;
      this.#enter("waiting");
      if (failure.retry === "device") await this.#untilCamera(failure, signal);
      else await this.#countDown(failure, failure.seconds ?? WAITS_S[Math.min(breaks, WAITS_S.length - 1)] ?? 1);
      breaks += 1;
    }
  }

  /**
   * One session from its offer to its end.
   *
   * @param {Target} target
   * @param {AbortSignal} signal
   * @returns {Promise<{ failure: Failure | null, wasLive: boolean }>}
   */
  async #once(target, signal) {
    let wasLive = false;
    try {
      let camera = null;
      if (target.kind === "camera") {
        this.#enter("asking");
        camera = this.camera?.readyState === "live" ? this.camera : await this.#openCamera(target.choice, signal);
        if (signal.aborted) return { failure: null, wasLive };
      }
      this.#enter("connecting");
      const session = new Session({
        api: this.#api,
        camera,
        encoding: camera && this.encoding(),
        ...(target.kind === "watch" ? { stream: target.stream } : {}),
        mode: target.kind === "camera" ? this.mode : "video", // only who has the picture can paint over it
        iceServers: this.iceServers,
        settings: this.#settings.wishes(target.kind === "watch"),
        events: this.#events,
      });
      this.session = session;
      // Unless something else has taken its place meanwhile, such as a picture, whose settings these are by then.
      void session.ended.then(() => this.session === session && this.#settings.attach(null));
      await session.open(signal);
      this.#settings.attach((changes) => session.set(changes));
      wasLive = await Promise.race([session.ended.then(() => false), Promise.resolve(true)]);
      if (wasLive && !signal.aborted) this.#enter("live");
      return { failure: await session.ended, wasLive };
    } catch (error) {
      this.session?.close();
      return { failure: explain(error), wasLive };
    }
  }

  /**
   * @param {CameraChoice} choice
   * @param {AbortSignal} signal
   */
  async #openCamera(choice, signal) {
    const track = await openCamera(choice);
    if (signal.aborted) {
      track.stop(); // allowed after the person gave up
      return track;
    }
    this.camera = track;
    track.onended = () => {
      this.camera = null;
      this.session?.close(UNPLUGGED);
    };
    this.#events.preview(new MediaStream([track]));
    return track;
  }

  #closeCamera() {
    if (this.camera) this.camera.onended = null;
    this.camera?.stop();
    this.camera = null;
  }

  /**
   * @param {Failure} failure
   * @param {AbortSignal} signal
   */
  async #untilCamera(failure, signal) {
    this.#closeCamera();
    this.#events.failure(failure, null);
    const done = new AbortController();
    const asked = new Promise((/** @type {(value: void) => void} */ resolve) => (this.#skipWait = resolve));
    await Promise.race([cameraComesBack(AbortSignal.any([signal, done.signal])), asked]);
    done.abort();
  }

  /**
   * @param {Failure} failure
   * @param {number} seconds
   */
  async #countDown(failure, seconds) {
    let skipped = false;
    for (let left = Math.ceil(seconds); left > 0 && !skipped; left -= 1) {
      this.#events.failure(failure, left);
      await new Promise((/** @type {(value: void) => void} */ resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#skipWait = () => {
          skipped = true;
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.phase = phase;
    this.#events.phase(phase);
  }
}
