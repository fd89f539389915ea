/** What is seen, in words: the headline, the five best guesses as bars, and the quiet "not sure". */

/** @import { Ranked, Seen } from "../protocol.js" */

import { make } from "../dom.js";
import { shortName } from "../models.js";
import { announce } from "./messages.js";

const ROWS = 5;
const STEADY_MS = 1500; // said to screen readers only when it stays this long
const HELD_STEADY = "Another class leads by too little or for too short a time to take over, so that the mark does not flicker.";
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });

/**
 * @typedef {{ button: HTMLButtonElement, name: HTMLElement, score: HTMLElement, seen: Ranked | null }} Row
 *
 * @typedef {object} Wanted
 * @property {string} model that the person wants; results may still be of another
 * @property {number[]} chosen that model's classes that the person chose to map; empty follows the top prediction
 * @property {number | null} minScore
 * @property {(model: string, index: number) => string} name of a class
 */

export class Ranking {
  #headline;
  #subline;
  #list;
  #announces;
  #changed;
  /** @type {Row[]} */
  #rows = [];
  /** @type {Seen | null} */
  #newest = null;
  /** @type {Wanted} */
  #wanted = { model: "", chosen: [], minScore: null, name: (_, index) => `#${index}` };
  /** @type {number | undefined} */
  #saying;
  #pointed = false;
  #focused = false; // by keyboard; a click focuses as well, and must not end what the pointer holds

  /**
   * @param {{ headline: HTMLElement, subline: HTMLElement, list: HTMLElement }} places
   * @param {(index: number) => void} choose a class was clicked
   * @param {boolean} announces whether screen readers hear of changes
   * @param {() => void} changed there is something to `draw`
   */
  constructor({ headline, subline, list }, choose, announces, changed) {
    this.#headline = headline;
    this.#subline = subline;
    this.#list = list;
    this.#announces = announces;
    this.#changed = changed;
    for (let rank = 0; rank < ROWS; rank += 1) {
      const name = make("span", { class: "name" });
      const score = make("span", { class: "score" });
      const bar = make("span", { class: "bar", "aria-hidden": "true" });
      const button = make("button", { type: "button", class: "rank", "aria-pressed": "false" }, name, score, bar);
      /** @type {Row} */
      const row = { button, name, score, seen: null };
      button.onclick = () => row.seen && this.#isOwn && choose(row.seen.class);
      this.#rows.push(row);
      this.#list.append(make("li", { hidden: "" }, button));
    }
    this.#list.addEventListener("pointerenter", (event) => (this.#pointed = event.pointerType === "mouse"));
    this.#list.addEventListener("pointerleave", () => (this.#pointed = false));
    this.#list.addEventListener("focusin", () => (this.#focused = this.#list.querySelector(":focus-visible") !== null));
    this.#list.addEventListener("focusout", () => (this.#focused = false));
  }

  /** @param {Wanted} wanted */
  follow(wanted) {
    this.#wanted = wanted;
    this.#changed();
  }

  /** @param {Seen | null} result null when there is no picture any more */
  show(result) {
    this.#newest = result;
    this.#changed();
  }

  /**
   * @param {number} rank from 0
   * @returns {number | null} the class at this rank, as it is on the screen
   */
  at(rank) {
    return this.#isOwn ? (this.#rows[rank]?.seen?.class ?? null) : null;
  }

  /** @returns {boolean} whether the result is of the model that is wanted, whose indices are meant by what is chosen */
  get #isOwn() {
    return this.#newest !== null && shortName(this.#newest.model) === shortName(this.#wanted.model);
  }

  /** @returns {number[]} */
  get #chosen() {
    return this.#isOwn ? this.#wanted.chosen : [];
  }

  /** @returns {boolean} whether rows keep their classes: none may become another under the pointer or the focus */
  get #held() {
    return this.#pointed || this.#focused;
  }

  /** Put the newest result on the screen. */
  draw() {
    const result = this.#newest;
    this.#headlines(result);
    const top = result?.top ?? [];
    const shown = new Set(result?.shown);
    for (const [rank, row] of this.#rows.entries()) {
      const before = row.seen;
      const same = this.#held && before !== null ? top.find((ranked) => ranked.class === before.class) : top[rank];
      row.seen = same ?? (this.#held && before !== null ? { ...before, score: 0 } : null);
      const { button, name, score, seen } = row;
      button.parentElement?.toggleAttribute("hidden", seen === null);
      if (seen === null) continue;
      if (name.textContent !== seen.name) name.textContent = seen.name;
      name.title = seen.name;
      score.textContent = percent.format(seen.score);
      button.style.setProperty("--score", seen.score.toFixed(3));
      button.classList.toggle("shown", shown.has(seen.class));
      button.setAttribute("aria-pressed", String(this.#chosen.includes(seen.class)));
    }
  }

  /** @param {Seen | null} result */
  #headlines(result) {
    const [first] = result?.shown ?? [];
    if (result === null) {
      this.#say("idle", "Nothing yet", "The five best guesses appear here.");
    } else if (first === undefined) {
      const { minScore } = this.#wanted;
      const bar = minScore === null ? "enough" : percent.format(minScore);
      this.#say("unsure", "Not sure", `No guess reaches ${bar}, so nothing is marked.`);
    } else if (this.#chosen.length > 0) {
      const names = result.shown.map((index) => this.#name(index, result)).join(", ");
      const share = result.shown.length === 1 ? this.#share(first, result) : "";
      this.#say("shown", names, `Mapped, as you chose${share}`);
    } else if (first === result.top[0]?.class) {
      this.#say("shown", this.#name(first, result), `Top prediction${this.#share(first, result)}`);
    } else {
      this.#say("shown", this.#name(first, result), `Held steady${this.#share(first, result)}`, HELD_STEADY);
    }
  }

  /**
   * @param {number} index
   * @param {Seen} result
   */
  #name(index, result) {
    const ranked = result.top.find((candidate) => candidate.class === index);
    return ranked?.name ?? this.#wanted.name(result.model, index);
  }

  /**
   * @param {number} index
   * @param {Seen} result
   */
  #share(index, result) {
    const ranked = result.top.find((candidate) => candidate.class === index);
    if (ranked) return `, ${percent.format(ranked.score)}`;
    const last = result.top.at(-1); // what is not in the list has no more than its last
    return last ? `, below ${percent.format(Math.max(1, Math.ceil(last.score * 100)) / 100)}` : "";
  }

  /**
   * @param {string} tone
   * @param {string} headline
   * @param {string} subline
   * @param {string} [why] the subline's tooltip
   */
  #say(tone, headline, subline, why = "") {
    this.#subline.textContent = subline;
    this.#subline.title = why;
    if (this.#headline.textContent === headline) return;
    this.#headline.dataset["tone"] = tone;
    this.#headline.textContent = headline;
    clearTimeout(this.#saying);
    if (tone !== "idle" && this.#announces) this.#saying = setTimeout(() => announce(headline), STEADY_MS);
  }
}
