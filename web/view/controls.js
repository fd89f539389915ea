/** The panel's plain controls, each bound to one setting, in both directions. */

/** @import { Card, MapKind, Settings } from "../protocol.js" */
/** @import { SettingsStore } from "../settings.js" */

import { byId, make } from "../dom.js";
import { DEFAULTS, MAP_KINDS } from "../settings.js";
import { mapHint, ownThreshold } from "./map_kinds.js";

/** @type {Record<string, [label: string, hint: string]>} */
const METHODS = {
  cam: ["CAM", "The head’s weights for the class, over the last features."],
  gradcam: ["Grad-CAM", "Here the same map as CAM, with only what speaks for the class."],
  layercam: ["LayerCAM", "Only the features that speak for the class."],
  "gradcam++": ["Grad-CAM++", "Speaking features, the weakly present ones counted more."],
  recombined: ["Recombined", "Features for and against the class, both by strength: finds the whole thing."],
  finercam: ["Finer-CAM", "What sets the class apart from its nearest rivals."],
};

const COLORMAPS = ["turbo", "jet", "viridis", "inferno"];

const FLAGS = /** @type {const} */ (["boxes", "labels", "mirror"]);

const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });

/**
 * @param {string} method as the card calls it
 * @returns {string} as people do
 */
export function methodName(method) {
  return METHODS[method]?.[0] ?? method;
}

/** @typedef {"auto" | "otsu" | "card" | "fixed"} ThresholdKind */

export class Controls {
  #settings;
  /** @type {Card | null} */
  #card = null;
  #method = byId("method", HTMLSelectElement);
  #box = byId("box", HTMLSelectElement);
  #threshold = byId("threshold", HTMLInputElement);
  #opacity = byId("opacity", HTMLInputElement);
  #minScore = byId("min-score", HTMLInputElement);

  /** @param {SettingsStore} settings */
  constructor(settings) {
    this.#settings = settings;
    this.#onRadio("map", (value) => this.#chooseMap(/** @type {MapKind} */ (value)));
    this.#onRadio("colormap", (value) => settings.change({ colormap: value }));
    this.#onRadio("threshold-kind", (value) => this.#chooseThreshold(value));
    this.#method.onchange = () => settings.change({ method: this.#method.value });
    this.#box.onchange = () => settings.change({ box: /** @type {Settings["box"]} */ (this.#box.value) });
    this.#threshold.oninput = () => settings.change({ threshold: this.#threshold.valueAsNumber });
    this.#opacity.oninput = () => settings.change({ opacity: this.#opacity.valueAsNumber });
    this.#minScore.oninput = () => settings.change({ min_score: this.#minScore.valueAsNumber });
    for (const name of FLAGS) {
      const input = byId(name, HTMLInputElement);
      input.onchange = () => settings.change({ [name]: input.checked });
    }
    byId("mirror-button", HTMLButtonElement).onclick = () => settings.change({ mirror: !settings.values.mirror });
    const { model: _, ...others } = DEFAULTS; // which model it is, is not how it is shown
    byId("reset", HTMLButtonElement).onclick = () => settings.change(others);
    settings.listen((values) => this.#show(values));
  }

  /** @param {Card | null} card */
  useCard(card) {
    this.#card = card;
    const options = (card?.methods ?? []).map((name) => make("option", { value: name }, methodName(name)));
    this.#method.replaceChildren(...options);
    this.#method.disabled = card === null;
    this.#offerMaps(card);
    this.#show(this.#settings.values);
  }

  /** @param {number} step of opacity, -1 to 1 */
  stepOpacity(step) {
    const opacity = Math.round((this.#settings.values.opacity + step) * 100) / 100;
    this.#settings.change({ opacity: Math.max(0, Math.min(1, opacity)) });
  }

  nextMethod() {
    const methods = this.#card?.methods ?? [];
    const next = methods[(methods.indexOf(this.#method.value) + 1) % methods.length];
    if (next !== undefined) this.#settings.change({ method: next });
  }

  nextMap() {
    const maps = MAP_KINDS.filter((kind) => this.#card?.maps.includes(kind));
    const kind = this.#kind(this.#settings.values);
    const next = maps[kind === null ? 0 : (maps.indexOf(kind) + 1) % maps.length];
    if (next !== undefined) this.#chooseMap(next);
  }

  nextColormap() {
    const next = COLORMAPS[(COLORMAPS.indexOf(this.#settings.values.colormap) + 1) % COLORMAPS.length];
    if (next !== undefined) this.#settings.change({ colormap: next });
  }

  /** @param {Readonly<Settings>} values */
  #show(values) {
    const kind = this.#kind(values);
    this.#check("map", kind ?? "");
    byId("map-hint", HTMLParagraphElement).textContent = kind === null ? "" : mapHint(kind);
    this.#check("colormap", values.colormap);
    const method = values.method ?? this.#card?.default_method ?? "";
    this.#method.value = method;
    byId("method-hint", HTMLParagraphElement).textContent =
      kind === "foreground" ? "The foreground is the same by every method." : (METHODS[method]?.[1] ?? "");
    this.#box.value = values.box;
    slide(this.#opacity, values.opacity);
    byId("opacity-value", HTMLOutputElement).textContent = percent.format(values.opacity);
    const minScore = values.min_score ?? this.#card?.min_score ?? 0;
    slide(this.#minScore, minScore);
    byId("min-score-value", HTMLOutputElement).textContent = percent.format(minScore);
    for (const name of FLAGS) byId(name, HTMLInputElement).checked = values[name];
    byId("mirror-button", HTMLButtonElement).setAttribute("aria-pressed", String(values.mirror));
    this.#showThreshold(values);
  }

  /** @param {Readonly<Settings>} values */
  #showThreshold(values) {
    const { threshold, box } = values;
    const map = this.#kind(values);
    const kind = threshold === null ? "auto" : typeof threshold === "number" ? "fixed" : threshold;
    this.#check("threshold-kind", kind);
    const effective = threshold ?? (map && this.#card && ownThreshold(map, this.#card));
    const cards = effective === "card" ? (this.#card?.threshold ?? null) : null;
    const known = typeof effective === "number" ? effective : cards;
    byId("threshold-value", HTMLOutputElement).textContent =
      known !== null ? known.toFixed(2) : kind === "auto" && effective === "otsu" ? "Otsu’s" : "";
    this.#threshold.classList.toggle("idle", kind !== "fixed");
    this.#threshold.classList.toggle("unknown", known === null);
    if (known !== null) {
      slide(this.#threshold, known);
      this.#threshold.removeAttribute("aria-valuetext");
    } else {
      this.#threshold.setAttribute("aria-valuetext", "found for each map");
    }
    const hint = byId("threshold-hint", HTMLParagraphElement);
    const unused = box === "two_stage" || box === "none";
    hint.hidden = !unused;
    hint.textContent = box === "none" ? "Without a box, no threshold is used." : "Two-stage selection finds its own.";
  }

  /**
   * @param {Readonly<Settings>} values
   * @returns {MapKind | null} the kind in force; null while the card is not known
   */
  #kind({ map }) {
    return map ?? this.#card?.maps[0] ?? null;
  }

  /** @param {MapKind} kind the model's own is no wish: whoever likes it gets a later model's own too */
  #chooseMap(kind) {
    this.#settings.change({ map: kind === this.#card?.maps[0] ? null : kind });
  }

  /** @param {Card | null} card */
  #offerMaps(card) {
    for (const radio of radios("map")) {
      const kind = /** @type {MapKind} */ (radio.value);
      radio.disabled = !card?.maps.includes(kind);
      const missing = card !== null && radio.disabled;
      const title = missing ? `${card.name} has no such map: its file holds no objectness head.` : mapHint(kind);
      radio.closest("label")?.setAttribute("title", title);
    }
  }

  /** @param {string} kind */
  #chooseThreshold(kind) {
    if (kind === "fixed") this.#settings.change({ threshold: this.#threshold.valueAsNumber });
    else this.#settings.change({ threshold: kind === "otsu" || kind === "card" ? kind : null });
  }

  /**
   * @param {string} name
   * @param {(value: string) => void} change
   */
  #onRadio(name, change) {
    for (const radio of radios(name)) radio.onchange = () => radio.checked && change(radio.value);
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  #check(name, value) {
    for (const radio of radios(name)) radio.checked = radio.value === value;
  }
}

/**
 * @param {string} name
 * @returns {NodeListOf<HTMLInputElement>}
 */
function radios(name) {
  return document.querySelectorAll(`input[type="radio"][name="${name}"]`);
}

/**
 * @param {HTMLInputElement} range
 * @param {number} value
 */
function slide(range, value) {
  if (range.valueAsNumber !== value) range.valueAsNumber = value;
  const [low, high] = [Number(range.min), Number(range.max)];
  range.style.setProperty("--fill", `${((range.valueAsNumber - low) / (high - low)) * 100}%`);
}
