"""How the page looks and is reached: phone, light and dark, names, focus, keys, motion; and it asks nobody else."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import Server, Visitor, start

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
ROLES = {"button", "textbox", "combobox", "slider", "radio", "checkbox", "switch", "link", "dialog", "image", "option"}
# Contrast by WCAG 2.2, success criterion 1.4.3, of the texts that are on the screen.
CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("p, h1 span, h2, label, button, dt, dd, select, small, li, output")) {
    const text = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const shown = element.checkVisibility() && element.getBoundingClientRect().width > 2;
    if (!text || !shown || element.closest(":disabled, .pill, #noscript")) continue;
    const [a, b] = [rgba(getComputedStyle(element).color), behind(element)].map(luminance).sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${element.id || element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


def nameless(page: Page) -> list[str]:
    """Controls in the accessibility tree, as Chromium computes it, that have no name."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        str(node["role"]["value"])
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in ROLES and not node.get("name", {}).get("value", "").strip()
    ]


def test_every_control_has_a_name(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    page.get_by_role("combobox", name="Mapped class").fill("cat")
    page.get_by_role("combobox", name="Mapped class").press("Enter")
    page.get_by_role("combobox", name="Mapped class").fill("dog")
    assert nameless(page) == []
    assert page.locator("button, input, select").count() > 40
    page.locator("#help-open").click()
    assert nameless(page) == []


def test_nothing_is_asked_of_anyone_else(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.reload()
    start(page)
    assert len(addresses) > 20
    assert [address for address in addresses if not address.startswith((server.url, "blob:", "data:"))] == []


def test_phone(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url, **PHONE)
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not page.evaluate(wide)
    expect(page.locator("#source")).to_contain_text("Back camera")
    expect(page.get_by_role("button", name="Front or back camera")).to_be_visible()
    start(page)
    assert not page.evaluate(wide)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_role("heading", name="Recordings")).to_be_in_viewport()
    expect(page.locator("#frame > *")).to_be_in_viewport(ratio=0.9)  # the picture stays in sight
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_in_viewport(ratio=1)
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select")]
          .filter(control => control.checkVisibility() && !control.closest(".chip, .quiet, .rank"))
          .map(control => [control.id, control.getBoundingClientRect()])
          .filter(([, box]) => box.width > 0 && (box.width < 36 || box.height < 36)).map(([id]) => id)"""
    )
    assert small == []
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("combobox", name="Mapped class").click()
    expect(page.locator("#class-list")).to_be_in_viewport(ratio=1)
    below = "document.querySelector('#class-list').getBoundingClientRect().bottom"
    assert page.evaluate(f"{below} <= document.querySelector('.transport').getBoundingClientRect().top")
    page.get_by_role("combobox", name="Mapped class").press("Escape")
    page.get_by_role("button", name="Front or back camera").click()
    expect(page.locator("#source")).to_have_value("camera:environment")
    expect(page.locator("#status-text")).to_have_text("Live")


def test_no_size_scrolls_sideways(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url)
    expect(page.locator("#status-text")).to_have_text("Ready")
    for width, height in ((1920, 1080), (1024, 700), (844, 390), (320, 640)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.get_by_role("button", name="Start", exact=True)).to_be_in_viewport(ratio=1)


def test_text_is_readable_in_light_and_dark(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url, reduced_motion="reduce")  # colours change at once
    expect(page.locator("#status-text")).to_have_text("Ready")
    for _ in range(2):
        page.emulate_media(color_scheme="light")
        assert page.evaluate(CONTRAST) == []
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(CONTRAST) == []
        if page.locator("#status-text").inner_text() == "Ready":
            start(page)
            page.locator(".rank").nth(1).click()
            expect(page.locator(".rank[aria-pressed=true]")).to_be_visible()


def test_light_and_dark_follow_the_system_until_chosen(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background)
    assert dark != light
    page.get_by_role("button", name="Colours: as the system").click()
    page.get_by_role("button", name="Colours: light").click()
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert page.evaluate(background) == dark
    page.reload()
    assert page.evaluate(background) == dark


def test_keys(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    shortcuts = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(shortcuts).to_be_visible()
    assert shortcuts.evaluate("dialog => dialog.scrollHeight <= dialog.clientHeight")  # all in sight
    page.keyboard.press("m")  # asks for nothing while the help is open
    page.keyboard.press("Escape")
    expect(shortcuts).to_be_hidden()
    expect(page.locator("#mirror")).not_to_be_checked()
    for key, name in (("m", "mirror"), ("b", "boxes"), ("l", "labels")):
        was = page.locator(f"#{name}").is_checked()
        page.keyboard.press(key)
        expect(page.locator(f"#{name}")).to_be_checked(checked=not was)
    page.keyboard.press("]")
    expect(page.locator("#opacity-value")).to_have_text("60%")
    page.keyboard.press("p")
    expect(page.get_by_role("radio", name="Spread")).to_be_checked()
    page.keyboard.press("c")
    expect(page.get_by_role("radio", name="Jet")).to_be_checked()
    page.keyboard.press("n")
    expect(page.locator("#method")).to_have_value("gradcam")
    page.keyboard.press("1")
    expect(page.locator(".chip")).to_have_count(1)
    page.keyboard.press("0")
    expect(page.locator(".chip")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("mb")  # letters in a field are letters
    expect(page.locator("#class-list [role=option]").first).to_be_visible()
    expect(page.locator("#mirror")).to_be_checked()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.locator("#stage:fullscreen")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("#stage:fullscreen")).to_have_count(0)
    page.keyboard.press(" ")
    expect(page.locator("#status-text")).to_have_text("Ready")

    page.keyboard.press("?")
    page.get_by_role("switch", name="Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("m")
    expect(page.locator("#mirror")).to_be_checked()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url)
    expect(page.locator("#status-text")).to_have_text("Ready")
    seen: set[str] = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        where, ring = page.evaluate(
            """() => {
              const element = document.activeElement;
              const shown = [element, element.nextElementSibling, element.parentElement];
              return [element.id || element.name || element.className, shown.some(part =>
                part instanceof Element && getComputedStyle(part).outlineStyle === "solid")];
            }"""
        )
        seen.add(where)
        assert ring or where == "", f"no focus ring on {where}"
    wanted = (
        "model theme help-open start upload mirror-button source resolution class-search map method opacity colormap "
        "box threshold min-score boxes labels mirror reset"
    )
    assert set(wanted.split()) <= seen


def test_reduced_motion(visitor: Visitor, server: Server) -> None:
    page = visitor.visit(server.url, reduced_motion="reduce")
    animated = "getComputedStyle(document.querySelector('.spinner')).animationName"
    assert page.evaluate(animated) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(animated) == "turn"
