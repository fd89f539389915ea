/**
 * Watches the page's own modules while they work; evaluated in the page before Start is pressed.
 *
 * Frames are told apart by the number along their lower edge. One row of pixels through it is taken of each frame, and
 * read later, elsewhere.
 */
async () => {
  const { Compositor } = await import("/static/overlay/compositor.js");
  const { Timeline } = await import("/static/overlay/timeline.js");
  const { Ages } = await import("/static/overlay/ages.js");
  const { CameraFrames } = await import("/static/overlay/camera_frames.js");
  const { now } = await import("/static/clock.js");
  const WIDTH = 160; // pixels of a row: four a cell

  const sample = new OffscreenCanvas(WIDTH, 1).getContext("2d", { alpha: false, willReadFrequently: true });
  const text = (values) => btoa(String.fromCharCode(...values));
  const rowOfVideo = (video) => {
    const { videoWidth: width, videoHeight: height } = video;
    const strip = Math.floor(height / 12);
    sample.drawImage(video, 0, height - (strip * 5) / 8, width, strip / 4, 0, 0, WIDTH, 1);
    return text(sample.getImageData(0, 0, WIDTH, 1).data.filter((_, index) => index % 4 === 1));
  };
  // Of a frame in memory only this row's luma is copied: to draw it would convert the whole frame's colours once more.
  const rowOfFrame = (frame, holder) => {
    const { codedWidth: width, codedHeight: height } = frame;
    const y = 2 * Math.floor((height - Math.floor(height / 12) / 2) / 2);
    const rect = { x: 0, y, width, height: 2 };
    const luma = new Uint8Array(frame.allocationSize({ rect }));
    frame.copyTo(luma, { rect }).then(() => {
      const middle = (_, cell) => luma[Math.floor(((cell + 0.5) * width) / WIDTH)];
      holder.row = text(Array.from({ length: WIDTH }, middle));
    });
  };
  /** Its `row` may come a little later. */
  const holderOf = (picture) => {
    const holder = { row: null };
    if (["I420", "NV12"].includes(picture.format)) rowOfFrame(picture, holder);
    else holder.row = rowOfVideo(picture);
    return holder;
  };

  const fresh = () => ({ results: [], ages: { age: [], uplink: [], downlink: [] }, held: [], seen: [], work: [] });
  const probe = { ...fresh(), drawn: false, peer: null, camera: null, returned: [], captured: [] };
  const slots = [];
  let newest = null; // of them
  let early = []; // results without a frame yet
  let spent = null; // milliseconds for the newest frame so far

  // Canvas 2D draws later; reading a pixel makes it draw at once, so that the time holds all of it.
  const finish = (compositor) => {
    for (const canvas of compositor.element.querySelectorAll("canvas")) {
      const context = canvas.getContext("2d");
      if (context) context.getImageData(0, 0, 1, 1);
      else canvas.getContext("webgl2").readPixels(0, 0, 1, 1, 6408, 5121, new Uint8Array(4)); // RGBA, bytes
    }
  };
  const { keep, paint } = Compositor.prototype;
  Compositor.prototype.keep = async function (picture, slot) {
    newest = slots[slot] = holderOf(picture);
    const began = performance.now(); // a frame's copy is waited for: whatever the page does meanwhile counts too
    await keep.call(this, picture, slot);
    if (probe.drawn) finish(this);
    if (spent !== null) probe.work.push(spent);
    spent = performance.now() - began;
  };
  Compositor.prototype.paint = function (...given) {
    const began = performance.now();
    paint.apply(this, given);
    if (probe.drawn) finish(this);
    spent += performance.now() - began;
  };

  const { frame, result } = Timeline.prototype;
  Timeline.prototype.frame = function (captured) {
    probe.seen.push(now() - captured);
    const before = this.matched;
    frame.call(this, captured);
    if (this.matched === before) return;
    const away = ({ message }) => Math.abs(message.captured - captured);
    early.reduce((best, other) => (away(other) < away(best) ? other : best)).entry[1] = newest;
  };
  Timeline.prototype.result = function (message, moment) {
    const own = result.call(this, message, moment);
    const entry = [message.rtp, own && slots[own.slot]];
    probe.results.push(entry);
    if (!own) early = [...early, { message, entry }].slice(-12);
    probe.held.push(message.held);
    return own;
  };
  const { note } = Ages.prototype;
  Ages.prototype.note = function (part, ms) {
    probe.ages[part].push(ms);
    return note.call(this, part, ms);
  };

  const { createDataChannel } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.createDataChannel = function (...given) {
    probe.peer = this;
    return createDataChannel.apply(this, given);
  };
  const { getUserMedia } = navigator.mediaDevices;
  navigator.mediaDevices.getUserMedia = async function (...given) {
    const media = await getUserMedia.apply(this, given);
    [probe.camera] = media.getVideoTracks();
    return media;
  };

  /** From here on; `drawn` waits for the drawing of each painting. */
  probe.begin = (drawn) => {
    Object.assign(probe, fresh(), { drawn });
    spent = null;
  };
  probe.end = () => {
    const { results, ages, held, seen, work } = probe;
    return { results: results.map(([rtp, holder]) => [rtp, holder && holder.row]), ages, held, seen, work };
  };

  /** Note the camera's frames and the annotated ones, where the server paints. */
  probe.watch = () => {
    const video = document.querySelector("#frame > video:not(.waiting)");
    let watching = true;
    const look = () => {
      if (!watching) return;
      const shown = now();
      video.requestVideoFrameCallback(look);
      probe.returned.push([rowOfVideo(video), shown]);
    };
    Object.assign(probe, { returned: [], captured: [] });
    video.requestVideoFrameCallback(look);
    const frames = new CameraFrames(probe.camera, (picture, captured) => {
      if (captured !== null) probe.captured.push([holderOf(picture), captured]);
    });
    probe.unwatch = () => {
      watching = false;
      frames.close();
      return { returned: probe.returned, captured: probe.captured.map(([{ row }, at]) => [row, at]) };
    };
  };

  /** What the browser counts of the video in both directions. */
  probe.traffic = async () => {
    const stats = [...(await probe.peer.getStats()).values()];
    const of = (type) => stats.find((entry) => entry.type === type && entry.kind === "video") ?? {};
    const [out, back] = [of("outbound-rtp"), of("inbound-rtp")];
    return {
      moment: performance.now(),
      camera: [out.frameWidth ?? 0, out.frameHeight ?? 0],
      sent: out.bytesSent ?? 0,
      returned: back.bytesReceived ?? 0,
      keyframes: back.keyFramesDecoded ?? 0,
      decoded: back.framesDecoded ?? 0,
    };
  };
  window.probe = probe;
}
