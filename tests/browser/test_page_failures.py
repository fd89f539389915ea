"""Each failure says what happened and what to do, and the page recovers where it can."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from seekcam.streamer.config import ServerConfig
from tests.browser.conftest import TOKEN
from tests.browser.pages import Server, Visitor, serve, start

pytestmark = pytest.mark.browser

HOLD_TRACK = """
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async wanted => {
    const stream = await open(wanted);
    window.camera = stream.getVideoTracks()[0];
    return stream;
  };"""

DEAFEN = """
  const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
  Object.defineProperty(RTCDataChannel.prototype, "onmessage", {
    set(listener) { set.call(this, event => window.deaf || listener(event)); },
  });"""


def press_start(page: Page) -> None:
    """Press Start, whatever comes of it."""
    page.get_by_role("button", name="Start", exact=True).click()


def expect_notice(page: Page, title: str, advice: str) -> None:
    """The notice says what happened and what to do, and is announced."""
    notice = page.get_by_role("alert").filter(has=page.locator("#notice-title"))
    expect(notice.locator("#notice-title")).to_have_text(title)
    expect(notice.locator("#notice-detail")).to_contain_text(advice)


@pytest.mark.parametrize("missing", ["app.js", "overlay/camera_frames.js"])
def test_a_page_of_which_a_part_is_missing_says_so(browser: Browser, server: Server, missing: str) -> None:
    page = browser.new_context().new_page()
    page.route(f"**/static/{missing}", lambda route: route.abort())
    page.goto(server.url)
    expect_notice(page, "The page did not load", "Is the server running")
    expect(page.locator("#status-text")).to_have_text("Not loaded")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#status-text")).to_have_text("Ready")
    expect(page.locator("#notice")).to_be_hidden()
    page.context.close()


def test_camera_not_allowed(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url, camera=False)
    press_start(page)
    expect_notice(page, "The camera is not allowed", "allow the camera for this page")
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#status-text")).to_have_text("Live")
    expect(page.locator("#notice")).to_be_hidden()


def test_no_camera(blind_browser: Browser, server: Server) -> None:
    page = Visitor(blind_browser).visit(server.url)
    press_start(page)
    expect_notice(page, "No camera found", "Plug one in")


def test_camera_in_use(visitor: Visitor, server: Server) -> None:
    script = """
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = wanted => {
        navigator.mediaDevices.getUserMedia = open;
        return Promise.reject(new DOMException("Could not start video source", "NotReadableError"));
      };"""
    page = visitor.visit(server.url, script=script)
    press_start(page)
    expect_notice(page, "The camera is busy", "Another program or tab holds it")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#status-text")).to_have_text("Live")


def test_camera_unplugged_and_back(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=HOLD_TRACK)
    page.evaluate("() => { camera.stop(); camera.dispatchEvent(new Event('ended')); }")
    expect_notice(page, "The camera was unplugged", "Plug it back in")
    page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    expect(page.locator("#status-text")).to_have_text("Live")


def test_insecure_page_still_takes_pictures(visitor: Visitor, guarded_server: Server, cat_picture: Path) -> None:
    page = visitor.visit(f"http://seekcam.test:{guarded_server.port}/?token={TOKEN}", camera=False)
    assert page.evaluate("isSecureContext") is False
    press_start(page)
    expect_notice(page, "Browsers give cameras to secure pages only", "--tls-cert")
    page.locator("#file").set_input_files(cat_picture)
    expect(page.locator("#status-text")).to_have_text("Picture")


def test_token_is_asked_for_and_kept_out_of_the_address(visitor: Visitor, guarded_server: Server) -> None:
    page = visitor.visit(guarded_server.url)
    dialog = page.get_by_role("dialog", name="This server asks for its token")
    expect(dialog).to_be_visible()
    page.keyboard.type("please")  # the field has the focus
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    dialog.get_by_label("Token").press("Enter")
    expect(dialog).to_contain_text("not the right one")
    dialog.get_by_label("Token").fill(TOKEN)
    dialog.get_by_role("button", name="Continue").click()
    expect(page.locator("#status-text")).to_have_text("Ready")
    page.reload()
    expect(page.locator("#status-text")).to_have_text("Ready")
    invited = visitor.visit(f"{guarded_server.url}?token={TOKEN}")
    expect(invited.locator("#status-text")).to_have_text("Ready")
    assert invited.url == guarded_server.url


def test_declined_token_says_where_to_find_it(visitor: Visitor, guarded_server: Server) -> None:
    page = visitor.visit(guarded_server.url)
    page.get_by_role("button", name="Cancel").click()
    expect_notice(page, "The server asks for its token", "printed when seekcam started")


@pytest.mark.slow
def test_session_cap_waits_and_gets_its_turn(visitor: Visitor, guarded_server: Server) -> None:
    address = f"{guarded_server.url}?token={TOKEN}"
    first = visitor.go_live(address)
    second = visitor.visit(address)
    press_start(second)
    expect_notice(second, "All places are taken", "tries again by itself")
    expect(second.locator("#notice-countdown")).to_contain_text("Next try in")
    first.get_by_role("button", name="Stop", exact=True).click()
    expect(first.locator("#status-text")).to_have_text("Ready")
    second.get_by_role("button", name="Try now").click()
    expect(second.locator("#status-text")).to_have_text("Live")


def test_codec_refused(visitor: Visitor, server: Server) -> None:
    script = """
      const add = RTCPeerConnection.prototype.addTransceiver;
      RTCPeerConnection.prototype.addTransceiver = function (...options) {
        const transceiver = add.apply(this, options);
        const { codecs } = RTCRtpReceiver.getCapabilities("video");
        transceiver.setCodecPreferences(codecs.filter(codec => codec.mimeType === "video/VP9"));
        return transceiver;
      };"""
    page = visitor.visit(server.url, script=script)
    press_start(page)
    expect_notice(page, "Browser and server have no video codec in common", "VP8 and H.264")


@pytest.mark.slow
def test_silent_server_is_noticed(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=DEAFEN)
    page.evaluate("() => { window.deaf = true; }")
    expect(page.locator("#status-text")).to_contain_text("No word from the server for 5 s")
    page.evaluate("() => { window.deaf = false; }")
    expect(page.locator("#status-text")).to_have_text("Live")


@pytest.mark.slow
def test_a_killed_server_is_noticed_at_once(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=DEAFEN)
    page.route("**/api/**", lambda route: route.abort())
    page.evaluate("() => { window.deaf = true; }")
    # Well before the 15 seconds after which silence alone ends a session.
    expect(page.locator("#status-text")).to_have_text("Interrupted", timeout=9_000)
    page.unroute("**/api/**")
    page.evaluate("() => { window.deaf = false; }")
    expect(page.locator("#status-text")).to_have_text("Live")


@pytest.fixture
def short_lived(default_model_path: Path, tmp_path: Path) -> Iterator[list[Server]]:
    """Servers that a test stops and starts; `serve` fills the list."""
    servers: list[Server] = []
    yield servers
    for running in servers:
        running.stop()


@pytest.mark.slow
def test_server_gone_and_back(
    visitor: Visitor, short_lived: list[Server], default_model_path: Path, tmp_path: Path
) -> None:
    config = ServerConfig(
        port=0, provider="cpu", model=str(default_model_path), ice_address=("127.0.0.1",), recordings=tmp_path
    )
    short_lived.append(serve(config))
    page = visitor.go_live(short_lived[0].url)
    short_lived[0].stop()
    expect(page.locator("#notice")).to_be_visible()
    expect_notice(page, "The server does not answer", "Check that seekcam is still running")
    expect(page.locator("#notice-countdown")).to_contain_text("Next try in")
    expect(page.locator("#status-text")).to_have_text("Interrupted")
    short_lived.append(serve(config.model_copy(update={"port": short_lived[0].port})))
    expect(page.locator("#status-text")).to_have_text("Live")
    expect(page.locator("#notice")).to_be_hidden()


def test_server_missing_from_the_start(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url)
    page.route("**/api/**", lambda route: route.abort())
    page.reload()
    expect_notice(page, "The server does not answer", "Check that seekcam is still running")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try again").click()
    start(page)
