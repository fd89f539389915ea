"""The page in a real Chromium whose camera shows a clip: press Start, change modes, watch it work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Error, Page, async_playwright

from seekcam.localization.errors import UserError
from seekcam.streamer.bench.moving_photograph import LOOP
from seekcam.streamer.bench.server_process import ServerProcess
from seekcam.studies.chromium import FLAGS, camera_flags, find_chromium
from seekcam.studies.overlay_timing.numbered import FPS

PROBE = (Path(__file__).parent / "probe.js").read_text(encoding="utf-8")
SETTLE_S = 3.0  # sender reports come, the bitrate rises, the hold-back is learnt
DRAWN_S = 3.0  # of painting that is waited for: it disturbs everything else, so it is a measurement of its own
PATIENCE_MS = 20_000.0


class BrowserError(UserError):
    """The page could not be watched."""

    code = "browser-failed"
    exit_code = 1


@dataclass(frozen=True)
class WatchedPage:
    """What the probe brought back of one mode."""

    mode: str  # "exact", "live" or "video"
    seconds: float
    cpu: float | None  # the server's, % of one core
    data: dict[str, Any]
    drawn: list[float]  # milliseconds of keeping and painting a frame, all drawing included


@dataclass(frozen=True)
class Traffic:
    """What the browser's statistics say of half a minute of video mode."""

    camera: tuple[int, int]  # width and height of the stream that is sent, when the time begins
    camera_end: tuple[int, int]
    sent_mbps: float
    returned_mbps: float
    keyframes: int
    fps: float


@asynccontextmanager
async def open_page(url: str, clip: Path, size: str) -> AsyncIterator[Page]:
    """Chromium on the page of the server at `url`, with the probe in place and the camera's size chosen.

    Raises:
        BrowserError: there is no Chromium, or the page does not do what it should.
    """
    chromium = find_chromium()
    if chromium is None:
        raise BrowserError("There is no Chromium here: install it (Debian: apt-get install chromium).")
    async with async_playwright() as driver:
        flags = [*FLAGS, *camera_flags(clip)]
        browser = await driver.chromium.launch(executable_path=chromium, args=flags)
        try:
            context = await browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 800})
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            await page.goto(url)
            await page.evaluate(PROBE)
            await page.locator("#resolution").select_option(size)
            yield page
        except Error as error:
            raise BrowserError(f"The page did not do what it should: {error.message.splitlines()[0]}") from error
        finally:
            await browser.close()


async def start(page: Page, mode: str) -> None:
    """Press Start, with `mode` chosen, and wait until its picture is there."""
    await choose(page, mode)
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.locator(".rank").first.wait_for()
    await page.locator(_picture(mode)).wait_for()


async def choose(page: Page, mode: str) -> None:
    """Let the page paint, in display "exact" or "live", or the server, in "video"."""
    chosen = {"mode": "video"} if mode == "video" else {"mode": "overlay", "display": mode}
    for name, value in chosen.items():
        await page.locator(f"input[name={name}][value={value}]").check(force=True)


async def watch(page: Page, server: ServerProcess, mode: str, seconds: float) -> WatchedPage:
    """Go over to `mode`, let it settle, and watch it for so long."""
    await choose(page, mode)
    await page.locator(_picture(mode)).wait_for()
    await asyncio.sleep(SETTLE_S)
    await page.evaluate("probe.watch()" if mode == "video" else "probe.begin(false)")
    used = server.cpu_seconds()
    await asyncio.sleep(seconds)
    used_then = server.cpu_seconds()
    cpu = None if used is None or used_then is None else 100 * (used_then - used) / seconds
    if mode == "video":
        await asyncio.sleep(LOOP / FPS / 2)  # the annotated frames are behind
        return WatchedPage(mode, seconds, cpu, await page.evaluate("probe.unwatch()"), [])
    data = await page.evaluate("probe.end()")
    await page.evaluate("probe.begin(true)")
    await asyncio.sleep(DRAWN_S)
    drawn = (await page.evaluate("probe.end()"))["work"]
    await page.evaluate("probe.begin(false)")
    return WatchedPage(mode, seconds, cpu, data, drawn)


async def traffic(page: Page, after: float, seconds: float) -> Traffic:
    """Read the browser's statistics `after` so many seconds, and once more `seconds` later."""
    await asyncio.sleep(after)
    first = await page.evaluate("probe.traffic()")
    await asyncio.sleep(seconds)
    last = await page.evaluate("probe.traffic()")
    passed = (last["moment"] - first["moment"]) / 1e3

    def rate(name: str) -> float:
        return float((last[name] - first[name]) / passed)

    return Traffic(
        camera=tuple(first["camera"]),
        camera_end=tuple(last["camera"]),
        sent_mbps=8e-6 * rate("sent"),
        returned_mbps=8e-6 * rate("returned"),
        keyframes=last["keyframes"] - first["keyframes"],
        fps=rate("decoded"),
    )


def _picture(mode: str) -> str:
    return "#frame > video:not(.waiting)" if mode == "video" else "#frame > .overlay"
