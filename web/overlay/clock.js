/** How far the server's clock is from this page's, by the pings whose answers came back soonest. */

const KEPT = 15;

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

/** @returns {number} Unix milliseconds by the clock that also stamps the camera's frames */
export function now() {
  return performance.timeOrigin + performance.now();
}
