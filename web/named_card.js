/** The card of whichever model is named now. */

/** @import { Api } from "./api.js" */
/** @import { Card } from "./protocol.js" */

export class NamedCard {
  #api;
  #arrived;
  #changed;
  /** The model whose card is here or on its way. */
  #name = "";
  /** @type {Card | null} */
  card = null;

  /**
   * @param {Api} api
   * @param {(name: string, card: Card) => void} arrived
   * @param {(error: unknown) => void} changed
   */
  constructor(api, arrived, changed) {
    this.#api = api;
    this.#arrived = arrived;
    this.#changed = changed;
  }

  /** @param {string} name empty for none */
  async follow(name) {
    if (name === this.#name) return;
    this.#name = name;
    if (name === "") {
      this.card = null;
      this.#changed(null);
      return;
    }
    try {
      const card = await this.#api.card(name);
      this.#arrived(name, card);
      if (this.#name !== name) return; // another was chosen meanwhile
      this.card = card;
      this.#changed(null);
    } catch (error) {
      if (this.#name !== name) return;
      this.#name = "";
      this.#changed(error);
    }
  }
}
