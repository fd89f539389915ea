/** An uploaded picture on the page, instead of the live one and under the same controls. */

/** @import { Api } from "./api.js" */
/** @import { Config, Settings } from "./protocol.js" */
/** @import { SettingsStore } from "./settings.js" */
/** @import { SeenPanel } from "./view/seen_panel.js" */
/** @import { Stage } from "./view/stage.js" */
/** @import { Strip } from "./view/strip.js" */

import { explain } from "./failures.js";
import { Picture } from "./picture.js";
import { ImageView } from "./view/image_view.js";
import { toast } from "./view/messages.js";
import { asserts } from "./view/seen_panel.js";
import { status } from "./view/status.js";

const ITS_NAME = "The picture"; // what the server, which knows no file names, calls it

/**
 * @param {File} file
 * @param {Config["limits"] | undefined} limits
 * @returns {string} why this file need not be sent; empty when it may be
 */
export function refusal(file, limits) {
  const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  if (limits && file.size > limits.body_bytes) {
    const most = megabytes(limits.body_bytes);
    return `“${file.name}” has ${megabytes(file.size)} and the server takes ${most}: make it smaller.`;
  }
  if (file.type !== "" && !file.type.startsWith("image/")) {
    return `“${file.name}” is not a picture: choose a JPEG, PNG or WebP.`;
  }
  return "";
}

/**
 * @param {File} file
 * @param {unknown} error why it was not localized
 * @returns {string}
 */
function notOpened(file, error) {
  const { title, detail } = explain(error);
  if (detail.startsWith(ITS_NAME)) return `“${file.name}”${detail.slice(ITS_NAME.length)}`;
  return `“${file.name}” was not opened. ${title}: ${detail}`;
}

export class PicturePage {
  #parts;
  /** @type {Picture | null} the picture that is shown */
  #picture = null;
  /** @type {Picture | null} the next one, while the server reads it and what was shown stays */
  #candidate = null;

  /**
   * @param {{
   *   api: Api, settings: SettingsStore, stage: Stage, strip: Strip, seen: SeenPanel, makeRoom: () => void,
   *   changed: () => void
   * }} parts
   */
  constructor(parts) {
    this.#parts = parts;
  }

  /** @returns {boolean} */
  get open() {
    return this.#picture !== null;
  }

  /**
   * Localize in a picture and show it, once it turned out to be one.
   *
   * @param {File} file
   */
  show(file) {
    this.#candidate?.close();
    const { api, settings, stage, strip, seen } = this.#parts;
    const view = new ImageView(file, () => {
      stage.fit();
      if (this.#picture === picture) strip.size(view.size()); // two compared sides make another shape
    });
    const asked = settings.values;
    const picture = new Picture(api, file, () => settings.values, {
      busy: (busy) => stage.busy(busy ? "Looking" : ""),
      painted: (painted, result) => {
        view.replace(painted);
        if (this.#candidate === picture) this.#open(picture, view, asked);
        seen.show(result);
        stage.unsure(!asserts(result) && !settings.values.labels);
        stage.clearFailure();
        strip.picture(result, view.size());
        status("Picture", "good");
      },
      failed: (error) => {
        if (this.#candidate === picture) {
          this.#candidate = null;
          picture.close();
          view.close();
          toast(notOpened(file, error));
          return;
        }
        const { title, detail } = explain(error);
        status("Not localized", "bad");
        toast(`${title}: ${detail}`);
      },
    });
    this.#candidate = picture;
  }

  /**
   * @param {Picture} picture
   * @param {ImageView} view
   * @param {Readonly<Settings>} asked what it was localized with
   */
  #open(picture, view, asked) {
    const { settings, stage, makeRoom, changed } = this.#parts;
    makeRoom();
    this.#picture?.close();
    this.#picture = picture;
    this.#candidate = null;
    stage.show(view);
    settings.attach(() => {
      picture.refresh();
      return null;
    });
    if (settings.values !== asked) picture.refresh(); // changed meanwhile; a watched stream had settings of its own
    changed();
  }

  /** Localize again, for instance once the server is back. */
  refresh() {
    this.#picture?.refresh();
  }

  close() {
    this.#candidate?.close();
    this.#candidate = null;
    if (!this.#picture) return;
    const { settings, stage, strip, seen, changed } = this.#parts;
    this.#picture.close();
    this.#picture = null;
    settings.attach(null);
    stage.show(null);
    strip.clear();
    seen.show(null);
    status("Ready", "idle");
    changed();
  }
}
