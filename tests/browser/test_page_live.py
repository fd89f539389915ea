"""The live page: annotated video, what is seen, and every control while it runs."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import CATS, VIDEO_MODE, Server, Visitor, eventually, is_marked, pixels, start

pytestmark = pytest.mark.browser


def figure(page: Page, name: str) -> float:
    """A number of the strip, once it is there."""
    cell = page.locator(f"#figure-{name}")
    expect(cell).not_to_have_text("–")
    return float(cell.inner_text().split()[0].split("×")[0])


def test_the_cat_is_seen_marked_and_measured(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    headline = page.locator("#headline")
    expect(headline).to_have_attribute("data-tone", "shown")
    assert headline.inner_text() in CATS
    assert figure(page, "fps") > 0
    assert figure(page, "latency") > 0
    assert figure(page, "dropped") >= 0
    assert figure(page, "size") == 640
    expect(page.locator("#legend")).to_contain_text("infer")
    eventually(page, lambda: is_marked(page))
    page.locator("#opacity").fill("0")
    expect(page.locator("#opacity-value")).to_have_text("0%")
    eventually(page, lambda: not is_marked(page))


def test_class_method_threshold_and_paint_change_live(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    search = page.get_by_role("combobox", name="Mapped class")

    # A class by keyboard: the server maps it, though it is not what it sees.
    search.fill("cat")
    expect(page.locator("#class-list li").first).to_have_text("tiger cat")  # before "catamaran"
    search.fill("lens cap")
    search.press("Enter")
    expect(page.locator("#headline")).to_have_text("lens cap")
    expect(page.locator("#subline")).to_have_text(re.compile(r"Mapped, as you chose, below \d+%"))
    search.fill("lens cap")
    search.press("Enter")  # once more keeps it
    search.fill("892")
    expect(page.locator("#class-list li").first).to_have_text("wall clockclass 892")
    search.press("Enter")
    expect(page.locator("#headline")).to_have_text("lens cap, wall clock")
    page.get_by_role("button", name="Stop mapping lens cap").click()
    expect(page.locator("#headline")).to_have_text("wall clock")
    search.press("Escape")
    search.press("Backspace")
    expect(page.locator("#headline")).not_to_have_text("wall clock")

    # A bar maps its class, and a second click lets it go.
    second = page.locator(".rank").nth(1)
    second.hover()
    name = second.locator(".name").inner_text()
    second.click()
    expect(page.locator("#headline")).to_have_text(name)
    expect(second).to_have_attribute("aria-pressed", "true")
    second.click()
    expect(second).to_have_attribute("aria-pressed", "false")
    page.mouse.move(10, 10)

    # What the page shows after a reply is the server's truth.
    page.get_by_label("Method", exact=True).select_option("finercam")
    page.get_by_role("radio", name="Plain").check()
    page.get_by_label("Fixed threshold").fill("0.6")
    page.get_by_label("Box around").select_option("components")
    page.get_by_role("radio", name="Viridis").check()
    page.get_by_role("switch", name="Labels").uncheck()
    expect(page.locator("#threshold-value")).to_have_text("0.60")
    expect(page.get_by_role("radio", name="Fixed")).to_be_checked()
    wanted = {"method": "finercam", "map": "plain", "threshold": 0.6, "box": "components", "classes": "top"}

    def arrived() -> bool:
        streams = page.evaluate("fetch('/api/streams').then(answer => answer.json())")
        settings = next(stream for stream in streams if stream["source"] == "camera")["settings"]
        return all(settings[name] == value for name, value in wanted.items())

    eventually(page, arrived)


def test_a_row_keeps_its_class_under_the_pointer_and_the_focus(visitor: Visitor, server: Server) -> None:
    script = """
      window.turned = false;
      const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
      Object.defineProperty(RTCDataChannel.prototype, "onmessage", {
        set(listener) {
          set.call(this, ({ data }) => {
            const message = JSON.parse(data);
            if (message.top && turned) message.top.reverse();
            listener({ data: JSON.stringify(message) });
          });
        },
      });"""
    page = visitor.go_live(server.url, script=VIDEO_MODE + script)
    row, name = page.locator(".rank").first, page.locator(".rank .name").first

    def turn() -> None:
        page.evaluate("window.turned = !window.turned")
        page.wait_for_timeout(500)  # several redraws

    row.hover()
    pointed = name.inner_text()
    row.click()  # which focuses it too
    expect(row).to_have_attribute("aria-pressed", "true")
    turn()
    assert name.inner_text() == pointed
    row.press("Tab")  # on to the second row, by keyboard
    focused = page.locator(".rank .name").nth(1).inner_text()
    page.mouse.move(10, 10)
    turn()
    assert page.locator(".rank .name").nth(1).inner_text() == focused
    page.get_by_role("combobox", name="Mapped class").focus()
    turn()
    expect(name).not_to_have_text(pointed)  # the last of five leads now


@pytest.mark.slow
def test_the_picture_is_mirrored_by_the_server(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=VIDEO_MODE)
    page.get_by_role("switch", name="Boxes").uncheck()
    page.get_by_role("switch", name="Labels").uncheck()
    eventually(page, lambda: is_marked(page))
    page.locator("#opacity").fill("0")
    eventually(page, lambda: not is_marked(page))
    before = pixels(page)

    def flipped() -> bool:
        after = pixels(page)[:, 12:-12]
        # It pans by up to 100 of 640 pixels between the two, so it is compared with itself, shifted.
        windows = [slice(12 + shift, 52 + shift) for shift in range(-11, 12)]
        same = min(abs(after - before[:, window]).mean() for window in windows)
        return bool(min(abs(after - before[:, ::-1][:, window]).mean() for window in windows) < same * 0.8)

    assert not flipped()
    page.get_by_role("button", name="Mirror").click()
    expect(page.get_by_role("button", name="Mirror")).to_have_attribute("aria-pressed", "true")
    eventually(page, flipped)


def test_settings_survive_a_reload(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url)
    page.get_by_label("Method", exact=True).select_option("layercam")
    page.locator("#opacity").fill("0.25")
    page.locator("#resolution").select_option("320x240")
    page.get_by_role("combobox", name="Mapped class").fill("tiger cat")
    page.get_by_role("combobox", name="Mapped class").press("Enter")
    page.reload()
    expect(page.get_by_label("Method", exact=True)).to_have_value("layercam")
    expect(page.locator("#opacity-value")).to_have_text("25%")
    expect(page.locator("#resolution")).to_have_value("320x240")
    expect(page.locator(".chip")).to_have_text("tiger cat")
    start(page)
    expect(page.locator("#headline")).to_have_text("tiger cat")
    expect(page.locator("#figure-size")).to_have_text("320×240")
    page.get_by_role("button", name="Back to the defaults").click()
    expect(page.locator("#opacity-value")).to_have_text("50%")
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.get_by_label("Method", exact=True)).to_have_value("cam")


def test_another_resolution_comes_over_the_same_connection(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    page.locator("#resolution").select_option("320x240")
    width = "peers[0].getSenders()[0].track.getSettings().width"
    eventually(page, lambda: page.evaluate(width) == 320)
    expect(page.locator("#figure-size")).to_have_text("320×240")
    expect(page.locator("#status-text")).to_have_text("Live")
    assert page.evaluate("peers.length") == 1


def test_what_an_old_or_foreign_visit_left_does_no_harm(visitor: Visitor, server: Server) -> None:
    left = json.dumps({"model": "gone", "classes": [123456], "method": "none", "opacity": "much", "shape": 3})
    page = visitor.visit(server.url, script=f"localStorage.setItem('seekcam.settings', {json.dumps(left)})")
    expect(page.locator("#model")).to_have_value("efficientnet-lite0")
    expect(page.locator("#opacity-value")).to_have_text("50%")
    expect(page.get_by_label("Method", exact=True)).to_have_value("cam")
    start(page)


def test_the_spread_map_that_an_earlier_page_kept_as_its_default_gives_way(visitor: Visitor, server: Server) -> None:
    left = json.dumps({"map": "spread", "opacity": 0.25})
    once = f"if (!localStorage.length) localStorage.setItem('seekcam.settings', {json.dumps(left)})"
    page = visitor.visit(server.url, script=once)
    expect(page.locator("#opacity-value")).to_have_text("25%")
    expect(page.get_by_role("radio", name="Objectness")).to_be_checked()
    page.get_by_role("radio", name="Spread").check()  # now it is a choice
    page.reload()
    expect(page.get_by_role("radio", name="Spread")).to_be_checked()
    page.get_by_role("button", name="Back to the defaults").click()
    page.reload()
    expect(page.get_by_role("radio", name="Objectness")).to_be_checked()


def test_each_kind_of_map_has_its_help_and_its_own_threshold(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    said = {
        "Objectness": ("The class map that stays on what is a thing; the default.", "0.50"),
        "Spread": ("The class map, spread along similar regions alone.", "Otsu’s"),
        "Plain": ("The class map as it is.", "0.30"),
        "Foreground": ("What is a thing at all, whatever its class.", "0.50"),
    }
    for name, (hint, threshold) in said.items():
        expect(page.get_by_role("radio", name=name)).to_be_checked()
        expect(page.locator("#map-hint")).to_have_text(hint)
        expect(page.locator("#threshold-value")).to_have_text(threshold)
        eventually(page, lambda: is_marked(page))
        page.keyboard.press("p")
    expect(page.get_by_role("radio", name="Objectness")).to_be_checked()  # round


def test_not_sure_is_said_calmly(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    page.get_by_label("Not sure below").fill("0.95")
    expect(page.locator("#headline")).to_have_text("Not sure")
    expect(page.locator("#subline")).to_contain_text("95%")
    expect(page.locator("#ranking .rank")).to_have_count(5)  # the ranking stays
    page.get_by_role("switch", name="Labels").uncheck()  # the server no longer writes it, so the page does
    expect(page.locator("#unsure")).to_be_visible()


def test_a_class_that_is_held_though_another_leads_is_not_called_top(visitor: Visitor, server: Server) -> None:
    script = """
      const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
      Object.defineProperty(RTCDataChannel.prototype, "onmessage", {
        set(listener) {
          set.call(this, ({ data }) => {
            const message = JSON.parse(data);
            if (message.top) message.shown = [message.top[1].class];
            listener({ data: JSON.stringify(message) });
          });
        },
      });"""
    page = visitor.go_live(server.url, script=VIDEO_MODE + script)
    expect(page.locator("#subline")).to_have_text(re.compile(r"Held steady, \d+%"))
    expect(page.locator("#subline")).to_have_attribute("title", re.compile("Another class leads"))


def test_watching_a_stream_shares_its_analysis_but_not_its_paint(visitor: Visitor, server: Server) -> None:
    first, second = visitor.visit(server.url, camera=False), visitor.visit(server.url, camera=False)
    for page in (first, second):
        page.locator("#source").select_option(label=page.locator("#source option[value='stream:porch']").inner_text())
        start(page)
    expect(first.locator("#shared")).to_contain_text("one other viewer")
    first.get_by_label("Method", exact=True).select_option("recombined")
    first.get_by_role("radio", name="Inferno").check()
    expect(second.get_by_label("Method", exact=True)).to_have_value("recombined")
    expect(second.get_by_role("radio", name="Turbo")).to_be_checked()
    second.get_by_role("button", name="Stop", exact=True).click()
    expect(second.locator("#status-text")).to_have_text("Ready")
    expect(second.get_by_label("Method", exact=True)).to_have_value("cam")  # one's own wish again
    first.get_by_label("Method", exact=True).select_option("cam")


def test_a_refused_setting_comes_back_with_the_reason_beside_it(visitor: Visitor, server: Server) -> None:
    # The page offers nothing impossible, so the wrong value enters between it and the server.
    script = """
      const send = RTCDataChannel.prototype.send;
      RTCDataChannel.prototype.send = function (data) {
        return send.call(this, data.replace('"method":"layercam"', '"method":"palmistry"'));
      };"""
    page = visitor.go_live(server.url, script=script)
    page.get_by_label("Method", exact=True).select_option("layercam")
    expect(page.locator("[data-setting=method] .field-error")).to_contain_text("palmistry")
    expect(page.get_by_label("Method", exact=True)).to_have_value("cam")
