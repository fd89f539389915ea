/** How old maps are when they are painted, and where the time went: for the strip, and for the server's metrics. */

const WINDOW = 150; // values that the percentiles are taken from: some five seconds
const KEPT_MS = 10_000; // and none that is older, where results come slowly or not at all
export const MAX_REPORTED = 240; // the server takes no more of a report

/** @typedef {"age" | "uplink" | "downlink"} Part */

/** @type {readonly Part[]} */
const PARTS = ["age", "uplink", "downlink"];

export class Ages {
  /** @type {Record<Part, { ms: number, at: number }[]>} newest last */
  #values = { age: [], uplink: [], downlink: [] };
  /** @type {Record<Part, number[]>} milliseconds, since the last report */
  #fresh = { age: [], uplink: [], downlink: [] };

  /**
   * @param {Part} part
   * @param {number} ms
   * @param {number} [at] when it was measured, by the page's monotonic clock
   */
  note(part, ms, at = performance.now()) {
    this.#values[part] = [...this.#values[part], { ms, at }].slice(-WINDOW);
    this.#fresh[part] = [...this.#fresh[part], ms].slice(-MAX_REPORTED);
  }

  /**
   * @param {Part} part
   * @param {number} share 0.5 for the median
   * @param {number} [at] now, by the page's monotonic clock
   * @returns {number | null} milliseconds
   */
  percentile(part, share, at = performance.now()) {
    this.#values[part] = this.#values[part].filter((value) => at - value.at < KEPT_MS);
    const sorted = this.#values[part].map(({ ms }) => ms).sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  }

  /** @returns {Record<Part, number[]>} whole milliseconds since the last report, the newest of each part */
  report() {
    const report = this.#fresh;
    this.#fresh = { age: [], uplink: [], downlink: [] };
    for (const part of PARTS) report[part] = report[part].map((ms) => Math.max(0, Math.round(ms)));
    return report;
  }

  clear() {
    this.#values = { age: [], uplink: [], downlink: [] };
    this.report();
  }
}
