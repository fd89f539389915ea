/** The panel's "Compare with": a second model, or another map of the same one, and what the models' cards say. */

/** @import { Models } from "../models.js" */
/** @import { Card, MapKind } from "../protocol.js" */
/** @import { SettingsStore } from "../settings.js" */

import { byId, make } from "../dom.js";
import { methodName } from "./controls.js";
import { mapName } from "./map_kinds.js";
import { toast } from "./messages.js";

export class ComparisonControls {
  #models;
  #settings;
  #model = byId("compare", HTMLSelectElement);
  #method = byId("compare-method", HTMLSelectElement);
  #map = byId("compare-map", HTMLSelectElement);
  #about = byId("about", HTMLDivElement);
  #drawn = "";

  /**
   * @param {Models} models
   * @param {SettingsStore} settings
   */
  constructor(models, settings) {
    this.#models = models;
    this.#settings = settings;
    this.#model.onchange = () => void this.#choose(this.#model.value);
    this.#method.onchange = () => models.compareBy({ method: this.#method.value });
    this.#map.onchange = () => models.compareBy({ map: /** @type {MapKind} */ (this.#map.value) });
  }

  /** Show the models there are, the comparison that is set, and the cards that are in use. */
  show() {
    const { list, current, compared, card, second } = this.#models;
    const others = list.filter(({ name }) => name !== current);
    const options = [make("option", { value: "" }, "Nothing")];
    if (current !== "") options.push(make("option", { value: current }, "This model, another map"));
    options.push(...others.map(({ name, dataset }) => make("option", { value: name, title: dataset ?? "" }, name)));
    replaceOptions(this.#model, options);
    this.#model.value = compared;
    const methods = compared === "" ? [] : (second?.methods ?? []);
    replaceOptions(this.#method, methods.map((method) => make("option", { value: method }, methodName(method))));
    this.#method.value = this.#settings.values.compare?.method ?? second?.default_method ?? "";
    const maps = compared === "" ? [] : (second?.maps ?? []);
    replaceOptions(this.#map, maps.map((kind) => make("option", { value: kind }, mapName(kind))));
    this.#map.value = this.#models.kindOfSecond ?? "";
    for (const field of ["method", "map"]) byId(`compare-${field}-field`, HTMLDivElement).hidden = compared === "";
    byId("method-label", HTMLLabelElement).textContent = compared === "" ? "Method" : "Method on the left";
    byId("map-title", HTMLHeadingElement).textContent = compared === "" ? "Map" : "Map on the left";
    this.#describe(second !== null && compared !== current ? [card, second] : [card]);
  }

  /** @param {string} name */
  async #choose(name) {
    const sentence = await this.#models.compare(name);
    if (sentence !== "") toast(sentence);
    this.show();
  }

  /** @param {(Card | null)[]} cards */
  #describe(cards) {
    const known = cards.filter((card) => card !== null);
    const drawn = JSON.stringify(known.map((card) => [card.name, card.source, card.recipe_hash, card.provider]));
    if (drawn === this.#drawn) return; // what is open stays open
    this.#drawn = drawn;
    this.#about.replaceChildren(...known.map(describe));
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {HTMLOptionElement[]} options
 */
function replaceOptions(select, options) {
  const same = [...select.options].map(({ value, text }) => `${value}\n${text}`).join("\n\n");
  // An open list must not jump under the pointer for nothing.
  if (same !== options.map(({ value, text }) => `${value}\n${text}`).join("\n\n")) select.replaceChildren(...options);
}

/** @param {Card} card */
function describe(card) {
  const { about, name, schedule } = /** @type {Record<string, unknown>} */ (card.recipe);
  const epochs = flat({ schedule }).get("schedule.epochs");
  const recipe = [name, about, epochs === undefined ? "" : `${epochs} epochs`].filter(Boolean).join(", ");
  const calibrated = card.threshold_split === "" ? "" : ` (${card.threshold_split})`;
  const rows = rowsOf([
    ["Data set", card.dataset],
    ["Classes", card.classes.length.toLocaleString("en")],
    ["Network", card.network],
    ["Input", `${card.input_size} × ${card.input_size}`],
    ["Recipe", recipe],
    ["Objectness", headOf(card)],
    ["Box threshold", `${card.threshold} for the plain map${calibrated}`],
    ["Precision", card.precision],
    ["Weights", card.source],
    ["Licence", card.licence],
    ["Runs on", card.provider ?? ""],
  ]);
  const parts = [make("summary", {}, `About ${card.name}`), make("dl", { class: "facts" }, ...rows)];
  const tables = /** @type {const} */ ([
    ["Measured", card.metrics],
    ["Objectness head", inWords(card.objectness)],
    ["Whole recipe", card.recipe],
  ]);
  for (const [title, values] of tables) {
    const listed = rowsOf([...flat(values)]);
    if (listed.length === 0) continue;
    parts.push(make("details", {}, make("summary", {}, title), make("dl", { class: "facts numbers" }, ...listed)));
  }
  return make("details", { class: "about" }, ...parts);
}

/**
 * @param {Card} card
 * @returns {string} whether its file holds an objectness head, and what that was fitted on
 */
function headOf({ objectness }) {
  if (Object.keys(objectness).length === 0) return "no head in this file";
  const { pictures, dataset } = objectness;
  const count = typeof pictures === "number" ? `${pictures.toLocaleString("en")} pictures` : pictures;
  const origin = [count, dataset].filter((part) => typeof part === "string" && part !== "").join(" of ");
  return origin === "" ? "a head in the file" : `a head fitted on ${origin}, without boxes`;
}

/**
 * @param {Record<string, unknown>} facts by names in snake_case
 * @returns {Record<string, unknown>} the same, by names that people read
 */
function inWords(facts) {
  const named = Object.entries(facts).map(([name, value]) => [name.replaceAll("_", " "), value]);
  return Object.fromEntries(
    named.map(([name, value]) => [name, isTable(value) ? inWords(/** @type {Record<string, unknown>} */ (value)) : value]),
  );
}

/** @param {unknown} value */
function isTable(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {(readonly [string, string])[]} pairs those without a value are left out */
function rowsOf(pairs) {
  return pairs.filter(([, value]) => value !== "").map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
}

/**
 * Tables in tables as one list of dotted names.
 *
 * @param {Record<string, unknown>} table
 * @returns {Map<string, string>}
 */
function flat(table, prefix = "") {
  const found = new Map();
  for (const [name, value] of Object.entries(table)) {
    if (isTable(value)) {
      const inner = flat(/** @type {Record<string, unknown>} */ (value), `${prefix}${name}.`);
      for (const [path, leaf] of inner) found.set(path, leaf);
    } else if (value !== undefined && value !== null) {
      const shown = typeof value === "number" ? Number(value.toPrecision(6)) : value;
      found.set(prefix + name, Array.isArray(value) ? value.join(", ") : String(shown));
    }
  }
  return found;
}
