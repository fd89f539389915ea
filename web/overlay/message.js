/**
 * One overlay message, from bytes to values: streamer/viewers/overlay_message.py has its layout.
 *
 * @import { Box, MapKind } from "../protocol.js"
 * @import { Grid } from "./types.js"
 *
 * @typedef {object} Found what one model found in the frame; names of classes are in its card
 * @property {string} model
 * @property {string} method
 * @property {MapKind} map
 * @property {number[]} shown the classes that the server shows; empty is the answer "not sure"
 * @property {Array<{ class: number, score: number }>} top
 * @property {Box[]} boxes
 * @property {Grid[]} grids of the shown classes first, then of others as far as there was room
 * @property {Record<string, number>} ms milliseconds by stage
 *
 * @typedef {object} Message
 * @property {number} rtp RTP timestamp of the frame
 * @property {number} frame the server's count
 * @property {number} pts seconds
 * @property {number | null} captured Unix milliseconds of this browser's clock; null where the server cannot tell yet
 * @property {number} sent Unix milliseconds of the server's clock
 * @property {number} held milliseconds on the server
 * @property {boolean} truncated
 * @property {Found[]} sides
 */

const VERSION = 2;
const TRUNCATED = 1;
const STAGES = ["queue", "prepare", "infer", "boxes"];
const FULL = 65535;

/**
 * @param {ArrayBuffer} data
 * @returns {Message}
 * @throws {RangeError} the message is shorter than it says, of another version, or empty
 */
export function parse(data) {
  const reader = new Reader(data);
  if (reader.u8() !== VERSION) throw new RangeError("An overlay message of another version than this page's.");
  const flags = reader.u8();
  const sides = reader.u8();
  if (sides === 0) throw new RangeError("An overlay message without a side.");
  reader.u8();
  const rtp = reader.u32();
  const frame = reader.u32();
  const pts = reader.f64();
  const captured = reader.f64();
  const sent = reader.f64();
  const held = reader.f32();
  return {
    rtp,
    frame,
    pts,
    captured: Number.isNaN(captured) ? null : captured,
    sent,
    held,
    truncated: (flags & TRUNCATED) !== 0,
    sides: times(sides, () => found(reader)),
  };
}

/**
 * @param {Reader} reader
 * @returns {Found}
 */
function found(reader) {
  const model = reader.text();
  const method = reader.text();
  const map = /** @type {MapKind} */ (reader.text());
  const [shown = 0, top = 0, boxes = 0, grids = 0] = times(4, () => reader.u8());
  const ms = Object.fromEntries(STAGES.map((stage) => [stage, reader.f32()]));
  return {
    model,
    method,
    map,
    ms,
    shown: times(shown, () => reader.u32()),
    top: times(top, () => ({ class: reader.u32(), score: reader.part() })),
    boxes: times(boxes, () => ({
      class: reader.u32(),
      score: reader.part(),
      box: [reader.part(), reader.part(), reader.part(), reader.part()],
    })),
    grids: times(grids, () => grid(reader)),
  };
}

/**
 * @param {Reader} reader
 * @returns {Grid}
 */
function grid(reader) {
  const head = { class: reader.u32(), score: reader.part(), threshold: reader.part() };
  const rows = reader.u8();
  const columns = reader.u8();
  return { ...head, rows, columns, values: reader.bytes(rows * columns) };
}

/**
 * @template T
 * @param {number} count
 * @param {() => T} read
 * @returns {T[]}
 */
function times(count, read) {
  return Array.from({ length: count }, read);
}

/** Reads little-endian numbers one after the other. */
class Reader {
  #view;
  #at = 0;

  /** @param {ArrayBuffer} data */
  constructor(data) {
    this.#view = new DataView(data);
  }

  u8() {
    return this.#view.getUint8(this.#step(1));
  }

  u32() {
    return this.#view.getUint32(this.#step(4), true);
  }

  f32() {
    return this.#view.getFloat32(this.#step(4), true);
  }

  f64() {
    return this.#view.getFloat64(this.#step(8), true);
  }

  /** @returns {number} 0 to 1 */
  part() {
    return this.#view.getUint16(this.#step(2), true) / FULL;
  }

  /** @param {number} length */
  bytes(length) {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#step(length), length);
  }

  text() {
    return new TextDecoder().decode(this.bytes(this.u8()));
  }

  /** @param {number} length */
  #step(length) {
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
