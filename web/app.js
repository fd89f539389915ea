/** The page, put together: what the person does goes to the server, what the server says goes on the screen. */

/** @import { Config } from "./protocol.js" */

import { Api } from "./api.js";
import { byId, make } from "./dom.js";
import { explain } from "./failures.js";
import { paintingObstacle } from "./live_overlay.js";
import { LivePage } from "./live_page.js";
import { Models } from "./models.js";
import { ChoiceStore } from "./overlay/choices.js";
import { decodeTables } from "./overlay/colours.js";
import { PicturePage, refusal } from "./picture_page.js";
import { SettingsStore } from "./settings.js";
import { ClassSearch } from "./view/class_search.js";
import { ComparisonControls } from "./view/comparison.js";
import { Controls } from "./view/controls.js";
import { download, stamp } from "./view/download.js";
import { fieldError, toast } from "./view/messages.js";
import { installPictureControls } from "./view/picture_controls.js";
import { Recordings } from "./view/recordings.js";
import { SeenPanel } from "./view/seen_panel.js";
import { installShortcuts } from "./view/shortcuts.js";
import { Sources } from "./view/sources.js";
import { Stage } from "./view/stage.js";
import { status } from "./view/status.js";
import { Strip } from "./view/strip.js";
import { nextTheme, theme } from "./view/theme.js";
import { askToken } from "./view/token_dialog.js";
import { installUploads } from "./view/uploads.js";

const BOOT_RETRY_MS = 5000;
const MODELS_EVERY_MS = 20000;
const OPACITY_STEP = 0.1;

const api = new Api(askToken);
const settings = new SettingsStore();
const choices = new ChoiceStore();
const stage = new Stage(retry, dismiss);
const strip = new Strip();
const recordings = new Recordings(api);
const controls = new Controls(settings);
const models = new Models(api, settings, modelChanged);
const comparison = new ComparisonControls(models, settings);
const seen = new SeenPanel(chooseOnly, (index) => {
  const own = models.fromSecond(index);
  if (own >= 0) chooseOnly(own);
  else toast(`“${models.current}” has no class “${models.second?.classes[index]}” to compare.`);
});
const search = new ClassSearch(chooseClasses);
const sources = new Sources(api, () => live.running && live.switchTo(sources.target));
const picture = new PicturePage({ api, settings, stage, strip, seen, makeRoom, changed: allowButtons });
const leaveToServer = installPictureControls(choices, paintingObstacle());
/** @type {Record<string, Uint8Array>} colour maps */
let tables = {};
const live = new LivePage({
  api,
  settings,
  choices,
  models,
  tables: () => tables,
  stage,
  strip,
  seen,
  changed: allowButtons,
  streamKnown: (own) => {
    void sources.refreshCameras(); // now that a camera was allowed, the browser tells the names
    void sources.refreshStreams(own);
  },
  recorded: () => void recordings.refresh(),
  unpaintable: leaveToServer,
});

const startButton = byId("start", HTMLButtonElement);
const welcomeButton = byId("welcome-start", HTMLButtonElement);
const recordButton = byId("record", HTMLButtonElement);
const snapshotButton = byId("snapshot", HTMLButtonElement);
const modelSelect = byId("model", HTMLSelectElement);

/** @type {Config | null} null until the server has told about itself and its models */
let config = null;
/** @type {number | undefined} */
let bootAgain;
let liveBefore = false; // whether an uploaded picture took the place of a live one

async function boot() {
  status("Connecting", "busy");
  try {
    const answer = await api.config();
    await models.load(answer.default_model);
    tables = decodeTables(answer.colormaps);
    config = answer;
  } catch (error) {
    const failure = explain(error);
    status("No server", "bad");
    stage.showFailure(failure, null);
    if (failure.retry === "time") bootAgain = setTimeout(boot, BOOT_RETRY_MS);
    return;
  }
  live.iceServers = config.ice_servers;
  byId("recordings-group", HTMLElement).hidden = !config.recordings;
  drawModels();
  stage.clearFailure();
  status("Ready", "idle");
  picture.refresh();
  allowButtons();
  void sources.refreshCameras();
  void sources.refreshStreams();
  if (config.recordings) void recordings.refresh();
}

function retry() {
  stage.clearFailure();
  clearTimeout(bootAgain);
  if (config === null) void boot();
  else live.tryNow();
}

function dismiss() {
  stage.clearFailure();
  if (live.running && !live.live) live.stop();
}

function start() {
  liveBefore = false;
  picture.close();
  live.start(sources.target);
}

function startOrStop() {
  if (live.running) live.stop();
  else if (!startButton.disabled) start();
}

/** @param {File} file */
function openPicture(file) {
  const why = refusal(file, config?.limits);
  if (why) {
    toast(why);
    return;
  }
  picture.show(file);
}

/** A picture takes the place of the live one, which comes back when the picture is closed. */
function makeRoom() {
  liveBefore ||= live.running;
  if (live.running) live.stop();
}

function closePicture() {
  const { open } = picture;
  picture.close();
  if (open && liveBefore) start();
}

// Model and classes

/** @param {unknown} error */
function modelChanged(error) {
  if (error) toast(explain(error).detail);
  controls.useCard(models.card);
  drawChosen();
}

function drawModels() {
  const options = models.list.map(({ name, classes, dataset, precision }) => {
    const facts = [dataset, classes === null ? "" : `${classes} classes`, precision].filter(Boolean).join(", ");
    return make("option", { value: name, title: facts }, name);
  });
  modelSelect.replaceChildren(...options);
  modelSelect.value = models.current;
  comparison.show();
}

/** Models may be exported while the page is open. */
async function refreshModels() {
  if (config === null || document.hidden) return;
  try {
    if (await models.refresh()) drawModels();
  } catch {
    // Nobody asked for it; whatever needs the server will say that it does not answer.
  }
}

function drawChosen() {
  const { card, chosen } = models;
  search.show(card?.classes ?? [], card?.mapped ?? 1, chosen);
  seen.follow(models, settings.values);
  comparison.show();
}

/** @param {number | null} index a class to map alone; the one that already is goes back to the top prediction */
function chooseOnly(index) {
  if (index === null) return;
  const { chosen } = models;
  chooseClasses(chosen.length === 1 && chosen[0] === index ? [] : [index]);
}

/** @param {number[]} chosen none follows the top prediction */
function chooseClasses(chosen) {
  const refused = models.refusal(chosen);
  if (refused === "") settings.change({ classes: chosen.length > 0 ? chosen : "top" });
  else fieldError("classes", refused);
}

modelSelect.onchange = () => {
  stage.busy(stage.view ? `Loading ${modelSelect.value}` : "");
  void models.choose(modelSelect.value).finally(() => (modelSelect.value = models.current));
};

settings.listen(() => {
  void models.follow();
  if (modelSelect.options.length > 0) modelSelect.value = models.current;
  drawChosen();
  stage.view?.element.classList.toggle("flipped", settings.values.mirror && stage.view.element.matches(".waiting"));
});

// Buttons and keys

async function snapshot() {
  try {
    if (stage.view) download(await stage.view.snapshot(), `seekcam-${stamp()}.png`);
  } catch (error) {
    toast(explain(error).detail);
  }
}

async function toggleRecording() {
  const { state } = live;
  if (state === null || recordButton.disabled) return;
  recordButton.disabled = true;
  try {
    if (live.views.recording || (state.recording === null && recordsHere())) await live.views.record();
    else if (state.recording === null) await api.startRecording(state.stream);
    else {
      const recording = await api.stopRecording(state.stream);
      if (recording.frames > 0) {
        const play = { label: "Play", act: () => recordings.play(recording) };
        toast(`Recording saved: ${recording.duration.toFixed(1)} s.`, play);
      } else toast(recording.ended ?? "Nothing was recorded.");
    }
  } catch (error) {
    toast(explain(error).detail);
  }
  allowButtons();
  await recordings.refresh();
}

/** @returns {boolean} whether the record button means this browser */
function recordsHere() {
  return live.views.recordable && choices.values.recorder === "browser";
}

function allowButtons() {
  startButton.disabled = welcomeButton.disabled = config === null;
  snapshotButton.disabled = !picture.open && !(live.live && stage.view);
  recordButton.disabled = !live.live || live.state === null || !(config?.recordings || recordsHere());
  byId("camera-fields", HTMLDivElement).hidden = picture.open; // a picture is painted once, by the server
  recordButton.title = config?.recordings === false ? "This server runs without recordings" : "Record (R)";
}

function showTheme(name = theme()) {
  const label = `Colours: ${name === "system" ? "as the system" : name}`;
  const button = byId("theme", HTMLButtonElement);
  button.setAttribute("aria-label", label);
  button.title = `${label} (D)`;
}

const mapRank = (/** @type {number} */ rank) => chooseOnly(seen.at(rank - 1));
const fullscreen = () => void stage.toggleFullscreen();
const flag = (/** @type {"boxes" | "labels" | "mirror"} */ name) => settings.change({ [name]: !settings.values[name] });

startButton.onclick = startOrStop;
welcomeButton.onclick = start;
snapshotButton.onclick = snapshot;
recordButton.onclick = toggleRecording;
byId("fullscreen", HTMLButtonElement).onclick = fullscreen;
byId("theme", HTMLButtonElement).onclick = () => showTheme(nextTheme());
showTheme();
installUploads(openPicture);
choices.listen(allowButtons);
installShortcuts([
  { keys: [" "], label: "Space", does: "Start or stop", act: startOrStop },
  { keys: ["s"], label: "S", does: "Save a snapshot", act: () => !snapshotButton.disabled && void snapshot() },
  { keys: ["r"], label: "R", does: "Record, and stop recording", act: () => void toggleRecording() },
  { keys: ["f"], label: "F", does: "Full screen", act: fullscreen },
  { keys: ["u"], label: "U", does: "Upload a picture", act: () => byId("upload", HTMLButtonElement).click() },
  { keys: ["/"], label: "/", does: "Search a class", act: () => search.focus() },
  { keys: [..."12345"], label: "1 – 5", does: "Map the first to fifth guess", act: (key) => mapRank(Number(key)) },
  { keys: ["0"], label: "0", does: "Follow the top prediction", act: () => settings.change({ classes: "top" }) },
  { keys: ["p"], label: "P", does: "Next kind of map", act: () => controls.nextMap() },
  { keys: ["n"], label: "N", does: "Next method", act: () => controls.nextMethod() },
  { keys: ["c"], label: "C", does: "Next colour map", act: () => controls.nextColormap() },
  { keys: ["["], label: "[", does: "Less of the map", act: () => controls.stepOpacity(-OPACITY_STEP) },
  { keys: ["]"], label: "]", does: "More of the map", act: () => controls.stepOpacity(OPACITY_STEP) },
  { keys: ["b"], label: "B", does: "Boxes", act: () => flag("boxes") },
  { keys: ["l"], label: "L", does: "Labels", act: () => flag("labels") },
  { keys: ["m"], label: "M", does: "Mirror", act: () => flag("mirror") },
  { keys: ["d"], label: "D", does: "Light, dark or as the system", act: () => showTheme(nextTheme()) },
  { keys: ["escape"], label: "Esc", does: "Close the picture; a camera that was on goes on", act: closePicture },
]);
for (const select of [modelSelect, byId("compare", HTMLSelectElement)]) {
  for (const event of ["pointerenter", "focus"]) select.addEventListener(event, () => void refreshModels());
}
addEventListener("focus", () => void refreshModels());
setInterval(() => void refreshModels(), MODELS_EVERY_MS); // a phone opens a list at the first touch
addEventListener("pagehide", () => live.stop());
void boot();
