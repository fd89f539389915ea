"""Who paints the live picture, this page or the server: chosen before, while connecting, live, or not to be chosen."""

import re

import pytest
from playwright.sync_api import expect

from seekcam.streamer.viewers import viewer
from seekcam.streamer.viewers.outputs import Mode
from seekcam.streamer.viewers.viewer import BusyError
from tests.browser.pages import (
    CATS,
    COUNT,
    FRAMES_BACK,
    VIDEO_MODE,
    Server,
    Visitor,
    choose,
    eventually,
    picture,
    start,
)

pytestmark = pytest.mark.browser

# Which modes were asked for, in this order.
ASKED = """
window.asked = [];
const say = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function (data) {
  const { type, mode } = JSON.parse(data);
  if (type === "mode") asked.push(mode);
  say.call(this, data);
};
"""


def test_modes_change_live_and_are_kept(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=COUNT)
    expect(picture(page)).to_have_class("overlay")
    choose(page, "mode", "video")
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")
    expect(page.locator("#overlay-fields")).to_be_hidden()
    eventually(page, lambda: page.evaluate("counts.texts") > 3)
    assert page.evaluate(FRAMES_BACK) > 0
    choose(page, "mode", "overlay")
    expect(picture(page)).to_have_class("overlay")
    choose(page, "display", "live")
    page.locator("#smoothing").fill("0.5")
    page.get_by_role("switch", name="Threshold line").check()
    choose(page, "mode", "video")
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")

    page.reload()
    start(page)
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")
    choose(page, "mode", "overlay")
    expect(picture(page)).to_have_class("overlay")
    expect(page.locator("input[name=display][value=live]")).to_be_checked()
    expect(page.locator("#smoothing-value")).to_have_text("0.50 s")
    expect(page.locator("#smoothing")).to_have_attribute("aria-valuetext", "0.50 seconds")
    expect(page.get_by_role("switch", name="Threshold line")).to_be_checked()
    page.get_by_role("button", name="Back to the defaults").click()
    expect(page.locator("input[name=display][value=exact]")).to_be_checked()
    expect(page.locator("#smoothing-value")).to_have_text("off")


def test_a_mode_that_is_taken_back_at_once_is_the_one_that_stays(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=f"{COUNT}{ASKED}")
    page.evaluate("for (const mode of ['video', 'overlay']) document.querySelector(`input[value=${mode}]`).click()")
    eventually(page, lambda: page.evaluate("asked").count("overlay") > 0)
    assert page.evaluate("asked")[:2] == ["video", "overlay"]
    so_far = page.evaluate("counts.bytes")
    eventually(page, lambda: page.evaluate("counts.bytes") > so_far + 10)
    expect(picture(page)).to_have_class("overlay")


def test_a_mode_that_is_chosen_while_connecting_comes_into_force(visitor: Visitor, server: Server) -> None:
    slow = """
      const ask = fetch;
      window.fetch = async (address, options) => {
        if (options?.method === "POST") await new Promise((resolve) => { window.answer = resolve; });
        return ask(address, options);
      };"""
    page = visitor.visit(server.url, script=f"{COUNT}{slow}")
    page.get_by_role("button", name="Start", exact=True).click()
    eventually(page, lambda: page.evaluate("typeof answer") == "function")
    choose(page, "mode", "video")
    page.evaluate("answer()")
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")
    eventually(page, lambda: page.evaluate("counts.texts") > 3)


def test_an_overlay_that_is_confirmed_while_the_camera_changes_opens_with_the_new_camera(
    visitor: Visitor, server: Server
) -> None:
    held = """
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        if (window.hold) await new Promise((resolve) => { window.go = resolve; });
        return open(wanted);
      };"""
    page = visitor.go_live(server.url, script=f"{COUNT}{VIDEO_MODE}{held}")
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")
    page.evaluate("window.hold = true")
    page.locator("#resolution").select_option("320x240")
    eventually(page, lambda: page.evaluate("typeof go") == "function")
    choose(page, "mode", "overlay")
    eventually(page, lambda: page.evaluate("counts.modes").count("overlay") > 0)
    page.evaluate("go()")
    expect(picture(page)).to_have_class("overlay")
    eventually(page, lambda: page.evaluate("counts.bytes") > 3)


def test_a_track_that_is_told_after_the_servers_first_message_is_shown_all_the_same(
    visitor: Visitor, server: Server
) -> None:
    """Chromium tells both from threads of their own, so on a busy machine they may come in either order."""
    late = """
      const { set: listen } = Object.getOwnPropertyDescriptor(RTCPeerConnection.prototype, "ontrack");
      Object.defineProperty(RTCPeerConnection.prototype, "ontrack", { set(listener) {
        listen.call(this, (event) => { window.tell = () => listener(event); });
      } });"""
    page = visitor.visit(server.url, script=f"{VIDEO_MODE}{late}")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".rank").first).to_be_visible()
    page.evaluate("tell()")
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")


def test_a_mode_that_is_refused_is_not_shown_as_chosen(
    visitor: Visitor, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visitor.go_live(server.url, script=COUNT)

    def refuse(mode: object, own_camera: bool) -> Mode:
        raise BusyError("Not now.")

    with monkeypatch.context() as patch:
        patch.setattr(viewer, "checked_mode", refuse)
        # Not by `choose`, which wants to find it checked: the answer may be faster.
        page.evaluate("document.querySelector('input[name=mode][value=video]').click()")
        expect(page.get_by_text("Not now.").first).to_be_visible()
    expect(page.locator("input[name=mode][value=overlay]")).to_be_checked()
    expect(picture(page)).to_have_class("overlay")
    choose(page, "mode", "video")
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")


@pytest.mark.slow
def test_a_browser_that_cannot_paint_leaves_it_to_the_server(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script="delete CanvasRenderingContext2D.prototype.roundRect;")
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")
    expect(page.locator("#mode-hint")).to_contain_text("cannot paint over its camera’s picture")
    expect(page.locator("input[name=mode][value=overlay]")).to_be_disabled()

    seems_able = "window.ResizeObserver = class { constructor() { throw new Error('no observer'); } };"
    page = visitor.go_live(server.url, script=seems_able)
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")
    expect(page.locator("#mode-hint")).to_contain_text("could not paint the picture (no observer)")
    expect(page.get_by_role("radiogroup", name="Painted by")).to_have_accessible_description(re.compile("no observer"))
    expect(page.locator("input[name=mode][value=video]")).to_be_checked()


def test_the_server_paints_where_it_was_chosen_before(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=VIDEO_MODE)
    expect(picture(page)).to_have_js_property("tagName", "VIDEO")
    expect(page.locator("#headline")).to_have_attribute("data-tone", "shown")
    assert page.locator("#headline").inner_text() in CATS
    expect(page.locator("#legend")).to_contain_text("paint")
