/** Which codec the camera's stream costs this device least to encode, where nobody sees that stream. */

const LIGHT = "video/H264";
const USUAL = "video/VP8";
/** As much as is sent at most where the server only looks; browsers answer the same for other sizes. */
const VIDEO = { width: 640, height: 480, bitrate: 1_700_000, framerate: 30 };

/**
 * Browsers without an encoding chip take about half the time for a picture in H.264 as in VP8. Of a chip they do not tell
 * how long it keeps a picture, so where there is one the browser's own choice stands.
 *
 * @returns {Promise<string | null>} its MIME type; null where the browser knows best
 */
export async function lightCodec() {
  try {
    const [light, usual] = await Promise.all([LIGHT, USUAL].map(encodingInfo));
    return light?.supported && light.smooth && !light.powerEfficient && !usual?.powerEfficient ? LIGHT : null;
  } catch {
    return null; // a browser that cannot be asked
  }
}

/** @param {string} contentType */
function encodingInfo(contentType) {
  return navigator.mediaCapabilities.encodingInfo({ type: "webrtc", video: { contentType, ...VIDEO } });
}
