/** An uploaded picture: as it is while the server looks at it, then as the server painted it. */

/** @import { PictureView } from "./stage.js" */

import { make } from "../dom.js";

/** @implements {PictureView} */
export class ImageView {
  element = make("img", { alt: "Uploaded picture" });
  /** @type {Blob} */
  #shown;

  /**
   * @param {Blob} picture
   * @param {() => void} sized
   */
  constructor(picture, sized) {
    this.#shown = picture;
    this.element.addEventListener("load", sized);
    this.replace(picture);
  }

  /** @param {Blob} picture */
  replace(picture) {
    URL.revokeObjectURL(this.element.src);
    this.#shown = picture;
    this.element.src = URL.createObjectURL(picture);
  }

  size() {
    const { naturalWidth, naturalHeight } = this.element;
    return naturalWidth > 0 ? { width: naturalWidth, height: naturalHeight } : null;
  }

  /** @returns {Promise<Blob>} */
  async snapshot() {
    return this.#shown;
  }

  close() {
    URL.revokeObjectURL(this.element.src);
  }
}
