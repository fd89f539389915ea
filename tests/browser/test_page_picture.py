"""Pictures in and out of the page: upload, drop, paste, snapshot; and recordings."""

import base64
import json
import re
from pathlib import Path

import av
import cv2
import pytest
from playwright.sync_api import JSHandle, Page, expect

from tests.browser.pages import CATS, Server, Visitor, eventually, picture, pixels

pytestmark = pytest.mark.browser


def transfer(page: Page, file: Path, kind: str = "image/png") -> JSHandle:
    """A `DataTransfer` in the page that holds a file, as a drop or a paste brings it."""
    script = """async ({ text, name, type }) => {
      const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type }));
      return transfer;
    }"""
    text = base64.b64encode(file.read_bytes()).decode()
    return page.evaluate_handle(script, {"text": text, "name": file.name, "type": kind})


def expect_cat(page: Page) -> None:
    """The page shows the picture, localized."""
    expect(page.locator("#status-text")).to_have_text("Picture")
    expect(page.locator("#headline")).to_have_text(re.compile("|".join(CATS)))
    expect(page.locator("#frame img")).to_be_visible()


def test_a_chosen_picture_follows_the_controls(visitor: Visitor, server: Server, cat_picture: Path) -> None:
    page = visitor.visit(server.url)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a picture").click()
    chooser.value.set_files(cat_picture)
    expect_cat(page)
    height, width = cv2.imread(str(cat_picture)).shape[:2]  # type: ignore[union-attr]  # it was written just now
    expect(page.locator("#figure-size")).to_have_text(f"{width}×{height}")
    expect(page.locator("#camera-fields")).to_be_hidden()
    turbo = pixels(page)
    page.get_by_role("radio", name="Viridis").check()
    expect(page.locator("#busy")).to_be_hidden()
    page.get_by_role("combobox", name="Mapped class").fill("wall clock")
    page.get_by_role("combobox", name="Mapped class").press("Enter")
    expect(page.locator("#headline")).to_have_text("wall clock")
    eventually(page, lambda: bool(abs(pixels(page) - turbo).mean() > 5))
    # Only the newest of many changes counts, and nothing is left under way.
    for step in range(1, 20):
        page.locator("#opacity").fill(f"{step / 20:.2f}")
    expect(page.locator("#opacity-value")).to_have_text("95%")
    page.locator("#opacity").fill("0")
    page.get_by_role("switch", name="Boxes").uncheck()
    page.get_by_role("switch", name="Labels").uncheck()
    original = cv2.resize(
        cv2.imread(str(cat_picture))[..., ::-1],  # type: ignore[index]
        (64, 48),
        interpolation=cv2.INTER_AREA,
    )
    eventually(page, lambda: bool(abs(pixels(page) - original).mean() < 12))
    page.keyboard.press("Escape")
    expect(page.locator("#camera-fields")).to_be_visible()
    expect(page.locator("#welcome")).to_be_visible()


def test_a_dropped_and_a_pasted_picture_take_the_place_of_the_camera(
    visitor: Visitor, server: Server, cat_picture: Path
) -> None:
    page = visitor.go_live(server.url)
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer(page, cat_picture)})
    expect(page.locator("#drop-hint")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page, cat_picture)})
    expect(page.locator("#drop-hint")).to_be_hidden()
    expect_cat(page)
    streams = page.evaluate("fetch('/api/streams').then(answer => answer.json())")
    assert [stream for stream in streams if stream["source"] == "camera" and stream["state"] != "ended"] == []
    second, headline = page.locator(".rank").nth(1), page.locator("#headline")
    second.hover()  # from then on it stays what it is
    first_name, second_name = headline.inner_text(), second.locator(".name").inner_text()
    for name in (second_name, first_name):  # and the controls are the picture's now
        second.click()
        expect(headline).to_have_text(name)

    page.keyboard.press("Escape")  # and back to the camera
    expect(page.locator("#status-text")).to_have_text("Live")
    paste = (
        "clipboardData => document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }))"
    )
    page.evaluate(paste, transfer(page, cat_picture))
    expect_cat(page)


def test_what_is_no_picture_is_refused_in_words(visitor: Visitor, server: Server, tmp_path: Path) -> None:
    page = visitor.visit(server.url)
    text = tmp_path / "notes.txt"
    text.write_text("a cat")
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page, text, "text/plain")})
    expect(page.locator(".toast")).to_contain_text("“notes.txt” is not a picture")
    expect(page.locator("#welcome")).to_be_visible()
    page.locator("#file").set_input_files({"name": "cat.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n no"})
    expect(page.locator(".toast").filter(has_text="“cat.png”")).to_be_visible()
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.get_by_role("button", name="Save a snapshot")).to_be_disabled()


@pytest.mark.slow
def test_a_broken_picture_leaves_what_was_shown(
    visitor: Visitor, server: Server, cat_picture: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "text.jpg"
    broken.write_text("a cat")
    page = visitor.go_live(server.url)
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page, broken, "image/jpeg")})
    refused = page.locator(".toast").filter(has_text="“text.jpg” is not a picture we can read")
    expect(refused).to_be_visible()
    expect(page.locator("#status-text")).to_have_text("Live")
    expect(picture(page)).to_be_visible()

    page.locator("#file").set_input_files(cat_picture)
    expect_cat(page)
    shown = pixels(page)
    expect(refused).to_be_hidden()
    page.locator("#file").set_input_files(broken)
    expect(refused).to_be_visible()
    expect_cat(page)
    expect(page.locator("#ranking .rank")).to_have_count(5)
    assert abs(pixels(page) - shown).mean() < 1


def test_a_snapshot_is_the_picture_as_it_is_shown(visitor: Visitor, server: Server, tmp_path: Path) -> None:
    page = visitor.go_live(server.url)
    expect(page.locator("#figure-size")).to_have_text(re.compile("×"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save a snapshot").click()
    assert re.fullmatch(r"seekcam-\d{8}-\d{6}\.png", download.value.suggested_filename)
    file = tmp_path / "snapshot.png"
    download.value.save_as(file)
    snapshot = cv2.imread(str(file))
    assert snapshot is not None
    assert f"{snapshot.shape[1]}×{snapshot.shape[0]}" == page.locator("#figure-size").inner_text()
    assert snapshot.std() > 20


def test_a_recording_is_made_listed_played_downloaded_and_deleted(
    visitor: Visitor, server: Server, tmp_path: Path
) -> None:
    page = visitor.go_live(server.url)
    expect(page.locator("#recordings-empty")).to_be_visible()
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("#recording-mark")).to_be_visible()
    expect(page.locator("#recording-time")).to_have_text("0:02")
    page.get_by_role("button", name="Stop recording").click()
    expect(page.locator("#recording-mark")).to_be_hidden()
    page.locator(".toast").get_by_role("button", name="Play").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    row = page.locator("#recordings li")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(re.compile(r"0:0[1-4]"))

    with page.expect_download() as video:
        row.get_by_role("link", name="Download the recording").click()
    video.value.save_as(tmp_path / "recording.mp4")
    with page.expect_download() as results:
        row.get_by_role("link", name="Download the results").click()
    results.value.save_as(tmp_path / "results.jsonl")
    with av.open(str(tmp_path / "recording.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(lines) == frames > 5
    assert all(line["top"] for line in lines)

    row.get_by_role("button", name="Play").click()
    player = page.get_by_role("dialog")
    expect(player).to_be_visible()
    expect(page.locator("#player-video")).to_have_js_property("videoWidth", 640)
    page.keyboard.press("Escape")
    expect(player).to_be_hidden()

    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Really delete").click()
    expect(row).to_have_count(0)
    expect(page.locator("#recordings-empty")).to_be_visible()
