"""A server for the browser, and what the tests read from and do to the page."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from aiohttp import web
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from seekcam.streamer.config import ServerConfig
from seekcam.streamer.server import create_app

PATIENCE = 150  # tries, ten a second
START_LIMIT = 60.0  # seconds to load the model
VIDEO_MODE = """localStorage.setItem("seekcam.picture", JSON.stringify({mode: "video"}));"""
# Counts what comes back on the two ways, and notes the modes that the server says are in force.
COUNT = """
window.counts = {bytes: 0, texts: 0, longest: 0, modes: []};
const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
Object.defineProperty(RTCDataChannel.prototype, "onmessage", { set(listener) {
  set.call(this, (event) => {
    if (this.label === "seekcam-results") {
      if (typeof event.data === "string") counts.texts += 1;
      else { counts.bytes += 1; counts.longest = Math.max(counts.longest, event.data.byteLength); }
    } else {
      const { type, mode } = JSON.parse(event.data);
      if (type === "state") counts.modes.push(mode);
    }
    listener(event);
  });
} });
"""
FRAMES_BACK = """async () => [...(await peers.at(-1).getStats()).values()]
  .filter(({ type, kind }) => type === "inbound-rtp" && kind === "video")
  .reduce((sum, { framesDecoded = 0 }) => sum + framesDecoded, 0)"""
# What a failed start is told with: nobody can look at a machine that builds.
PEERS = """
window.peers = [];
window.videos = [];
window.RTCPeerConnection = new Proxy(RTCPeerConnection, {
  construct(Peer, given) {
    const peer = new Peer(...given);
    peers.push(peer);
    return peer;
  },
});
const make = document.createElement.bind(document);
document.createElement = (...given) => {
  const made = make(...given);
  if (made.tagName === "VIDEO") videos.push(made);
  return made;
};
"""
TRAFFIC = """async () => ({
  shown: document.visibilityState,
  videos: videos.map(({ readyState, paused, networkState, videoWidth, isConnected, srcObject }) => ({
    readyState, paused, networkState, videoWidth, isConnected,
    tracks: srcObject?.getTracks().map(({ readyState, muted, enabled }) => ({ readyState, muted, enabled })) })),
  peers: await Promise.all(peers.map(async (peer) => ({
    state: peer.connectionState,
    stats: [...(await peer.getStats()).values()].filter(({ type }) => ["inbound-rtp", "transport"].includes(type)) }))),
})"""
PALE = 0.49  # colourfulness of the camera's cat: 0.42 to 0.46 alone, 0.53 and more with a map half over it
CATS = ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat", "lynx")


@dataclass
class Server:
    """A running server; its event loop lives in a thread of its own."""

    url: str
    port: int
    stop: Callable[[], None]


def serve(config: ServerConfig) -> Server:
    """Start a server and wait until it listens."""
    loop = asyncio.new_event_loop()
    started: list[web.AppRunner] = []
    ready = threading.Event()

    async def start() -> None:
        runner = web.AppRunner(create_app(config), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, config.host, config.port).start()
        started.append(runner)

    def live() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(start())
        finally:
            ready.set()
        loop.run_forever()

    thread = threading.Thread(target=live, name="server", daemon=True)
    thread.start()
    assert ready.wait(START_LIMIT), "the server took too long to load the model"
    assert started, "the server did not start; the thread's error says why"

    def stop() -> None:
        if loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(started[0].cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()

    port = started[0].addresses[0][1]
    return Server(f"http://127.0.0.1:{port}/", port, stop)


@dataclass
class Visitor:
    """Opens pages, each in a browser context of its own, and collects the errors that happen in them."""

    browser: Browser
    errors: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def visit(self, address: str, *, camera: bool = True, script: str = "", **options: Any) -> Page:
        """Open a page, with the camera allowed or not; `script` runs before the page's own."""
        size = {"viewport": {"width": 1280, "height": 800}}
        context = self.browser.new_context(permissions=["camera"] if camera else [], **(size | options))
        self.contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note_violation)
        page.add_init_script(PEERS)
        if script:
            page.add_init_script(script)
        page.goto(address)
        return page

    def _note_violation(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def go_live(self, address: str, **options: Any) -> Page:
        """Open a page, start its camera and wait for annotated video and results."""
        page = self.visit(address, **options)
        start(page)
        return page


def start(page: Page) -> None:
    """Press Start and wait for annotated video and results."""
    page.get_by_role("button", name="Start", exact=True).click()
    try:
        expect(page.locator("#status-text")).to_have_text("Live")
        expect(picture(page)).to_be_visible()
        expect(page.locator(".rank").first).to_be_visible()
    except AssertionError as error:
        error.add_note(json.dumps(page.evaluate(TRAFFIC)))
        raise


def choose(page: Page, name: str, value: str) -> None:
    """One of the panel's radios."""
    page.locator(f"input[name={name}][value={value}]").check(force=True)


def eventually(page: Page, check: Callable[[], bool]) -> None:
    """Wait until `check` holds; Playwright's own way needs `eval`, which the page's content policy forbids."""
    for _ in range(PATIENCE):
        if check():
            return
        page.wait_for_timeout(100)
    raise AssertionError("what the test waits for has not come")


def picture(page: Page) -> Locator:
    """The annotated video or picture, not the camera's own preview."""
    return page.locator("#frame > :not(.waiting)")


def pixels(page: Page) -> NDArray[np.float32]:
    """What the person sees, as RGB [48, 64, 3]."""
    shown = cv2.imdecode(np.frombuffer(picture(page).screenshot(), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown is not None
    return cv2.resize(shown, (64, 48), interpolation=cv2.INTER_AREA).astype(np.float32)


def is_marked(page: Page) -> bool:
    """Whether there is a map over the camera's cat."""
    return colourfulness(pixels(page)) > PALE


def colourfulness(rgb: NDArray[np.float32]) -> float:
    """Mean saturation in [0, 1]: a turbo map over a picture lifts it, a picture alone does not change it."""
    hsv = cv2.cvtColor((rgb / 255).astype(np.float32), cv2.COLOR_RGB2HSV)
    return float(hsv[..., 1].mean())
