/** Picture and heat by WebGL 2: one pass a pane, with one look at the picture and one at its heat for each pixel. */

/** @import { Context } from "./marks.js" */
/** @import { Area, Picture, PicturePainter } from "./picture_painter.js" */

import { colourHeat } from "./colours.js";
import { FINE } from "./heat.js";
import { resize, sizeOf } from "./picture_painter.js";

// One triangle that covers the pane; pictures are uploaded from their top row on, so down is up.
const VERTEX = `#version 300 es
uniform bool mirror;
out highp vec2 place;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;
  place = vec2(mirror ? 1.0 - corner.x : corner.x, 1.0 - corner.y);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
uniform sampler2D picture;
uniform sampler2D heat; // its colours times their alpha
uniform float share;
in highp vec2 place;
out vec4 colour;
void main() {
  vec4 hot = share * texture(heat, place);
  colour = vec4(texture(picture, place).rgb * (1.0 - hot.a) + hot.rgb, 1.0);
}`;

// The processor under a graphics card's name: Chromium does not always count it as a "major performance caveat".
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
const PICTURE_UNIT = 0;
const HEAT_UNIT = 1;

/** @implements {PicturePainter} */
export class WebglPainter {
  kind = /** @type {const} */ ("webgl");
  #canvas = document.createElement("canvas");
  elements = [this.#canvas];
  #painted = false;
  #gl;
  #mirror;
  #share;
  /** @type {{ texture: WebGLTexture, width: number, height: number }[]} */
  #slots = [];
  /** @type {WebGLTexture[]} */
  #heats = [];

  /**
   * @param {boolean} evenSlow also where the processor stands in for a graphics card: there, Canvas 2D is much faster
   * @throws {Error} there is no such WebGL 2 here
   */
  constructor(evenSlow) {
    const gl = this.#canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      depth: false,
      stencil: false,
      failIfMajorPerformanceCaveat: !evenSlow,
      preserveDrawingBuffer: true, // the last painting stays there to be saved
    });
    if (!gl) throw new Error("This browser gives no WebGL 2.");
    if (!evenSlow && SOFTWARE.test(nameOf(gl))) {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
      throw new Error("No graphics card does WebGL 2 here.");
    }
    this.#gl = gl;
    const program = link(gl);
    gl.useProgram(program);
    gl.uniform1i(gl.getUniformLocation(program, "picture"), PICTURE_UNIT);
    gl.uniform1i(gl.getUniformLocation(program, "heat"), HEAT_UNIT);
    this.#mirror = gl.getUniformLocation(program, "mirror");
    this.#share = gl.getUniformLocation(program, "share");
    gl.activeTexture(gl.TEXTURE0 + HEAT_UNIT);
    this.#heats = [blank(gl), blank(gl)];
  }

  get lost() {
    return this.#gl.isContextLost();
  }

  /**
   * @param {Picture} picture
   * @param {number} slot
   */
  async keep(picture, slot) {
    const gl = this.#gl;
    gl.activeTexture(gl.TEXTURE0 + PICTURE_UNIT);
    const place = (this.#slots[slot] ??= { texture: texture(gl, gl.NEAREST), width: 0, height: 0 });
    gl.bindTexture(gl.TEXTURE_2D, place.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    Object.assign(place, sizeOf(picture));
  }

  /**
   * @param {number} pane
   * @param {Uint8Array} heat
   * @param {Uint8Array} table
   */
  setHeat(pane, heat, table) {
    const gl = this.#gl;
    gl.activeTexture(gl.TEXTURE0 + HEAT_UNIT);
    gl.bindTexture(gl.TEXTURE_2D, this.#heats[pane] ?? null);
    const pixels = new Uint8Array(colourHeat(heat, table, true).buffer);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, FINE, FINE, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  }

  /**
   * @param {number} slot
   * @param {number[]} shares
   * @param {boolean} mirror
   */
  paint(slot, shares, mirror) {
    const picture = this.#slots[slot];
    if (!picture) return false;
    const gl = this.#gl;
    resize(this.#canvas, picture.width * shares.length, picture.height);
    gl.activeTexture(gl.TEXTURE0 + PICTURE_UNIT);
    gl.bindTexture(gl.TEXTURE_2D, picture.texture);
    gl.uniform1i(this.#mirror, mirror ? 1 : 0);
    gl.activeTexture(gl.TEXTURE0 + HEAT_UNIT);
    // A picture too large for the graphics card is drawn smaller than the canvas says.
    const width = gl.drawingBufferWidth / shares.length;
    for (const [pane, share] of shares.entries()) {
      gl.bindTexture(gl.TEXTURE_2D, this.#heats[pane] ?? null);
      gl.uniform1f(this.#share, share);
      gl.viewport(pane * width, 0, width, gl.drawingBufferHeight);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    this.#painted = true;
    return true;
  }

  fit() {} // the graphics card brings it to any size

  size() {
    const { width, height } = this.#canvas;
    return this.#painted ? { width, height } : null;
  }

  /**
   * @param {Context} context
   * @param {Area} area
   */
  drawInto(context, { x, y, width, height }) {
    context.drawImage(this.#canvas, x, y, width, height);
  }

  close() {
    this.#painted = false;
    // Browsers keep a handful of contexts and take the oldest away, so this one is given back at once.
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/**
 * @param {WebGL2RenderingContext} gl
 * @returns {string} what draws; browsers that hide it say something general
 */
function nameOf(gl) {
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

/** @param {WebGL2RenderingContext} gl */
function link(gl) {
  const program = gl.createProgram();
  for (const [type, source] of /** @type {const} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
    const shader = gl.createShader(type);
    if (!shader) throw new Error("This WebGL makes no shader.");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`This WebGL takes no shaders: ${gl.getProgramInfoLog(program) ?? "it is lost"}`);
  }
  return program;
}

/**
 * A new texture, bound to the active unit.
 *
 * @param {WebGL2RenderingContext} gl
 * @param {number} filter
 */
function texture(gl, filter) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, filter);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  return made;
}

/**
 * A texture of no heat yet.
 *
 * @param {WebGL2RenderingContext} gl
 */
function blank(gl) {
  const made = texture(gl, gl.LINEAR);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return made;
}
