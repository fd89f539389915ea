"""Two models side by side on the page: live, on a picture, on a phone, and again after a reload."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from seekcam.streamer.config import ServerConfig
from tests.browser.pages import CATS, Server, Visitor, eventually, serve, start

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def library(small_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    shutil.copyfile(small_model_path, folder / "small.onnx")
    return folder


@pytest.fixture(scope="module")
def duo(default_model_path: Path, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEKCAM_MODELS", str(library))
        running = serve(
            ServerConfig(
                port=0,
                provider="cpu",
                model=str(default_model_path),
                ice_address=("127.0.0.1",),
                recordings=tmp_path_factory.mktemp("recordings"),
                min_free_space=0,
            )
        )
    yield running
    running.stop()


def compare_with(page: Page, name: str) -> None:
    page.get_by_label("Compare with").select_option(name)


def expect_pair(page: Page, left: str, right: str) -> None:
    """Both sides are named, and each has its list."""
    expect(page.locator("#side-first")).to_have_text(f"Left{left}")
    expect(page.locator("#side-second")).to_have_text(f"Right{right}")
    for ranking in ("#ranking", "#second-ranking"):
        expect(page.locator(f"{ranking} .rank:visible")).to_have_count(5)
    expect(page.locator("#second-headline")).not_to_be_empty()


@pytest.mark.slow
def test_a_comparison_is_chosen_shown_kept_and_ended(visitor: Visitor, duo: Server) -> None:
    page = visitor.go_live(duo.url)
    expect(page.locator("#figure-size")).to_have_text("640×480")
    expect(page.locator("#seen-second")).to_be_hidden()
    compare_with(page, "small")
    expect_pair(page, "efficientnet-lite0 · CAM · Objectness", "small · CAM · Spread")
    expect(page.locator("#figure-size")).to_have_text("1280×480")
    expect(page.locator("#headline")).to_have_text(re.compile("|".join(CATS)))
    eventually(page, lambda: page.locator("#stage").evaluate("e => e.style.getPropertyValue('--shape')")[:4] == "2.66")
    page.get_by_label("Method on the right").select_option("finercam")
    expect_pair(page, "efficientnet-lite0 · CAM · Objectness", "small · Finer-CAM · Spread")

    # A class of either list is mapped on both sides, where both models know it.
    page.locator("#second-ranking .rank", has_text="tabby").click()
    for headline in ("#headline", "#second-headline"):
        expect(page.locator(headline)).to_have_text("tabby")
    page.locator("#second-ranking .rank", has_text="albatross").click()  # ImageNet has it under another id and name
    expect(page.locator(".field-error")).to_be_hidden()
    expect(page.locator("#second-headline")).to_have_text("albatross")
    page.get_by_role("combobox", name="Mapped class").fill("lens cap")
    page.get_by_role("combobox", name="Mapped class").press("Enter")
    expect(page.locator("[data-setting=classes] .field-error")).to_have_text(
        "“small” has no class “lens cap” to compare."
    )
    page.keyboard.press("Escape")

    page.reload()
    start(page)
    expect_pair(page, "efficientnet-lite0 · CAM · Objectness", "small · Finer-CAM · Spread")
    page.get_by_label("Model", exact=True).select_option("small")  # they change sides
    expect_pair(page, "small · Finer-CAM · Spread", "efficientnet-lite0 · CAM · Objectness")
    compare_with(page, "")
    expect(page.locator("#seen-second")).to_be_hidden()
    expect(page.locator("#figure-size")).to_have_text("640×480")
    expect(page.locator("#side-first")).to_be_hidden()


def test_a_chosen_class_that_the_other_lacks_gives_way_with_a_word(visitor: Visitor, duo: Server) -> None:
    page = visitor.visit(duo.url)
    page.get_by_role("combobox", name="Mapped class").fill("lens cap")
    page.get_by_role("combobox", name="Mapped class").press("Enter")
    expect(page.locator(".chip")).to_have_text("lens cap")
    compare_with(page, "small")
    expect(page.locator(".toast")).to_have_text("“small” has no class “lens cap”, so both follow their top prediction.")
    expect(page.locator(".chip")).to_have_count(0)


def test_a_picture_is_seen_by_both_and_one_model_by_two_maps(visitor: Visitor, duo: Server, cat_picture: Path) -> None:
    page = visitor.visit(duo.url)
    compare_with(page, "small")
    page.locator("#file").set_input_files(cat_picture)
    expect(page.locator("#status-text")).to_have_text("Picture")
    expect_pair(page, "efficientnet-lite0 · CAM · Objectness", "small · CAM · Spread")
    expect(page.locator("#figure-size")).to_have_text("902×300")
    compare_with(page, "efficientnet-lite0")
    expect_pair(page, "efficientnet-lite0 · CAM · Objectness", "efficientnet-lite0 · CAM · Spread")
    expect(page.locator("#figure-size")).to_have_text("902×300")
    page.get_by_role("button", name="Back to the defaults").click()
    expect(page.locator("#figure-size")).to_have_text("451×300")
    expect(page.locator("#seen-second")).to_be_hidden()


def test_what_is_exported_while_the_page_is_open_can_be_chosen(visitor: Visitor, duo: Server, library: Path) -> None:
    page = visitor.visit(duo.url)
    model = page.get_by_label("Model", exact=True)
    expect(model.locator("option")).to_have_text(["efficientnet-lite0", "small"])
    (library / "broken.onnx").write_bytes(b"no graph")
    shutil.copyfile(library / "small.onnx", library / "fresh.part")
    (library / "fresh.part").replace(library / "fresh.onnx")
    model.focus()
    expect(model.locator("option")).to_have_text(["efficientnet-lite0", "fresh", "small"])
    model.select_option("fresh")
    page.get_by_text("About small").click()  # the card's own name
    about = page.locator(".about")
    for fact in ("five things", "tiny", "has-32, patches hidden, 7 epochs"):
        expect(about.get_by_text(fact, exact=True)).to_be_visible()
    about.get_by_text("Whole recipe").click()
    expect(about.get_by_text("schedule.batch")).to_be_visible()
    for name in ("broken", "fresh"):
        (library / f"{name}.onnx").unlink()
    page.get_by_label("Compare with").focus()
    expect(model.locator("option")).to_have_text(["efficientnet-lite0", "small"])
    expect(model).to_have_value("efficientnet-lite0")


def test_on_a_phone_both_halves_and_their_lists_are_in_reach(visitor: Visitor, duo: Server) -> None:
    page = visitor.go_live(
        duo.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    compare_with(page, "small")
    expect_pair(page, "efficientnet-lite0 · CAM · Objectness", "small · CAM · Spread")
    page.evaluate("scrollTo(0, 0)")
    eventually(page, lambda: abs(page.locator("#frame").bounding_box()["height"] - 390 * 480 / 1280) < 2)  # type: ignore[index]
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    assert stage["height"] < 160, "no empty room around the wide picture"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [page.locator(part).bounding_box() for part in (".overlay > .marks", ".heat:not(.right)", ".heat.right")]
    picture, left, right = (box for box in boxes if box is not None)
    # Side by side, without a gap, over the whole picture.
    assert [left["x"], left["y"], left["height"]] == pytest.approx([picture[k] for k in ("x", "y", "height")], abs=1)
    assert [right["y"], right["height"]] == pytest.approx([left["y"], left["height"]], abs=0.5)
    assert [left["x"] + left["width"], right["x"] + right["width"]] == pytest.approx(
        [right["x"], picture["x"] + picture["width"]], abs=1
    )


def test_one_model_with_two_maps_says_the_same_on_both_sides_at_every_moment(visitor: Visitor, duo: Server) -> None:
    page = visitor.go_live(duo.url)
    compare_with(page, "efficientnet-lite0")
    expect(page.locator("#second-ranking .rank:visible")).to_have_count(5)
    lists = page.evaluate(
        """async () => {
          const read = () => ["#ranking", "#second-ranking"].map((list) => document.querySelector(list).innerText);
          const seen = [];
          for (let look = 0; look < 60; look += 1) {
            await new Promise((resolve) => setTimeout(resolve, 40));
            seen.push(read());
          }
          return seen;
        }"""
    )
    assert [left for left, _ in lists] == [right for _, right in lists]
    assert len({left for left, _ in lists}) > 1, "it was not the same all the time"


def test_the_kinds_on_both_sides_are_chosen_and_kept(visitor: Visitor, duo: Server, cat_picture: Path) -> None:
    page = visitor.visit(duo.url)
    page.locator("#file").set_input_files(cat_picture)
    compare_with(page, "efficientnet-lite0")
    expect(page.get_by_role("heading", name="Map on the left")).to_be_visible()
    right = page.get_by_label("Map on the right")
    expect(right).to_have_value("spread")
    right.select_option("foreground")
    expect_pair(page, "efficientnet-lite0 · CAM · Objectness", "efficientnet-lite0 · CAM · Foreground")
    page.get_by_role("radio", name="Plain").check()
    expect_pair(page, "efficientnet-lite0 · CAM · Plain", "efficientnet-lite0 · CAM · Foreground")
    page.reload()
    expect(right).to_have_value("foreground")
    expect(page.get_by_role("radio", name="Plain")).to_be_checked()
    compare_with(page, "small")
    expect(right).to_have_value("plain")  # which it has too
    expect(right.locator("option")).to_have_text(["Spread", "Plain"])


def test_what_a_model_has_no_head_for_cannot_be_chosen_and_says_why(visitor: Visitor, duo: Server) -> None:
    page = visitor.visit(duo.url)
    foreground = page.get_by_role("radio", name="Foreground")
    foreground.check()
    expect(page.locator("#map-hint")).to_have_text("What is a thing at all, whatever its class.")
    page.get_by_text("About efficientnet-lite0").click()
    expect(page.locator(".about > .facts").get_by_text("a head")).to_be_visible()
    page.get_by_label("Model", exact=True).select_option("small")
    expect(foreground).to_be_disabled()
    expect(page.locator("label:has([value=foreground])")).to_have_attribute(
        "title", "small has no such map: its file holds no objectness head."
    )
    expect(page.get_by_role("radio", name="Spread")).to_be_checked()
    expect(page.locator("#threshold-value")).to_have_text("Otsu’s")
    page.get_by_text("About small").click()
    expect(page.locator(".about").get_by_text("no head in this file")).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_role("radio", name="Plain")).to_be_checked()
    page.keyboard.press("p")
    expect(page.get_by_role("radio", name="Spread")).to_be_checked()
