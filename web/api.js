/** The server's HTTP routes. Every failure is an `ApiError` (the server answered) or an `Unreachable` (it did not). */

/** @import { Card, Config, ModelSummary, Recording, Result, Settings, StreamSummary } from "./protocol.js" */

export class ApiError extends Error {
  /**
   * @param {number} status HTTP status
   * @param {string} code the server's word for the error
   * @param {string} detail the server's sentence
   * @param {number | null} retryAfter seconds
   */
  constructor(status, code, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export class Unreachable extends Error {}

const TOKEN_KEY = "seekcam.token";

export class Api {
  /** @type {Promise<string | null> | null} */
  #asking = null;
  /** @type {(wrong: boolean) => Promise<string | null>} */
  #askToken;
  /** @type {string | null} */
  #token;

  /** @param {(wrong: boolean) => Promise<string | null>} askToken asks the person; null when they decline */
  constructor(askToken) {
    this.#askToken = askToken;
    this.#token = takeTokenFromAddress() ?? sessionStorage.getItem(TOKEN_KEY);
  }

  /** @returns {Promise<Config>} */
  config() {
    return this.#json("/api/config");
  }

  /** @returns {Promise<ModelSummary[]>} */
  models() {
    return this.#json("/api/models");
  }

  /**
   * @param {string} name
   * @returns {Promise<Card>}
   */
  card(name) {
    return this.#json(`/api/models/${encodeURIComponent(name)}`);
  }

  /** @returns {Promise<StreamSummary[]>} */
  streams() {
    return this.#json("/api/streams");
  }

  /**
   * @param {{ sdp: string, mode: string, stream?: string, settings: Partial<Settings> }} offer
   * @param {AbortSignal} signal
   * @returns {Promise<{ id: string, stream: string, sdp: string, type: "answer" }>}
   */
  openSession(offer, signal) {
    const body = JSON.stringify({ ...offer, type: "offer" });
    const headers = { "Content-Type": "application/json" };
    return this.#json("/api/sessions", { method: "POST", headers, body, signal });
  }

  /** @param {string} id Ends a session, also while the page is closing. */
  async closeSession(id) {
    try {
      await this.#fetch(`/api/sessions/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true });
    } catch {
      // The server ends a silent session by itself, so a lost goodbye needs no one's attention.
    }
  }

  /**
   * @param {Blob} picture
   * @param {Partial<Settings>} settings
   * @returns {Promise<{ painted: Blob, result: Result }>}
   */
  async localize(picture, settings) {
    const query = new URLSearchParams({ format: "png" });
    for (const [name, value] of Object.entries(settings)) {
      if (value !== null) query.set(name, inQuery(value));
    }
    const headers = { "Content-Type": picture.type.startsWith("image/") ? picture.type : "application/octet-stream" };
    const response = await this.#request(`/api/localize?${query}`, { method: "POST", headers, body: picture });
    const prediction = response.headers.get("X-Seekcam-Prediction");
    if (prediction === null) throw new ApiError(502, "no-prediction", "The answer came without its prediction.", null);
    return { painted: await response.blob(), result: JSON.parse(prediction) };
  }

  /**
   * @param {string} stream
   * @returns {Promise<Recording>}
   */
  startRecording(stream) {
    return this.#json(`/api/streams/${encodeURIComponent(stream)}/recordings`, { method: "POST" });
  }

  /**
   * @param {string} stream
   * @returns {Promise<Recording>}
   */
  stopRecording(stream) {
    return this.#json(`/api/streams/${encodeURIComponent(stream)}/recordings/current`, { method: "DELETE" });
  }

  /** @returns {Promise<Recording[]>} */
  recordings() {
    return this.#json("/api/recordings");
  }

  /** @param {string} id */
  async deleteRecording(id) {
    await this.#request(`/api/recordings/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /**
   * An address that the browser itself fetches (`<video src>`, `<a download>`), where no header can be set.
   *
   * @param {string} path
   * @returns {string}
   */
  address(path) {
    if (this.#token === null) return path;
    return `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(this.#token)}`;
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   */
  async #json(path, init) {
    return (await this.#request(path, init)).json();
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   * @returns {Promise<Response>} an answer with a good status
   */
  async #request(path, init) {
    for (let wrong = this.#token !== null; ; wrong = true) {
      const response = await this.#fetch(path, init);
      if (response.ok) return response;
      const error = await readError(response);
      if (response.status !== 401) throw error;
      // Several requests may be refused at once; the person is asked once.
      this.#asking ??= this.#askToken(wrong).finally(() => (this.#asking = null));
      const token = await this.#asking;
      if (token === null) throw error;
      this.#token = token;
      sessionStorage.setItem(TOKEN_KEY, token);
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   */
  async #fetch(path, init = {}) {
    const headers = new Headers(init.headers);
    if (this.#token !== null) headers.set("Authorization", `Bearer ${this.#token}`);
    try {
      return await fetch(path, { ...init, headers });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new Unreachable("The server does not answer.");
    }
  }
}

/**
 * @param {NonNullable<Settings[keyof Settings]>} value
 * @returns {string} a setting as a query takes it
 */
export function inQuery(value) {
  if (Array.isArray(value)) return value.join(",");
  if (typeof value !== "object") return String(value);
  const { model, method, map = null } = value;
  return [model, method, ...(map === null ? [] : [map])].map((part) => part ?? "").join(":");
}

/**
 * `/?token=T` opens the page; the token leaves the address bar at once, so that it is not shared with a screenshot.
 *
 * @returns {string | null}
 */
function takeTokenFromAddress() {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token !== null) {
    sessionStorage.setItem(TOKEN_KEY, token);
    address.searchParams.delete("token");
    history.replaceState(null, "", address);
  }
  return token;
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
async function readError(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  const retryAfter = Number.isFinite(seconds) ? seconds : null;
  /** @type {{ error?: string, detail?: string }} */
  let answer = {};
  try {
    answer = await response.json();
  } catch {
    // Not ours (a proxy's page, say): the status has to do.
  }
  const detail = answer.detail ?? `The server answered ${response.status} ${response.statusText}.`;
  return new ApiError(response.status, answer.error ?? `http-${response.status}`, detail, retryAfter);
}
