"""A page with the page's own painter on it, under the server's content policy, and what tests hand to it."""

import base64
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, CDPSession, Page, Route

from seekcam.localization.painting.colormaps import rgb_table
from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass
from seekcam.localization.settings import COLORMAPS
from seekcam.streamer.http.security import SECURITY_HEADERS

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 320, 240  # of the picture that is painted over

WEB = Path(__file__).parents[2] / "web"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Painter</title>
<link rel="stylesheet" href="/static/css/tokens.css"><link rel="stylesheet" href="/static/css/overlay.css">
<link rel="stylesheet" href="/page.css"><script type="module" src="/page.js"></script></head>
<body><div id="frame"></div></body></html>"""
STYLE = "body { display: block; } #frame { position: relative; width: 640px; height: 480px; background: #000; }"
SCRIPT = """
import { createCompositor } from "/static/overlay/compositor.js";
import { decodeTables } from "/static/overlay/colours.js";
import { contour } from "/static/overlay/contour.js";
import { layOut } from "/static/overlay/layout.js";

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const base64 = (array) => {
  let text = "";
  for (let i = 0; i < array.length; i += 32768) text += String.fromCharCode(...array.subarray(i, i + 32768));
  return btoa(text);
};
const revive = (panes) =>
  panes.map((pane) => ({ ...pane, grids: pane.grids.map((grid) => ({ ...grid, values: bytes(grid.values) })) }));
const read = (context) => {
  const { width, height } = context.canvas;
  return { width, height, data: base64(context.getImageData(0, 0, width, height).data) };
};
const surface = (width, height) => {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return canvas.getContext("2d", { willReadFrequently: true });
};

window.painter = {
  /** A video whose one picture is the PNG. */
  async film(png) {
    const image = new Image();
    image.src = png;
    await image.decode();
    const context = surface(image.width, image.height);
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = context.canvas.captureStream();
    context.drawImage(image, 0, 0);
    await video.play();
    this.video = video;
    const seen = surface(video.videoWidth, video.videoHeight);
    seen.drawImage(video, 0, 0);
    return read(seen);
  },
  open(colormaps, prefer) {
    this.compositor?.close();
    this.compositor = createCompositor(decodeTables(colormaps), { slots: 3, prefer });
    document.getElementById("frame").replaceChildren(this.compositor.element);
    return this.compositor.kind;
  },
  keep(slot) {
    return this.compositor.keep(this.video, slot);
  },
  /** The same from a frame of its own, as the camera's track hands it over; gives what the browser draws of that. */
  async keepFrame(slot, turned) {
    const frame = new VideoFrame(this.video, { timestamp: 0, ...turned });
    const drawn = surface(frame.displayWidth, frame.displayHeight);
    drawn.drawImage(frame, 0, 0);
    let copies = 0;
    const own = frame.copyTo;
    frame.copyTo = (...given) => own.apply(frame, given).finally(() => (copies += 1));
    await this.compositor.keep(frame, slot);
    frame.close();
    return { copies, ...read(drawn) };
  },
  /** Width and height of the picture on the page in a frame of this size, before anybody has measured that. */
  squeezed(width, height) {
    Object.assign(document.getElementById("frame").style, { width, height });
    const box = this.compositor.element.querySelector("canvas").getBoundingClientRect();
    return [box.width, box.height];
  },
  /** Paints; false when there is nothing to paint yet. */
  paint(slot, panes, look) {
    this.compositor.paint(slot, revive(panes), look);
    return this.compositor.size() !== null;
  },
  /** The whole as it is saved. */
  async saved() {
    const bitmap = await createImageBitmap(await this.compositor.snapshot());
    const whole = surface(bitmap.width, bitmap.height);
    whole.drawImage(bitmap, 0, 0);
    return read(whole);
  },
  /** The browser has laid the page out, and put it together. */
  settled() {
    return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  },
  /** What stands on the canvas of marks. */
  async marks() {
    await this.settled();
    return read(this.compositor.element.querySelector(".marks").getContext("2d"));
  },
  /** The frame's place on the page; its marks are seen again when this is called with `false`. */
  async barely(on) {
    this.compositor.element.querySelector(".marks").style.visibility = on ? "hidden" : "";
    await this.settled();
    const { x, y, width, height } = document.getElementById("frame").getBoundingClientRect();
    return { x, y, width, height };
  },
  /** Pixels of the canvas that the picture is drawn on. */
  drawn() {
    const { width, height } = this.compositor.element.querySelector("canvas");
    return [width, height];
  },
  /** Plates of many panes on their own, at a width for each letter that Python can check. */
  lay(cases) {
    const measure = (text, em) => 0.5 * em * text.length;
    return cases.map(([panes, look, width, height]) => layOut(revive(panes)[0], look, width, height, 1, measure));
  },
  /** The whole again, at another size. */
  into(width, height) {
    const drawn = surface(width, height);
    this.compositor.drawInto(drawn, width, height);
    return read(drawn);
  },
  contour(grid) {
    return [...contour({ ...grid, values: bytes(grid.values) })];
  },
  lose() {
    const canvas = this.compositor.element.querySelector("canvas");
    canvas.getContext("webgl2").getExtension("WEBGL_lose_context").loseContext();
  },
};
"""


@dataclass
class Painter:
    """The page's painter, at work in a page of its own under the server's content policy."""

    page: Page
    errors: list[str] = field(default_factory=list)

    @cached_property
    def _devtools(self) -> CDPSession:
        return self.page.context.new_cdp_session(self.page)

    def call(self, name: str, *arguments: object) -> Any:
        """Call one of the script's functions."""
        return self.page.evaluate("([name, rest]) => window.painter[name](...rest)", [name, list(arguments)])

    def film(self, picture: Pixels) -> Pixels:
        """Show a picture as video; what its frame holds comes back."""
        png = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
        return rgba(self.call("film", f"data:image/png;base64,{base64.b64encode(png).decode()}"))[..., :3]

    def open(self, kind: str | None = None) -> str:
        """Start a new painter; how it paints comes back."""
        tables = {name: base64.b64encode(rgb_table(name).tobytes()).decode() for name in COLORMAPS}
        return str(self.call("open", tables, kind))

    def paint(self, panes: list[dict[str, Any]], slot: int = 0, **look: object) -> tuple[Pixels, Pixels]:
        """The picture as it is seen without its marks, and the whole as it is saved."""
        assert self.call("paint", slot, panes, LOOK | look)
        return self.seen(), rgba(self.call("saved"))[..., :3]

    def seen(self) -> Pixels:
        """What the screen shows, but for the marks."""
        clip = self.call("barely", True)
        # Playwright's own screenshot would forget the display that `show` plays.
        shot = self._devtools.send("Page.captureScreenshot", {"format": "png", "clip": clip | {"scale": 1}})
        self.call("barely", False)
        image = cv2.imdecode(np.frombuffer(base64.b64decode(shot["data"]), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return np.ascontiguousarray(image[..., ::-1], np.uint8)

    def show(self, width: int, height: int, density: float = 1) -> None:
        """Give the painter a room of so many CSS pixels, on a display of so many pixels a CSS pixel."""
        screen = {"width": 900, "height": 700, "deviceScaleFactor": density, "mobile": False}
        self._devtools.send("Emulation.setDeviceMetricsOverride", screen)
        self.page.locator("#frame").evaluate(
            "(frame, [width, height]) => Object.assign(frame.style, { width, height })", [f"{width}px", f"{height}px"]
        )


LOOK = {"opacity": 0.5, "colormap": "turbo", "boxes": True, "labels": True, "mirror": False, "line": False}


def rgba(found: dict[str, Any]) -> Pixels:
    """What the page read from a canvas, uint8 [H, W, 4]."""
    data = base64.b64decode(found["data"])
    return np.frombuffer(data, np.uint8).reshape(found["height"], found["width"], 4)


def blob(x: float, y: float, side: int = 14) -> Pixels:
    """A map that is full at a place in parts of the picture and falls off around it."""
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side
    values: Pixels = np.rint(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.06)).astype(np.uint8)
    return values


def predict(*maps: Pixels, boxes: tuple[Box, ...] = (), model: str = "lite0") -> Prediction:
    """A prediction of one class for each map."""
    shown = tuple(
        ClassMap(i, f"class {i}", m.astype(np.float32) / np.float32(255), 0.4, 0.87) for i, m in enumerate(maps)
    )
    return Prediction(model, "cam", tuple(RankedClass(m.index, m.name, m.score) for m in shown), shown, boxes)


def pane(prediction: Prediction, caption: str = "", strength: float = 1.0) -> dict[str, Any]:
    """What the page makes of a prediction."""
    grids = [
        {
            "class": shown.index,
            "score": shown.score,
            "threshold": shown.threshold,
            "rows": shown.grid.shape[0],
            "columns": shown.grid.shape[1],
            "values": base64.b64encode(np.rint(shown.grid * 255).astype(np.uint8).tobytes()).decode(),
        }
        for shown in prediction.maps
    ]
    marks = [
        {
            "name": shown.name,
            "score": shown.score,
            "place": place,
            "boxes": [list(box.box) for box in prediction.boxes if box.index == shown.index],
        }
        for place, shown in enumerate(prediction.maps)
    ]
    return {"grids": grids, "marks": marks, "caption": caption, "strength": strength}


def open_page(browser: Browser) -> Painter:
    """The painter's page; none of its files comes from anywhere but the repository."""
    served = {"": (PAGE, "text/html"), "page.css": (STYLE, "text/css"), "page.js": (SCRIPT, "text/javascript")}

    def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path.removeprefix("/")
        if path in served:
            body, kind = served[path]
            route.fulfill(body=body, content_type=kind, headers=SECURITY_HEADERS)
        elif path.startswith("static/"):
            route.fulfill(path=WEB / path.removeprefix("static/"), headers=SECURITY_HEADERS)
        else:
            route.abort()

    context = browser.new_context(viewport={"width": 900, "height": 700})
    page = context.new_page()
    made = Painter(page)
    page.on("pageerror", lambda error: made.errors.append(str(error)))
    page.on("console", lambda m: made.errors.append(m.text) if "Content Security Policy" in m.text else None)
    page.route("**/*", serve)
    page.goto("http://127.0.0.1/")
    return made
