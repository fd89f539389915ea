/**
 * One peer connection to the server: the offer and its answer, the two data channels, the heartbeat.
 *
 * A camera session sends a track and gets the annotated one back; a watching session names a stream and only gets.
 * In mode "video" the annotated track comes back, and results as JSON; in mode "overlay" only messages of bytes. What to
 * do with either is the caller's business, and the mode may change at any time.
 */

/** @import { Api } from "./api.js" */
/** @import { Failure } from "./failures.js" */
/** @import { Message } from "./overlay/message.js" */
/** @import { Mode, Refusal, Result, ServerMessage, Settings, State, Stats } from "./protocol.js" */

import { Unreachable } from "./api.js";
import { CameraError, CODEC_REFUSED, lost, unreadable } from "./failures.js";
import { ServerClock, now, setNow } from "./clock.js";
import { parse } from "./overlay/message.js";

const VERSION = 1;
const PING_EVERY_MS = 1000;
const QUIET_AFTER_S = 5; // say that the server is silent
const GONE_AFTER_S = 15; // the server gives up at the same time
const GATHERING_MS = 2000; // send the offer with the candidates found by then
const CONNECTING_MS = 15000;
const ROUND_TRIPS_KEPT = 5;

/**
 * @typedef {object} SessionEvents
 * @property {(media: MediaStream) => void} media the annotated track is there
 * @property {(state: State) => void} state
 * @property {(stats: Stats) => void} stats
 * @property {(result: Result) => void} result
 * @property {(message: Message) => void} overlay
 * @property {(refusal: Refusal) => void} refused
 * @property {(seconds: number) => void} quiet whole seconds without a word from the server; 0 when it speaks again
 *
 * @typedef {object} SessionPlan
 * @property {Api} api
 * @property {MediaStreamTrack | null} camera
 * @property {RTCRtpEncodingParameters | null} encoding how its pictures are sent to begin with; null leaves it to the browser
 * @property {string} [stream] the stream to watch, where there is no camera
 * @property {Mode} mode how the answer comes back
 * @property {RTCIceServer[]} iceServers
 * @property {Partial<Settings>} settings
 * @property {SessionEvents} events
 */

export class Session {
  /** @type {SessionPlan} */
  #plan;
  /** @type {RTCPeerConnection} */
  #peer;
  /** @type {RTCDataChannel} */
  #control;
  /** @type {RTCRtpSender | null} */
  #sender = null;
  /** @type {string | null} */
  #id = null;
  #stream = "";
  #messages = 0;
  #cameraTold = "";
  /** @type {number | undefined} */
  #heartbeat;
  #heard = performance.now();
  #quiet = 0;
  /** @type {number[]} milliseconds, newest last */
  #roundTrips = [];
  #clock = new ServerClock();
  #farewell = "";
  #over = false;
  /** @type {(failure: Failure | null) => void} */
  #end = () => {};
  /** Fulfils when the session is over: why, or null when we closed it. @type {Promise<Failure | null>} */
  ended;

  /** @param {SessionPlan} plan */
  constructor(plan) {
    this.#plan = plan;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    setNow();
    this.#peer = new RTCPeerConnection({ iceServers: plan.iceServers });
    this.#control = this.#peer.createDataChannel("seekcam", { ordered: true });
    const results = this.#peer.createDataChannel("seekcam-results", { ordered: false, maxRetransmits: 0 });
    results.binaryType = "arraybuffer";
    results.onmessage = ({ data }) => {
      if (!this.#isAlive()) return;
      if (typeof data === "string") plan.events.result(JSON.parse(data));
      else this.#takeOverlay(data);
    };
    this.#control.onmessage = ({ data }) => this.#isAlive() && this.#take(JSON.parse(data));
    this.#control.onclose = () => this.#finish(lost(this.#farewell || "The server closed the connection."));
    this.#peer.onconnectionstatechange = () => {
      const { connectionState } = this.#peer;
      if (connectionState === "failed") {
        this.#finish(lost("The network path to the server broke: a firewall may block UDP between here and there."));
      } else if (connectionState === "disconnected") void this.#askWhetherGone();
    };
    this.#peer.ontrack = ({ track, streams }) => plan.events.media(streams[0] ?? new MediaStream([track]));
  }

  /**
   * Offer, wait for the answer and for the control channel to open.
   *
   * @param {AbortSignal} signal
   * @throws {import("./api.js").ApiError | import("./api.js").Unreachable | CameraError}
   */
  async open(signal) {
    const { api, camera, encoding, stream, mode, settings } = this.#plan;
    if (camera) {
      const sendEncodings = encoding ? [encoding] : [];
      this.#sender = this.#peer.addTransceiver(camera, { direction: "sendrecv", sendEncodings }).sender;
    } else {
      this.#peer.addTransceiver("video", { direction: "recvonly" });
    }
    await this.#peer.setLocalDescription();
    await this.#gathered();
    const sdp = this.#peer.localDescription?.sdp ?? "";
    const answer = await api.openSession({ sdp, mode, settings, ...(stream === undefined ? {} : { stream }) }, signal);
    this.#id = answer.id;
    this.#stream = answer.stream;
    if (signal.aborted || this.#over) {
      this.close(); // asked to stop while the answer was on its way
      return;
    }
    try {
      await this.#peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    } catch {
      throw new CameraError(CODEC_REFUSED);
    }
    this.#heard = performance.now();
    this.#heartbeat = setInterval(() => this.#beat(), PING_EVERY_MS);
    await Promise.race([this.#opened(), this.ended]);
  }

  /** @returns {number | null} milliseconds to the server and back, the median of the last pings */
  get roundTrip() {
    const sorted = [...this.#roundTrips].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  /** @returns {number | null} milliseconds that the server's clock is ahead of ours; null until it is known */
  get serverAhead() {
    return this.#clock.ahead;
  }

  /**
   * @param {Mode} mode how the answer is to come back; a `state` message says when it does
   * @returns {number | null} the message's id, which the server's reply will name
   */
  setMode(mode) {
    return this.#ask({ type: "mode", mode });
  }

  /** @param {Record<string, unknown>} report what was painted in the last second, for the server's metrics */
  report(report) {
    if (this.#control.readyState === "open") this.#say({ type: "painted", ...report });
  }

  /**
   * Tell how large the camera's own pictures are, which may be sent smaller while the server only looks at them.
   *
   * @param {{ width: number, height: number }} size
   */
  tellCamera({ width, height }) {
    const size = `${width} ${height}`;
    if (size === this.#cameraTold || this.#control.readyState !== "open") return;
    this.#cameraTold = size;
    this.#say({ type: "camera", width, height });
  }

  /** @returns {RTCRtpSender | null} of the camera's track */
  get sender() {
    return this.#sender;
  }

  /**
   * @param {Partial<Settings>} settings
   * @returns {number | null} the message's id, which the server's reply will name
   */
  set(settings) {
    return this.#ask({ type: "set", settings });
  }

  /**
   * Send another camera's picture from now on; needs no new offer.
   *
   * @param {MediaStreamTrack} track
   */
  async replaceCamera(track) {
    await this.#sender?.replaceTrack(track);
  }

  /** @param {Failure | null} [why] null when the person asked for it */
  close(why = null) {
    this.#finish(why);
  }

  /** @param {ServerMessage} message */
  #take(message) {
    const { events } = this.#plan;
    if (message.type === "state") events.state(message);
    else if (message.type === "stats") events.stats(message);
    else if (message.type === "error") events.refused(message);
    else if (message.type === "bye") this.#farewell = message.detail;
    else if (message.type === "pong") {
      this.#roundTrips = [...this.#roundTrips, performance.now() - message.t].slice(-ROUND_TRIPS_KEPT);
      this.#clock.note(now() - performance.now() + message.t, message.server, now());
    }
  }

  /** @param {ArrayBuffer} data */
  #takeOverlay(data) {
    let message;
    try {
      message = parse(data);
    } catch (error) {
      this.#finish(unreadable(error)); // the next one would be no better
      return;
    }
    this.#plan.events.overlay(message);
  }

  /** @returns {boolean} whether messages still count; notes that the server spoke */
  #isAlive() {
    this.#heard = performance.now();
    if (this.#quiet > 0) {
      this.#quiet = 0;
      this.#plan.events.quiet(0);
    }
    return !this.#over;
  }

  #beat() {
    if (this.#control.readyState === "open") this.#say({ type: "ping", t: performance.now() });
    const silence = Math.floor((performance.now() - this.#heard) / 1000);
    if (silence >= GONE_AFTER_S) this.#finish(lost(`Nothing was heard from it for ${silence} seconds.`));
    else if (silence >= QUIET_AFTER_S && this.#control.readyState === "open") {
      if (this.#quiet === 0) void this.#askWhetherGone();
      this.#quiet = silence;
      this.#plan.events.quiet(silence);
    }
  }

  /** A server that was killed says no goodbye: ask whether it is there at all, and still knows the stream. */
  async #askWhetherGone() {
    try {
      const streams = await this.#plan.api.streams();
      if (!streams.some(({ id }) => id === this.#stream)) this.#finish(lost("The server has started anew."));
    } catch (error) {
      // Any other answer comes from a server that is there: its silence is then waited out.
      if (error instanceof Unreachable) this.#finish(lost("The server does not answer any more."));
    }
  }

  /**
   * @param {Record<string, unknown>} message that the server answers
   * @returns {number | null} its id; null when it could not be sent
   */
  #ask(message) {
    if (this.#control.readyState !== "open") return null;
    this.#messages += 1;
    this.#say({ ...message, id: this.#messages });
    return this.#messages;
  }

  /** @param {Record<string, unknown>} message */
  #say(message) {
    this.#control.send(JSON.stringify({ v: VERSION, ...message }));
  }

  #gathered() {
    const peer = this.#peer;
    return new Promise((/** @type {(value: void) => void} */ resolve) => {
      const check = () => peer.iceGatheringState === "complete" && resolve();
      peer.addEventListener("icegatheringstatechange", check);
      setTimeout(resolve, GATHERING_MS);
      check();
    });
  }

  #opened() {
    return new Promise((/** @type {(value: void) => void} */ resolve) => {
      if (this.#control.readyState === "open") resolve();
      this.#control.onopen = () => resolve();
      setTimeout(() => {
        if (this.#control.readyState === "connecting") {
          this.#finish(lost("It answered, but no video path opened: a firewall may block UDP between here and there."));
        }
      }, CONNECTING_MS);
    });
  }

  /** @param {Failure | null} why */
  #finish(why) {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#heartbeat);
    this.#control.onclose = null;
    this.#peer.close();
    if (this.#id !== null) void this.#plan.api.closeSession(this.#id);
    this.#end(why);
  }
}
