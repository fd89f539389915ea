/** How old maps are when they are painted, and where the time went: for the strip, and for the server's metrics. */

const WINDOW = 150; // values that the percentiles are taken from: some five seconds

/** @typedef {"age" | "uplink" | "downlink"} Part */

/** @type {readonly Part[]} */
const PARTS = ["age", "uplink", "downlink"];

export class Ages {
  /** @type {Record<Part, number[]>} milliseconds, newest last */
  #values = { age: [], uplink: [], downlink: [] };
  /** @type {Record<Part, number[]>} since the last report */
  #fresh = { age: [], uplink: [], downlink: [] };

  /**
   * @param {Part} part
   * @param {number} ms
   */
  note(part, ms) {
    this.#values[part] = [...this.#values[part], ms].slice(-WINDOW);
    this.#fresh[part].push(ms);
  }

  /**
   * @param {Part} part
   * @param {number} share 0.5 for the median
   * @returns {number | null} milliseconds
   */
  percentile(part, share) {
    const sorted = [...this.#values[part]].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  }

  /** @returns {Record<Part, number[]>} whole milliseconds since the last report */
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
