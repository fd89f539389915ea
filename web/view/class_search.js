/** The class search: a combobox over the model's class names (WAI-ARIA 1.2 pattern), chosen classes as chips. */

import { byId, icon, make } from "../dom.js";

const LISTED = 60;

/** @typedef {{ index: number, name: string, at: number }} Match `at`: where the text was found in the name */

export class ClassSearch {
  #box = byId("combobox", HTMLDivElement);
  #input = byId("class-search", HTMLInputElement);
  #list = byId("class-list", HTMLUListElement);
  #chips = byId("chips", HTMLUListElement);
  /** @type {readonly string[]} */
  #names = [];
  #most = 1;
  /** @type {number[]} */
  #chosen = [];
  /** @type {(number | null)[]} the classes in the open list; null is "top prediction" */
  #options = [];
  #active = -1;
  #change;

  /** @param {(chosen: number[]) => void} change */
  constructor(change) {
    this.#change = change;
    const input = this.#input;
    input.addEventListener("input", () => this.#open());
    input.addEventListener("click", () => this.#open());
    input.addEventListener("blur", () => this.#close());
    input.addEventListener("keydown", (event) => this.#key(event));
    this.#box.addEventListener("pointerdown", (event) => {
      if (event.target === this.#box) {
        event.preventDefault();
        input.focus();
        this.#open();
      }
    });
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault()); // keep the focus in the field
    this.#list.addEventListener("click", (event) => {
      const row = event.target instanceof Element ? event.target.closest("[role=option]") : null;
      if (row) this.#choose([...this.#list.children].indexOf(row));
    });
  }

  /**
   * @param {readonly string[]} names
   * @param {number} most how many classes can be mapped at once
   * @param {number[]} chosen
   */
  show(names, most, chosen) {
    this.#names = names;
    this.#most = most;
    this.#input.disabled = names.length === 0;
    if (this.#chips.childElementCount === chosen.length && chosen.every((c, i) => c === this.#chosen[i])) {
      const current = [...this.#chips.children].map((chip) => chip.firstElementChild?.textContent);
      if (current.every((name, i) => name === names[chosen[i] ?? -1])) return;
    }
    this.#chosen = chosen;
    this.#input.placeholder = chosen.length > 0 ? "Add a class" : "Top prediction";
    this.#chips.replaceChildren(
      ...chosen.map((index) => {
        const name = names[index] ?? `class ${index}`;
        const remove = make("button", { type: "button", "aria-label": `Stop mapping ${name}` }, icon("close"));
        remove.onclick = () => {
          this.#change(this.#chosen.filter((other) => other !== index));
          this.#input.focus();
        };
        return make("li", { class: "chip" }, make("span", { title: name }, name), remove);
      }),
    );
  }

  focus() {
    this.#input.focus();
    this.#open();
  }

  #open() {
    const text = this.#input.value.trim().toLowerCase();
    const matches = text ? search(this.#names, text) : this.#names.map((name, index) => ({ index, name, at: -1 }));
    this.#options = text ? [] : [null];
    this.#options.push(...matches.slice(0, LISTED).map((match) => match.index));
    const rows = matches.slice(0, LISTED).map((match) => this.#row(match, text.length));
    if (!text) rows.unshift(this.#option("Top prediction", "follows what is seen", this.#chosen.length === 0));
    if (rows.length === 0) rows.push(make("li", { class: "nothing" }, "No class of this model is called that"));
    this.#list.replaceChildren(...rows);
    this.#list.hidden = false;
    this.#list.scrollTop = 0;
    this.#input.setAttribute("aria-expanded", "true");
    this.#mark(this.#options.length > 0 ? 0 : -1);
    this.#list.scrollIntoView({ block: "nearest" });
  }

  #close() {
    this.#list.hidden = true;
    this.#input.value = "";
    this.#input.setAttribute("aria-expanded", "false");
    this.#mark(-1);
  }

  /**
   * @param {Match} match
   * @param {number} length of the text that was found
   */
  #row({ index, name, at }, length) {
    const row = this.#option("", "", this.#chosen.includes(index));
    const found = make("mark", {}, at < 0 ? "" : name.slice(at, at + length));
    const [before, after] = at < 0 ? ["", name] : [name.slice(0, at), name.slice(at + length)];
    row.replaceChildren(make("span", {}, before, found, after));
    if (at < 0 && length > 0) row.append(make("small", {}, `class ${index}`)); // found by its number
    return row;
  }

  /**
   * @param {string} text
   * @param {string} note
   * @param {boolean} selected
   */
  #option(text, note, selected) {
    const attributes = { role: "option", "aria-selected": String(selected) };
    return make("li", attributes, make("span", {}, text), make("small", {}, note));
  }

  /** @param {number} active */
  #mark(active) {
    this.#active = active;
    for (const [position, row] of [...this.#list.children].entries()) {
      row.id = `class-option-${position}`;
      row.toggleAttribute("data-active", position === active);
      if (position === active) row.scrollIntoView({ block: "nearest" });
    }
    if (active < 0) this.#input.removeAttribute("aria-activedescendant");
    else this.#input.setAttribute("aria-activedescendant", `class-option-${active}`);
  }

  /** @param {number} position in the list */
  #choose(position) {
    const index = this.#options[position];
    if (index === undefined) return;
    this.#close();
    if (index === null) this.#change([]);
    else if (!this.#chosen.includes(index)) this.#change([...this.#chosen, index].slice(-this.#most)); // the oldest makes room
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const open = !this.#list.hidden;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const last = this.#options.length - 1;
      if (!open) this.#open();
      else this.#mark(Math.max(0, Math.min(last, this.#active + step)));
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      this.#choose(this.#active);
    } else if (event.key === "Escape") {
      if (open) this.#close();
      else this.#input.blur();
      event.stopPropagation();
    } else if (event.key === "Backspace" && this.#input.value === "" && this.#chosen.length > 0) {
      this.#change(this.#chosen.slice(0, -1));
    }
  }
}

/**
 * The class with this number, then names that hold the text: first those with it as a whole word, then those that start
 * with it, then those where a word does, then the rest.
 *
 * @param {readonly string[]} names
 * @param {string} text lower case
 * @returns {Match[]}
 */
export function search(names, text) {
  /** @type {[Match[], Match[], Match[], Match[]]} */
  const [whole, starts, words, inside] = [[], [], [], []];
  const number = /^\d+$/.test(text) ? Number(text) : -1;
  const numbered = names[number];
  for (const [index, name] of names.entries()) {
    const lower = name.toLowerCase();
    const at = lower.indexOf(text);
    if (at < 0 || index === number) continue;
    const spaced = ` ${lower} `.replaceAll(/[-_/()',]/g, " ");
    const word = spaced.indexOf(` ${text}`);
    const alone = spaced.indexOf(` ${text} `);
    if (alone >= 0) whole.push({ index, name, at: alone });
    else if (at === 0) starts.push({ index, name, at });
    else if (word >= 0) words.push({ index, name, at: word });
    else inside.push({ index, name, at });
  }
  const first = numbered === undefined ? [] : [{ index: number, name: numbered, at: -1 }];
  return [...first, ...whole, ...starts, ...words, ...inside];
}
