/** The person's cameras: which there are, opening one, and noticing when it goes away or comes back. */

import { CameraError, INSECURE, cameraError } from "./failures.js";

/**
 * @typedef {object} CameraChoice
 * @property {string} device "" (the browser's choice), "user", "environment", or a device id
 * @property {string} resolution such as "640x480"
 */

const FACINGS = ["user", "environment"];
const FRAMES_PER_SECOND = 30;

/** @returns {boolean} whether this page may ask for a camera at all */
export function camerasReachable() {
  // Outside of a secure context `mediaDevices` is missing, whatever the type says.
  return window.isSecureContext && "mediaDevices" in navigator;
}

/** @returns {Promise<MediaDeviceInfo[]>} names and ids stay empty until a camera was allowed once */
export async function listCameras() {
  if (!camerasReachable()) return [];
  try {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "videoinput");
  } catch {
    return []; // a browser that will not list them still opens the default one
  }
}

/** @param {() => void} listener called when a camera is plugged in or out */
export function onCamerasChanged(listener) {
  if (camerasReachable()) navigator.mediaDevices.addEventListener("devicechange", listener);
}

/**
 * @param {CameraChoice} choice
 * @returns {Promise<MediaStreamTrack>}
 * @throws {CameraError}
 */
export async function openCamera(choice) {
  if (!camerasReachable()) throw new CameraError(INSECURE);
  const [width = 640, height = 480] = choice.resolution.split("x").map(Number);
  /** @type {MediaTrackConstraints} */
  const video = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: FRAMES_PER_SECOND } };
  if (FACINGS.includes(choice.device)) video.facingMode = { ideal: choice.device };
  else if (choice.device) video.deviceId = { exact: choice.device };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    const [track] = stream.getVideoTracks();
    if (!track) throw new DOMException("The stream has no video track.", "NotFoundError");
    track.contentHint = "motion";
    return track;
  } catch (error) {
    throw cameraError(error);
  }
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<void>} fulfils at the next change of the list of cameras that leaves at least one
 */
export function cameraComesBack(signal) {
  if (!camerasReachable()) return new Promise(() => {});
  return new Promise((resolve) => {
    const look = async () => {
      if ((await listCameras()).length === 0) return;
      navigator.mediaDevices.removeEventListener("devicechange", look);
      resolve();
    };
    navigator.mediaDevices.addEventListener("devicechange", look, { signal });
  });
}
