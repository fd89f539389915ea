/** A canvas and its 2D context. */

export class Surface {
  canvas = document.createElement("canvas");
  context;

  constructor(alpha = false) {
    const context = this.canvas.getContext("2d", { alpha });
    if (!context) throw new Error("This browser gives no 2D canvas.");
    this.context = context;
  }
}
