"""A real server with the default model, and Chromium whose camera is a photograph of a cat that pans."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright
from pydantic import SecretStr
from skimage.data import chelsea

from seekcam.streamer.config import ServerConfig, SourceSpec
from seekcam.studies.chromium import FLAGS as LOCAL_FLAGS
from seekcam.studies.chromium import camera_flags, find_chromium
from tests.browser.pages import Server, Visitor, serve
from tests.browser.painter_page import HEIGHT, WIDTH, Painter, Pixels, open_page

# Names that are not this machine's own, so that their pages are no secure context.
FLAGS = (*LOCAL_FLAGS, "--host-resolver-rules=MAP *.test 127.0.0.1")
TOKEN = "open sesame"

expect.set_options(timeout=15_000)


def write_clip(file: Path, fps: int) -> Path:
    """Write skimage's cat, 640x480 and panning, as YUV4MPEG2: Chromium's fake camera and FFmpeg play that."""
    cat = cv2.resize(chelsea()[..., ::-1], (752, 500), interpolation=cv2.INTER_CUBIC)
    steps = 56 + 50 * np.sin(2 * np.pi * np.arange(20) / 20)
    crops = (np.ascontiguousarray(cat[10:490, int(x) : int(x) + 640]) for x in steps)
    frames = (b"FRAME\n" + cv2.cvtColor(crop, cv2.COLOR_BGR2YUV_I420).tobytes() for crop in crops)
    file.write_bytes(f"YUV4MPEG2 W640 H480 F{fps}:1 Ip A1:1 C420jpeg\n".encode() + b"".join(frames))
    return file


@pytest.fixture(scope="session")
def camera_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera sees."""
    return write_clip(tmp_path_factory.mktemp("camera") / "cat.y4m", fps=8)


@pytest.fixture(scope="session")
def porch_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server's own stream shows, in so few frames that it takes little from the other tests."""
    return write_clip(tmp_path_factory.mktemp("porch") / "porch.y4m", fps=3)


@pytest.fixture(scope="session")
def cat_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cat as a PNG to upload."""
    file = tmp_path_factory.mktemp("picture") / "cat.png"
    assert cv2.imwrite(str(file), chelsea()[..., ::-1])
    return file


@pytest.fixture(scope="session")
def server(default_model_path: Path, porch_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a stream of its own, called "porch"."""
    running = serve(
        ServerConfig(
            port=0,
            provider="cpu",
            model=str(default_model_path),
            source=(SourceSpec("porch", str(porch_clip)),),
            ice_address=("127.0.0.1",),
            recordings=tmp_path_factory.mktemp("recordings"),
            min_free_space=0,
        )
    )
    yield running
    running.stop()


@pytest.fixture(scope="session")
def guarded_server(default_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server behind a token, with room for one session."""
    running = serve(
        ServerConfig(
            port=0,
            provider="cpu",
            model=str(default_model_path),
            token=SecretStr(TOKEN),
            max_sessions=1,
            ice_address=("127.0.0.1",),
            recordings=tmp_path_factory.mktemp("recordings"),
            min_free_space=0,
        )
    )
    yield running
    running.stop()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright, for the whole session."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    found = find_chromium()
    if found is None:
        pytest.fail("The browser tests need Chromium: run `apt-get install chromium` and try again.", pytrace=False)
    return found


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str, camera_clip: Path) -> Iterator[Browser]:
    """Chromium with the cat in front of its camera."""
    flags = [*FLAGS, *camera_flags(camera_clip)]
    running = playwright.chromium.launch(executable_path=chromium, args=flags)
    yield running
    running.close()


@pytest.fixture
def blind_browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """Chromium on a machine without a camera."""
    running = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
    yield running
    running.close()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Opens pages; at the end, none of them may have had an error of its own or broken the content policy."""
    visitor = Visitor(browser)
    yield visitor
    for context in visitor.contexts:
        context.close()
    assert visitor.errors == []


@pytest.fixture(scope="module")
def painter(browser: Browser) -> Iterator[Painter]:
    """One page for all."""
    made = open_page(browser)
    yield made
    made.page.context.close()
    assert made.errors == []


@pytest.fixture(scope="module")
def picture(painter: Painter) -> Pixels:
    """The cat, as the video's frame has it: in the browser and here."""
    return painter.film(cv2.resize(chelsea(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8))
