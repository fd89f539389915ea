/** The strip of measurements: frames per second, latency, drops, and each frame's stages as a small live plot. */

/** @import { Result, Seen, Stages, Stats } from "../protocol.js" */

import { byId, calm, make } from "../dom.js";
import { Redraw } from "./redraw.js";

const STAGES = ["up", "queue", "prepare", "infer", "boxes", "paint", "down"];
const ESTIMATED =
  "Estimated: the server’s median time from receiving a frame to painting it, plus one round trip to the server and " +
  "back, measured by a ping each second. Capture and encoding in this browser, and decoding, come on top and are not " +
  "measured.";
const MEASURED = "Measured: from the capture of a frame to the painting of its map in this page, median.";
const FRAMES = 120;
const LABEL_GAP = 6; // pixels between the scale's label and the oldest frame
const REDRAW_MS = 120;
const REDRAW_CALM_MS = 1000;

export class Strip {
  #fps = byId("figure-fps", HTMLElement);
  #latency = byId("figure-latency", HTMLElement);
  #dropped = byId("figure-dropped", HTMLElement);
  #size = byId("figure-size", HTMLElement);
  #latencyCell = byId("latency", HTMLDivElement);
  #p95 = byId("latency-p95", HTMLDivElement);
  #latencyP95 = byId("figure-latency-p95", HTMLElement);
  #canvas = byId("plot", HTMLCanvasElement);
  #legend = byId("legend", HTMLUListElement);
  /** @type {Stages[]} newest last */
  #frames = [];
  #redraw = new Redraw(() => this.#plot(), () => (calm() ? REDRAW_CALM_MS : REDRAW_MS));

  /** @param {{ fps: number, size: { width: number, height: number } | null }} shown what the page itself sees */
  shown({ fps, size }) {
    figure(this.#fps, String(fps));
    this.size(size);
  }

  /**
   * @param {Stats} stats
   * @param {number | null} roundTrip milliseconds
   * @param {{ p50: number | null, p95: number | null } | null} age of the maps when they are painted, where the page
   *   paints them and can tell
   */
  stats(stats, roundTrip, age = null) {
    const { total } = stats.ms;
    const known = total !== undefined && roundTrip !== null;
    const estimate = known ? total + roundTrip : null;
    const ms = age === null ? estimate : age.p50;
    figure(this.#latency, ms === null ? "–" : String(Math.round(ms)), ms === null ? "" : "ms");
    const p95 = age?.p95 ?? null;
    this.#p95.hidden = p95 === null;
    figure(this.#latencyP95, p95 === null ? "–" : String(Math.round(p95)), p95 === null ? "" : "ms");
    this.#latencyCell.title = age === null ? ESTIMATED : MEASURED;
    figure(this.#dropped, String(stats.dropped));
    this.#stages(stats.ms, "on the server, medians of the last second");
  }

  /** No map is painted any more, so that there is no latency. */
  stale() {
    figure(this.#latency, "–");
    this.#p95.hidden = true;
  }

  /** @param {Result} result of one live frame */
  frame(result) {
    this.#frames.push(ofBoth(result));
    if (this.#frames.length > FRAMES) this.#frames.shift();
    this.#redraw.soon();
  }

  /**
   * An uploaded picture: one measurement, no stream.
   *
   * @param {Result} result
   * @param {{ width: number, height: number } | null} size
   */
  picture(result, size) {
    this.clear();
    this.size(size);
    const ms = ofBoth(result);
    figure(this.#latency, String(Math.round(total(ms))), "ms");
    this.#stages(ms, "for this picture");
  }

  /** @param {{ width: number, height: number } | null} size of the picture that is shown */
  size(size) {
    figure(this.#size, size ? `${size.width}×${size.height}` : "–");
  }

  clear() {
    for (const cell of [this.#fps, this.#latency, this.#dropped, this.#size]) figure(cell, "–");
    this.#p95.hidden = true;
    this.#latencyCell.title = "";
    this.#frames = [];
    this.#legend.replaceChildren();
    this.#plot();
  }

  /**
   * @param {Stages} ms
   * @param {string} where
   */
  #stages(ms, where) {
    const present = STAGES.filter((stage) => ms[stage] !== undefined);
    this.#legend.replaceChildren(
      ...present.map((stage) => {
        const row = make("li", {}, stage, make("b", {}, (ms[stage] ?? 0).toFixed(1)));
        row.style.setProperty("--colour", `var(--stage-${stage})`);
        return row;
      }),
    );
    const words = present.map((stage) => `${stage} ${(ms[stage] ?? 0).toFixed(1)}`).join(", ");
    const label = `Milliseconds per stage ${where}: ${words}`;
    this.#canvas.setAttribute("aria-label", label);
    this.#canvas.title = label;
  }

  #plot() {
    const scale = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const context = this.#canvas.getContext("2d");
    if (!context || width === 0) return;
    const style = getComputedStyle(this.#canvas);
    const probe = (/** @type {string} */ name) => colour(style, name);
    const colours = STAGES.map((stage) => probe(`--stage-${stage}`));
    context.scale(scale, scale);
    const sorted = this.#frames.map(total).sort((a, b) => a - b);
    const highest = niceTop(Math.max(8, sorted[Math.floor(sorted.length * 0.95)] ?? 0)); // a single peak may stick out
    const label = `${highest} ms`;
    context.font = `11px ${style.fontFamily}`;
    const step = (width - context.measureText(label).width - LABEL_GAP) / FRAMES;
    for (const [position, ms] of this.#frames.entries()) {
      let bottom = height;
      for (const [number, stage] of STAGES.entries()) {
        const tall = ((ms[stage] ?? 0) / highest) * (height - 2);
        context.fillStyle = colours[number] ?? "gray";
        context.fillRect(width - (this.#frames.length - position) * step, bottom - tall, step + 0.4, tall);
        bottom -= tall;
      }
    }
    context.fillStyle = probe("--line");
    context.fillRect(0, height - 1, width, 1);
    if (this.#frames.length === 0) return;
    context.fillStyle = probe("--ink-faint");
    context.fillText(label, 0, 10);
  }
}

/**
 * @param {HTMLElement} cell
 * @param {string} value
 * @param {string} [unit]
 */
function figure(cell, value, unit = "") {
  cell.replaceChildren(value, ...(unit ? [" ", make("small", {}, unit)] : []));
}

/**
 * Milliseconds of the whole frame, the second side's among them.
 *
 * @param {Seen & { compare?: Seen }} result
 * @returns {Stages}
 */
function ofBoth({ ms, compare }) {
  const both = { ...ms };
  for (const [stage, value] of Object.entries(compare?.ms ?? {})) both[stage] = (both[stage] ?? 0) + value;
  return both;
}

/** @param {Stages} ms */
function total(ms) {
  return ms["total"] ?? STAGES.reduce((sum, stage) => sum + (ms[stage] ?? 0), 0);
}

/**
 * @param {number} highest
 * @returns {number} the next of 10, 20, 50, 100, ... so that the scale rarely jumps
 */
function niceTop(highest) {
  const power = 10 ** Math.floor(Math.log10(highest));
  return ([1, 2, 5, 10].find((factor) => factor * power >= highest) ?? 10) * power;
}

/**
 * A custom property with `light-dark()` in it, as a colour that a canvas takes.
 *
 * @param {CSSStyleDeclaration} style
 * @param {string} name
 */
function colour(style, name) {
  const [light = "gray", dark = light] = style.getPropertyValue(name).match(/#[0-9a-f]{3,8}/gi) ?? [];
  return isDark() ? dark : light;
}

/** @returns {boolean} */
function isDark() {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
