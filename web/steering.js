/**
 * Steers the camera's stream by what the server can use. Where it only looks at the pictures, it gets them smaller: the
 * page has the whole ones. And of pictures that come too fast for it, it gets fewer: what it only throws away still costs
 * it the decoding, and this device the encoding.
 */

/** @import { Mode, Stats } from "./protocol.js" */

const JUDGED_OVER = 3; // messages of statistics, one a second
const TOO_MANY = 0.15; // share of the pictures that the server skipped: it is the bottleneck
const FEW = 0.05;
const LEAST_RATE = 2; // pictures a second
const RAISE = 1.25;
const TRUST = 0.8; // share of what the server's own times promise that is tried at once
const PATIENCE = 3; // calm messages before more pictures are tried
const LONGEST_PATIENCE = 80; // it doubles with each try that was too much
const LEAST_SIDE = 360; // pixels of the shorter side; with fewer the top class suffers (`python -m seekcam.studies.sent_size`)
const INPUTS = 1.5; // times the model's own input: the server shrinks the picture to that
const BITS_PER_PIXEL = 0.15;
const LEAST_BITRATE = 500_000;

/** @typedef {{ received: number, dropped: number, seconds: number }} Counted pictures, and the time that it took */

/** How many pictures a second the server keeps up with. */
export class Pace {
  /** Pictures a second to send at most; null while the server keeps up with whatever comes. @type {number | null} */
  limit = null;
  /** What was counted at the newest message. @type {Counted | null} */
  #before = null;
  /** Between two messages each, newest last. @type {Counted[]} */
  #window = [];
  #calm = 0;
  #patience = PATIENCE;
  #tried = false; // the limit was raised since it was last cut
  #trusted = true; // what the server's times promise has not been too much yet

  /**
   * @param {{ received: number, dropped: number }} counted since the stream began
   * @param {number} seconds on any clock that only rises: messages of a server that lags come late
   * @param {number} rate pictures a second that the camera takes; no limit need be named from there on
   * @param {number} promised pictures a second by the server's own times, were it there for this stream alone
   * @returns {boolean} whether the limit is another now
   */
  note({ received, dropped }, seconds, rate, promised) {
    const before = this.#before;
    this.#before = { received, dropped, seconds };
    if (before === null || received < before.received) return false;
    const since = {
      received: received - before.received,
      dropped: dropped - before.dropped,
      seconds: seconds - before.seconds,
    };
    this.#window = [...this.#window, since].slice(-JUDGED_OVER);
    if (this.#window.length < JUDGED_OVER) return false;
    const total = (/** @type {keyof Counted} */ name) => this.#window.reduce((sum, each) => sum + each[name], 0);
    const share = total("dropped") / Math.max(1, total("received"));
    if (share > TOO_MANY) {
      return this.#cut((total("received") - total("dropped")) / Math.max(1, total("seconds")));
    }
    this.#calm = share <= FEW ? this.#calm + 1 : 0;
    return this.limit !== null && this.#calm >= this.#patience && this.#raise(this.limit, rate, promised);
  }

  /** @param {number} processed pictures a second */
  #cut(processed) {
    const limit = Math.max(LEAST_RATE, Math.floor(processed));
    if (this.#tried) {
      this.#patience = Math.min(2 * this.#patience, LONGEST_PATIENCE);
      this.#trusted = false; // other streams need it too, or a processor that it has not alone
    }
    this.#tried = false;
    // A limit that does not help is not made stricter by the same amount again and again, but never looser here.
    return this.#set(this.limit === null ? limit : Math.min(this.limit, limit));
  }

  /**
   * @param {number} limit
   * @param {number} rate
   * @param {number} promised
   */
  #raise(limit, rate, promised) {
    const more = Math.max(Math.ceil(limit * RAISE), this.#trusted ? Math.floor(TRUST * promised) : 0);
    this.#tried = true;
    return this.#set(more >= rate ? null : more);
  }

  /** @param {number | null} limit */
  #set(limit) {
    const changed = limit !== this.limit;
    this.limit = limit;
    this.#window = [];
    this.#calm = 0;
    return changed;
  }
}

/**
 * @typedef {object} Use what becomes of the camera's pictures
 * @property {Mode} mode
 * @property {boolean} recording the server records them
 * @property {boolean} watched others watch them too
 * @property {number} width
 * @property {number} height
 * @property {number} inputSize of the model, pixels
 * @property {string | null} light MIME type of the codec that costs this device least; null where the browser knows best
 */

/** @typedef {{ maxFramerate?: number, maxBitrate?: number, scaleResolutionDownBy: number, codec?: string }} Encoding */

/** @typedef {RTCRtpEncodingParameters & { codec?: RTCRtpCodec }} Parameters browsers that know no codec here ignore it */

/**
 * What the browser is told for such a limit. Where the server only looks at the pictures, smaller ones by the lightest
 * codec do as well; where it sends or records them they stay as they are.
 *
 * @param {number | null} limit pictures a second
 * @param {Use} use
 * @returns {Encoding}
 */
export function encodingFor(limit, { mode, recording, watched, width, height, inputSize, light }) {
  const looksOnly = mode === "overlay" && !recording && !watched;
  const side = Math.max(LEAST_SIDE, INPUTS * inputSize);
  const scale = looksOnly ? Math.max(1, Math.min(width, height) / side) : 1;
  // No bound on the bits: both ends would take it for what the path carries, and a recording would begin blurred.
  const encoding = { scaleResolutionDownBy: scale, ...(looksOnly && light !== null ? { codec: light } : {}) };
  if (limit === null) return encoding;
  const pixels = (width * height) / scale ** 2;
  const maxBitrate = Math.round(Math.max(LEAST_BITRATE, BITS_PER_PIXEL * pixels * limit));
  return { ...encoding, maxFramerate: limit, maxBitrate };
}

/** Keeps one session's camera stream to what its server can use. */
export class CameraSteering {
  #pace = new Pace();
  /** What the browser took last, as JSON. */
  #asked = JSON.stringify({ scaleResolutionDownBy: 1 });
  /** The browser's own choice, which stands first until one is named. @type {RTCRtpCodec | undefined} */
  #own;
  #codecRefused = false;
  #told = Promise.resolve();

  /** @returns {string} what the person should know; empty while nothing is held back */
  get said() {
    const { limit } = this.#pace;
    return limit === null ? "" : `The camera sends ${limit} pictures a second: of more, the server skipped too many.`;
  }

  /**
   * @param {Use} use
   * @returns {Encoding} to begin with; a codec can be named only once both ends know what they have in common
   */
  begin(use) {
    const { codec, ...bounds } = encodingFor(this.#pace.limit, use);
    this.#asked = JSON.stringify(bounds);
    return bounds;
  }

  /**
   * @param {Stats} stats
   * @param {number} rate pictures a second that the camera takes
   * @param {number} seconds now, on any clock that only rises
   */
  note(stats, rate, seconds) {
    const { prepare = 0, infer = 0, boxes = 0, paint = 0 } = stats.ms;
    const busy = prepare + infer + boxes + paint;
    this.#pace.note(stats, seconds, rate, busy > 0 ? 1000 / busy : 0);
  }

  /**
   * Tell the browser, where it has not been told yet; one change after the other, since two at a time refuse each other.
   *
   * @param {RTCRtpSender} sender of the camera's track
   * @param {Use} use
   * @returns {Promise<void>} fulfils when the browser has answered
   */
  apply(sender, use) {
    this.#told = this.#told.then(() => this.#tell(sender, use));
    return this.#told;
  }

  /**
   * @param {RTCRtpSender} sender
   * @param {Use} use
   */
  async #tell(sender, use) {
    let named = false;
    try {
      const wanted = encodingFor(this.#pace.limit, this.#codecRefused ? { ...use, light: null } : use);
      const asked = JSON.stringify(wanted);
      if (asked === this.#asked) return;
      const parameters = sender.getParameters();
      /** @type {Parameters | undefined} */
      const encoding = parameters.encodings[0];
      if (!encoding) return;
      named = this.#enter(wanted, encoding, parameters.codecs ?? []);
      await sender.setParameters(parameters);
      this.#asked = asked;
    } catch {
      // The session has ended, or is being changed at this moment: asked again with the next message. Or this browser
      // knows no codec here: the rest must go through.
      this.#codecRefused ||= named;
    }
  }

  /**
   * @param {Encoding} wanted
   * @param {Parameters} encoding changed here
   * @param {RTCRtpCodec[]} codecs that both ends have
   * @returns {boolean} whether it names the codec that is wanted
   */
  #enter({ codec, ...bounds }, encoding, codecs) {
    delete encoding.maxFramerate;
    delete encoding.maxBitrate;
    Object.assign(encoding, bounds);
    if (!encoding.codec) this.#own = codecs[0];
    const light = codecs.find((known) => known.mimeType === codec && isOfManyPackets(known));
    if (light) encoding.codec = light;
    else if (encoding.codec && this.#own) encoding.codec = this.#own; // were none named, the last one would stay
    return light !== undefined;
  }
}

/**
 * @param {RTCRtpCodec} codec
 * @returns {boolean} whether a part of a picture may take more than one packet; in H.264's usual mode, 0, it may not
 */
function isOfManyPackets({ mimeType, sdpFmtpLine = "" }) {
  return mimeType !== "video/H264" || sdpFmtpLine.includes("packetization-mode=1");
}
