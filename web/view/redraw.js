/** Words and plots beside a live picture: at most so often, and together with it, so that they cost no frame of their own. */

const SLACK_MS = 50; // a picture that comes meanwhile takes it along

export class Redraw {
  #draw;
  #every;
  #drawn = -Infinity;
  #asked = 0;
  /** @type {number | undefined} */
  #timer;

  /**
   * @param {() => void} draw
   * @param {() => number} every milliseconds between two drawings at least
   */
  constructor(draw, every) {
    this.#draw = draw;
    this.#every = every;
  }

  /** There is something new. */
  soon() {
    const wait = this.#every() - (performance.now() - this.#drawn);
    if (wait <= 0) this.#ask();
    else this.#timer ??= setTimeout(() => this.#ask(), wait + SLACK_MS); // when nothing newer brings it along
  }

  /** With the browser's next frame, which shows what was painted meanwhile. */
  #ask() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      this.#drawn = performance.now();
      this.#draw();
    });
  }
}
