/** What can go wrong, in words: what happened, what to do, and how the page tries again. */

import { ApiError, Unreachable } from "./api.js";

/**
 * @typedef {object} Failure
 * @property {string} code
 * @property {string} title what happened
 * @property {string} detail what to do
 * @property {"person" | "time" | "device"} retry who starts the next try: the person, a countdown, or a camera that
 *   comes back
 * @property {number} [seconds] until the next try, where the server said so
 */

export class CameraError extends Error {
  /** @param {Failure} failure */
  constructor(failure) {
    super(failure.title);
    this.failure = failure;
  }
}

/** @type {Record<string, Failure>} by DOMException name (Media Capture and Streams, W3C) */
const CAMERA = {
  NotAllowedError: {
    code: "no-permission",
    title: "The camera is not allowed",
    detail:
      "Click the camera or lock symbol beside the address, allow the camera for this page, then try again. " +
      "If it is allowed there, check that your system lets this browser use the camera.",
    retry: "person",
  },
  NotFoundError: {
    code: "no-camera",
    title: "No camera found",
    detail: "Plug one in and it starts by itself. Or upload a picture, or watch one of the server’s streams.",
    retry: "device",
  },
  NotReadableError: {
    code: "camera-in-use",
    title: "The camera is busy",
    detail: "Another program or tab holds it. Close that one (a video call, perhaps), then try again.",
    retry: "person",
  },
  OverconstrainedError: {
    code: "camera-gone",
    title: "That camera is not there any more",
    detail: "Choose another one under “Source”, or plug it back in.",
    retry: "device",
  },
};

/** @type {Failure} */
export const INSECURE = {
  code: "insecure",
  title: "Browsers give cameras to secure pages only",
  detail:
    "Open this page through https:// or as http://localhost; --tls-cert and --tls-key switch https on. " +
    "Pictures and the server’s streams work here as they are.",
  retry: "person",
};

/** @type {Failure} */
export const UNPLUGGED = {
  code: "unplugged",
  title: "The camera was unplugged",
  detail: "Plug it back in and it goes on by itself, or choose another one under “Source”.",
  retry: "device",
};

/** @type {Failure} */
export const CODEC_REFUSED = {
  code: "codec-refused",
  title: "Browser and server have no video codec in common",
  detail: "The server takes VP8 and H.264. Update this browser, or use Chrome, Edge, Firefox or Safari.",
  retry: "person",
};

/**
 * @param {unknown} error from getUserMedia
 * @returns {CameraError}
 */
export function cameraError(error) {
  const name = error instanceof DOMException ? error.name : "";
  const known = CAMERA[name === "SecurityError" ? "NotAllowedError" : name];
  const said = error instanceof Error ? ` (${error.message})` : "";
  return new CameraError(
    known ?? {
      code: "camera-failed",
      title: "The camera did not start",
      detail: `Unplug it or close other programs that use it, then try again${said}.`,
      retry: "person",
    },
  );
}

/**
 * @param {string} detail how we noticed
 * @returns {Failure}
 */
export function lost(detail) {
  const advice = `${detail} The page connects again by itself.`;
  return { code: "connection-lost", title: "The connection to the server is lost", detail: advice, retry: "time" };
}

/**
 * @param {unknown} error from reading a message of the server's
 * @returns {Failure}
 */
export function unreadable(error) {
  const said = error instanceof Error ? error.message : String(error);
  return {
    code: "unreadable",
    title: "This page cannot read the server’s results",
    detail: `Page and server may be of different versions. Reload the page and start again (${said}).`,
    retry: "person",
  };
}

/**
 * @param {unknown} error from opening a camera or a session, or from any request
 * @returns {Failure}
 */
export function explain(error) {
  if (error instanceof CameraError) return error.failure;
  if (error instanceof Unreachable) {
    return {
      code: "server-gone",
      title: "The server does not answer",
      detail: "Check that seekcam is still running, and the network between here and there.",
      retry: "time",
    };
  }
  if (error instanceof ApiError) return explainAnswer(error);
  const said = error instanceof Error ? error.message : String(error);
  const detail = `Reload the page and try again (${said}).`;
  return { code: "unexpected", title: "Something went wrong in the page", detail, retry: "person" };
}

/**
 * @param {ApiError} error
 * @returns {Failure}
 */
function explainAnswer(error) {
  const { status, code, message, retryAfter } = error;
  if (status === 503) {
    return {
      code,
      title: code === "session-cap" ? "All places are taken" : "The server is not ready",
      detail: `${message} The page tries again by itself.`,
      retry: "time",
      ...(retryAfter === null ? {} : { seconds: retryAfter }),
    };
  }
  if (status === 406) return CODEC_REFUSED;
  if (status === 401) {
    return {
      code,
      title: "The server asks for its token",
      detail: "It was printed when seekcam started, as part of the page’s address. Try again to enter it.",
      retry: "person",
    };
  }
  if (status >= 500) return { code, title: "The server failed", detail: message, retry: "time" };
  return { code, title: "The server refused", detail: message, retry: "person" };
}
