/**
 * An uploaded picture under the same controls as the live one: localized again whenever a setting changes.
 *
 * One request at a time; what changes meanwhile is taken together in the next one, so the newest wins and the server
 * is never asked for a picture that nobody will see.
 */

/** @import { Api } from "./api.js" */
/** @import { Result, Settings } from "./protocol.js" */

const SETTLE_MS = 80; // a slider moves on before this

export class Picture {
  #api;
  #blob;
  #settings;
  #events;
  #busy = false;
  #stale = false;
  #closed = false;
  /** @type {number | undefined} */
  #timer;

  /**
   * @param {Api} api
   * @param {Blob} blob
   * @param {() => Readonly<Settings>} settings read when a request starts
   * @param {{
   *   busy: (busy: boolean) => void,
   *   painted: (painted: Blob, result: Result) => void,
   *   failed: (error: unknown) => void,
   * }} events
   */
  constructor(api, blob, settings, events) {
    this.#api = api;
    this.#blob = blob;
    this.#settings = settings;
    this.#events = events;
    void this.#localize();
  }

  /** Localize again with the settings as they are now. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#localize(), SETTLE_MS);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#events.busy(false);
  }

  async #localize() {
    if (this.#busy) {
      this.#stale = true;
      return;
    }
    this.#busy = true;
    this.#events.busy(true);
    do {
      this.#stale = false;
      try {
        const { painted, result } = await this.#api.localize(this.#blob, this.#settings());
        if (!this.#closed) this.#events.painted(painted, result);
      } catch (error) {
        if (!this.#closed) this.#events.failed(error);
      }
    } while (this.#stale && !this.#closed);
    this.#busy = false;
    if (!this.#closed) this.#events.busy(false);
  }
}

/**
 * The first picture among what was dropped, pasted or chosen.
 *
 * @param {DataTransfer | null} transfer
 * @returns {File | null}
 */
export function firstFile(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}
