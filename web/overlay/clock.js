/** The clocks that a frame's time is told by: this page's, the camera's and the server's. */

const KEPT = 15;
const WINDOW = 300; // frames

/**
 * The camera's clock, which begins anywhere. A frame reaches the page within a millisecond of its capture when the page
 * is not busy, so the frame that came soonest of many tells how far the clocks are apart.
 */
export class CaptureClock {
  #apart = Infinity; // of this window
  #before = Infinity; // and of the one before: a clock may drift
  #count = 0;

  /**
   * @param {number} captured milliseconds by the camera's clock
   * @param {number} received Unix milliseconds when the frame came
   * @returns {number} Unix milliseconds of its capture
   */
  wall(captured, received) {
    if (this.#count++ % WINDOW === 0) [this.#before, this.#apart] = [this.#apart, Infinity];
    this.#apart = Math.min(this.#apart, received - captured);
    return captured + Math.min(this.#apart, this.#before);
  }
}

/** How far the server's clock is from this page's, by the pings whose answers came back soonest. */
export class ServerClock {
  /** @type {Array<{ roundTrip: number, ahead: number }>} newest last */
  #pings = [];

  /**
   * @param {number} sent Unix milliseconds of this page's clock
   * @param {number} server of the server's, when it answered
   * @param {number} received of this page's, when the answer came
   */
  note(sent, server, received) {
    this.#pings = [...this.#pings, { roundTrip: received - sent, ahead: server - (sent + received) / 2 }].slice(-KEPT);
  }

  /** @returns {number | null} milliseconds that the server's clock is ahead; within half the shortest round trip */
  get ahead() {
    const [first, ...others] = this.#pings;
    if (!first) return null;
    return others.reduce((best, ping) => (ping.roundTrip < best.roundTrip ? ping : best), first).ahead;
  }
}

/** @returns {number} Unix milliseconds, with their fractions */
export function now() {
  return performance.timeOrigin + performance.now();
}
