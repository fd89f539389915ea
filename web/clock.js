/** The clocks that a frame's time is told by: this page's, the camera's and the server's. */

const KEPT = 15;
const WINDOW = 300; // frames
const JUMP_MS = 500; // a frame that comes so late is late, several in a row are of a clock that was set back
const JUMPED = 5;

/**
 * The camera's clock, which begins anywhere. A frame reaches the page within a millisecond of its capture when the page
 * is not busy, so the frame that came soonest of many tells how far the clocks are apart.
 */
export class CaptureClock {
  #apart = Infinity; // of this window
  #before = Infinity; // and of the one before: a clock may drift
  #count = 0;
  #late = 0; // frames in a row
  #newest = -Infinity;

  /**
   * @param {number} captured milliseconds by the camera's clock
   * @param {number} received Unix milliseconds when the frame came
   * @returns {number} Unix milliseconds of its capture
   */
  wall(captured, received) {
    const apart = received - captured;
    this.#late = apart - Math.min(this.#apart, this.#before) > JUMP_MS ? this.#late + 1 : 0;
    if (captured < this.#newest || this.#late >= JUMPED) [this.#apart, this.#before, this.#count] = [Infinity, Infinity, 0];
    this.#newest = captured;
    if (this.#count++ % WINDOW === 0) [this.#before, this.#apart] = [this.#apart, Infinity];
    this.#apart = Math.min(this.#apart, apart);
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

let origin = performance.timeOrigin;

/**
 * Read the system's clock anew: to be called where the page makes its peer connection. The browser dates its sender
 * reports by what that clock says then, and a page may have stood open for hours.
 */
export function setNow() {
  const readings = Array.from({ length: 20 }, () => Date.now() - performance.now());
  origin = Math.max(...readings); // Date.now() is cut to whole milliseconds
}

/** @returns {number} Unix milliseconds, with their fractions */
export function now() {
  return origin + performance.now();
}
