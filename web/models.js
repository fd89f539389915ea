/** The models that are in use: their cards, and the settings that only make sense with them (classes, methods, maps). */

/** @import { Api } from "./api.js" */
/** @import { Card, ClassRef, Comparison, MapKind, ModelSummary, Settings } from "./protocol.js" */
/** @import { SettingsStore } from "./settings.js" */

import { NamedCard } from "./named_card.js";
import { recall, remember } from "./preferences.js";

const NAME_BYTES = 64; // of a model's name in an overlay message

export class Models {
  #api;
  #settings;
  #changed;
  #first;
  #second;
  /** @type {Map<string, Card>} every card that was read, by the model's name as messages have it */
  #cards = new Map();
  /** @type {ModelSummary[]} */
  list = [];
  /** @type {string} */
  #default = "";

  /**
   * @param {Api} api
   * @param {SettingsStore} settings
   * @param {(error: unknown) => void} changed another card is in use; with the error when it could not be read
   */
  constructor(api, settings, changed) {
    this.#api = api;
    this.#settings = settings;
    this.#changed = changed;
    const arrived = (/** @type {string} */ name, /** @type {Card} */ card) => this.#cards.set(shortName(name), card);
    this.#first = new NamedCard(api, arrived, changed);
    this.#second = new NamedCard(api, arrived, changed);
  }

  /** @returns {string} */
  get current() {
    return this.#settings.values.model ?? this.#default;
  }

  /** @returns {string} the model that is compared with the current one; empty when nothing is compared */
  get compared() {
    const { compare } = this.#settings.values;
    return compare === null ? "" : (compare.model ?? this.current);
  }

  /** @returns {Card | null} the current model's */
  get card() {
    return this.#first.card;
  }

  /** @returns {Card | null} the compared model's */
  get second() {
    return this.#second.card;
  }

  /** @returns {MapKind | null} the kind of the current model's map; null while its card is not known */
  get kind() {
    return this.#settings.values.map ?? this.card?.maps[0] ?? null;
  }

  /** @returns {MapKind | null} the kind of the compared model's map, as the server takes it */
  get kindOfSecond() {
    const { map, compare } = this.#settings.values;
    const maps = this.second?.maps ?? [];
    return compare?.map ?? (map !== null && maps.includes(map) ? map : (maps[0] ?? null));
  }

  /** @param {string} fallback the server's default model */
  async load(fallback) {
    this.#default = fallback;
    // Served with another model than at the last visit: somebody wants to see that one, whatever was chosen before.
    if (this.#settings.values.model !== null && recall("default-model") !== fallback) {
      this.#settings.change({ model: null, classes: "top", method: null });
    }
    remember("default-model", fallback);
    this.list = await this.#api.models();
    this.#dropAbsent();
    await this.follow();
    this.#dropForeign();
  }

  /**
   * Look for models that came or went.
   *
   * @returns {Promise<boolean>} whether the list is another one now
   */
  async refresh() {
    const list = await this.#api.models();
    const same = JSON.stringify(list.map(facts)) === JSON.stringify(this.list.map(facts));
    this.list = list;
    if (!same) this.#dropAbsent();
    return !same;
  }

  /** Read the cards of the models that the settings name now. */
  async follow() {
    if (this.current !== "") await Promise.all([this.#first.follow(this.current), this.#second.follow(this.compared)]);
  }

  /** @returns {number[]} indices of the classes that are mapped; empty follows the top prediction */
  get chosen() {
    const { classes } = this.#settings.values;
    const { card } = this;
    if (classes === "top" || card === null) return [];
    return classes.map((reference) => indexOf(card, reference)).filter((index) => index !== null);
  }

  /** @returns {number[]} the same classes, by the compared model's indices */
  get chosenInSecond() {
    return this.chosen.map((index) => this.#counterpart(index, this.card, this.second)).filter((index) => index >= 0);
  }

  /**
   * The name of a class in a message, which may still be about a model that was chosen before the current one.
   *
   * @param {string} model as the message names it
   * @param {number} index
   * @returns {string} the index where the model's card is not known
   */
  className(model, index) {
    return this.#cards.get(shortName(model))?.classes[index] ?? `#${index}`;
  }

  /**
   * @param {number} index of a class of the compared model
   * @returns {number} the current model's index of that class; -1 when it has none
   */
  fromSecond(index) {
    return this.#counterpart(index, this.second, this.card);
  }

  /**
   * @param {number[]} classes of the current model
   * @returns {string} why these cannot be compared; empty when they can
   */
  refusal(classes) {
    const absent = classes.find((index) => this.#counterpart(index, this.card, this.second) < 0);
    if (absent === undefined || this.second === null) return "";
    return `“${this.compared}” has no class “${this.card?.classes[absent]}” to compare.`;
  }

  /**
   * Change to another model; chosen classes come along where it knows them by name.
   *
   * @param {string} name
   */
  async choose(name) {
    const names = this.chosen.map((index) => this.card?.classes[index] ?? "");
    const { method, map, compare } = this.#settings.values;
    /** @type {Partial<Settings>} */
    const changes = { model: name, classes: "top", method: null, map: null };
    try {
      const card = await this.#api.card(name);
      const classes = names.map((wanted) => card.classes.indexOf(wanted)).filter((index) => index >= 0);
      if (classes.length > 0) changes.classes = classes.slice(0, card.mapped);
      if (method !== null && card.methods.includes(method)) changes.method = method;
      if (map !== null && card.maps.includes(map)) changes.map = map;
    } catch (error) {
      this.#changed(error);
      return;
    }
    if (compare !== null && this.compared === name) {
      changes.method = compare.method; // the two change sides
      changes.map = compare.map ?? changes.map ?? null;
      changes.compare = { model: this.current, method, map: changes.map === map ? null : this.kind };
    }
    this.#settings.change(changes);
  }

  /**
   * Compare with a model, the current one included: that with another kind of map, the one that shows what is new.
   *
   * @param {string} name empty for none
   * @returns {Promise<string>} what else had to change for it, in a sentence; empty when nothing had
   */
  async compare(name) {
    if (name === "") {
      this.#settings.change({ compare: null });
      return "";
    }
    let other;
    try {
      other = await this.#api.card(name);
    } catch (error) {
      this.#changed(error);
      return "";
    }
    /** @type {Comparison} */
    const compare = { model: name, method: null, map: null };
    if (name === this.current) {
      compare.method = this.#settings.values.method;
      compare.map = other.maps.find((kind) => kind !== this.kind) ?? null;
    }
    const absent = this.chosen.find((index) => this.#counterpart(index, this.card, other) < 0);
    if (absent === undefined) {
      this.#settings.change({ compare });
      return "";
    }
    const gone = this.card?.classes[absent];
    this.#settings.change({ compare, classes: "top" });
    return `“${name}” has no class “${gone}”, so both follow their top prediction.`;
  }

  /** @param {{ method?: string, map?: MapKind }} choice of the compared model's */
  compareBy(choice) {
    const { method = null, map = null } = this.#settings.values.compare ?? {};
    this.#settings.change({ compare: { model: this.compared, method, map, ...choice } });
  }

  /**
   * @param {number} index
   * @param {Card | null} card
   * @param {Card | null} other
   * @returns {number} the index in `other` of a class of `card`, by its id or else its name; -1 when it has none
   */
  #counterpart(index, card, other) {
    if (card === null || other === null) return -1;
    const byId = other.class_ids.indexOf(card.class_ids[index] ?? "");
    return byId >= 0 ? byId : find(other.classes, card.classes[index] ?? "");
  }

  /** Forget models that this server does not have: kept from a visit to another one, or deleted since. */
  #dropAbsent() {
    const { model, compare } = this.#settings.values;
    const there = (/** @type {string | null} */ wanted) =>
      wanted === null || this.list.some(({ name }) => name === wanted);
    if (!there(model)) this.#settings.change({ model: null, classes: "top", method: null, map: null });
    if (!there(compare?.model ?? null)) this.#settings.change({ compare: null });
  }

  /** Forget kept classes, methods and kinds of map that the models do not have. */
  #dropForeign() {
    const { card, second } = this;
    const { classes, method, map, compare } = this.#settings.values;
    if (card === null) return;
    if (classes !== "top" && this.chosen.length < classes.length) this.#settings.change({ classes: "top" });
    if (method !== null && !card.methods.includes(method)) this.#settings.change({ method: null });
    if (map !== null && !card.maps.includes(map)) this.#settings.change({ map: null });
    if (compare === null) return;
    const { method: by = null, map: kind = null } = compare;
    const known = (by === null || second?.methods.includes(by)) && (kind === null || second?.maps.includes(kind));
    if (second === null || !known || this.refusal(this.chosen) !== "") this.#settings.change({ compare: null });
  }
}

/**
 * What the page shows of a model in its lists.
 *
 * @param {ModelSummary} summary
 */
function facts({ name, classes, dataset, precision }) {
  return [name, classes, dataset, precision];
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

/**
 * @param {string} name of a model
 * @returns {string} as an overlay message has it: cut between characters
 */
export function shortName(name) {
  const { read } = new TextEncoder().encodeInto(name, new Uint8Array(NAME_BYTES));
  return name.slice(0, read);
}
