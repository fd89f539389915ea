/** The model that is in use: its card, and the settings that only make sense with it (classes, methods). */

/** @import { Api } from "./api.js" */
/** @import { Card, ClassRef, ModelSummary, Settings } from "./protocol.js" */
/** @import { SettingsStore } from "./settings.js" */

export class Models {
  #api;
  #settings;
  #changed;
  /** @type {ModelSummary[]} */
  list = [];
  /** @type {string} */
  #default = "";
  /** @type {string | null} the model whose card is here or on its way */
  #name = null;
  /** @type {Card | null} */
  card = null;

  /**
   * @param {Api} api
   * @param {SettingsStore} settings
   * @param {(error: unknown) => void} changed another card is in use; with the error when it could not be read
   */
  constructor(api, settings, changed) {
    this.#api = api;
    this.#settings = settings;
    this.#changed = changed;
  }

  /** @returns {string} */
  get current() {
    return this.#settings.values.model ?? this.#default;
  }

  /** @param {string} fallback the server's default model */
  async load(fallback) {
    this.#default = fallback;
    this.list = await this.#api.models();
    const { model } = this.#settings.values;
    if (model !== null && !this.list.some(({ name }) => name === model)) {
      this.#settings.change({ model: null, classes: "top", method: null }); // kept from a visit to another server
    }
    await this.follow();
    this.#dropForeign();
  }

  /** Read the card of the model that the settings name now. */
  async follow() {
    const name = this.current;
    if (name === "" || name === this.#name) return;
    this.#name = name;
    try {
      const card = await this.#api.card(name);
      if (this.#name !== name) return; // another was chosen meanwhile
      this.card = card;
      this.#changed(null);
    } catch (error) {
      if (this.#name !== name) return;
      this.#name = null;
      this.#changed(error);
    }
  }

  /** @returns {number[]} indices of the classes that are mapped; empty follows the top prediction */
  get chosen() {
    const { classes } = this.#settings.values;
    const { card } = this;
    if (classes === "top" || card === null) return [];
    return classes.map((reference) => indexOf(card, reference)).filter((index) => index !== null);
  }

  /**
   * Change to another model; chosen classes come along where it knows them by name.
   *
   * @param {string} name
   */
  async choose(name) {
    const names = this.chosen.map((index) => this.card?.classes[index] ?? "");
    /** @type {Partial<Settings>} */
    const changes = { model: name, classes: "top", method: null };
    try {
      const card = await this.#api.card(name);
      const classes = names.map((wanted) => card.classes.indexOf(wanted)).filter((index) => index >= 0);
      if (classes.length > 0) changes.classes = classes.slice(0, card.mapped);
      const { method } = this.#settings.values;
      if (method !== null && card.methods.includes(method)) changes.method = method;
    } catch (error) {
      this.#changed(error);
      return;
    }
    this.#settings.change(changes);
  }

  /** Forget kept classes and methods that the model does not have. */
  #dropForeign() {
    const { card } = this;
    const { classes, method } = this.#settings.values;
    if (card === null) return;
    if (classes !== "top" && this.chosen.length < classes.length) this.#settings.change({ classes: "top" });
    if (method !== null && !card.methods.includes(method)) this.#settings.change({ method: null });
  }
}

/**
 * @param {readonly string[]} names
 * @param {string} wanted in any case
 */
function find(names, wanted) {
  return names.findIndex((name) => name.toLowerCase() === wanted.toLowerCase());
}

/**
 * @param {Card} card
 * @param {ClassRef} reference
 * @returns {number | null}
 */
export function indexOf(card, reference) {
  const index = typeof reference === "number" ? reference : find(card.classes, reference);
  return index >= 0 && index < card.classes.length ? index : null;
}
