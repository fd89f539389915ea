"""Overlay mode in the page: the camera's own picture, painted over here, and everything that only the page decides."""

import io
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import (
    CATS,
    COUNT,
    FRAMES_BACK,
    PALE,
    Server,
    Visitor,
    choose,
    colourfulness,
    eventually,
    is_marked,
    picture,
    pixels,
)

pytestmark = pytest.mark.browser

# Results as `results` says: as they are, held back, or as bytes that are no message.
RESULTS = """
window.results = "whole";
const { set: listen } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
Object.defineProperty(RTCDataChannel.prototype, "onmessage", { set(listener) {
  listen.call(this, (event) => {
    if (this.label !== "seekcam-results" || results === "whole") listener(event);
    else if (results === "broken") listener({ data: new ArrayBuffer(3) });
  });
} });
"""


def metric(server: Server, page: Page, line: str) -> float:
    """A line of the server's metrics."""
    text = page.request.get(f"{server.url}metrics").text()
    return sum(float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(line))


def test_the_cat_is_marked_over_the_camera_and_no_video_comes_back(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=COUNT)
    expect(picture(page)).to_have_class("overlay")
    headline = page.locator("#headline")
    expect(headline).to_have_attribute("data-tone", "shown")
    assert headline.inner_text() in CATS
    before = metric(server, page, 'seekcam_overlay_results_total{frame="matched"}')
    eventually(page, lambda: page.evaluate("counts.bytes") > 30)
    counts = page.evaluate("counts")
    assert counts["texts"] == 0
    assert counts["longest"] <= 1160
    assert page.evaluate(FRAMES_BACK) == 0
    expect(page.locator("#figure-latency-p95")).to_contain_text("ms")
    expect(page.locator("#legend")).to_contain_text("down")
    eventually(page, lambda: metric(server, page, 'seekcam_overlay_results_total{frame="matched"}') > before + 15)
    eventually(page, lambda: is_marked(page))
    page.locator("#opacity").fill("0")
    eventually(page, lambda: not is_marked(page))


def test_frames_of_a_video_element_do_where_a_track_gives_none(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=f"{COUNT}; delete window.MediaStreamTrackProcessor;")
    before = metric(server, page, 'seekcam_overlay_results_total{frame="matched"}')
    eventually(page, lambda: metric(server, page, 'seekcam_overlay_results_total{frame="matched"}') > before + 15)
    expect(page.locator("#display-hint")).to_be_hidden()


@pytest.mark.slow
def test_what_was_seen_before_results_stopped_is_not_shown_as_current(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=RESULTS)
    expect(page.locator("#figure-latency")).to_contain_text("ms")
    page.evaluate("window.results = 'none'")
    expect(page.locator("#seen")).to_have_attribute("data-stale", "")
    expect(page.locator("#seen-stale")).to_be_visible()
    expect(page.locator("#figure-latency")).to_have_text("–")
    page.evaluate("window.results = 'whole'")
    expect(page.locator("#seen-stale")).to_be_hidden()
    expect(page.locator("#figure-latency")).to_contain_text("ms")


def test_results_that_cannot_be_read_end_the_session_once(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=RESULTS)
    page.evaluate("window.results = 'broken'")
    expect(page.locator("#notice-title")).to_have_text("This page cannot read the server’s results")
    expect(page.locator("#status-text")).to_have_text("Stopped")
    expect(page.locator("#notice-countdown")).to_be_empty()


def test_two_maps_stand_side_by_side(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    page.get_by_label("Compare with").select_option(index=1)
    expect(page.locator("#seen-second")).to_be_visible()
    expect(page.locator("#figure-size")).to_have_text("1280×480")
    page.get_by_label("Compare with").select_option("")
    expect(page.locator("#figure-size")).to_have_text("640×480")


def test_a_snapshot_and_a_recording_of_this_browsers_have_the_cameras_size(
    visitor: Visitor, server: Server, tmp_path: Path
) -> None:
    page = visitor.go_live(server.url, script=COUNT)
    eventually(page, lambda: is_marked(page))
    with page.expect_download() as snapshot:
        page.get_by_role("button", name="Save a snapshot").click()
    snapshot.value.save_as(tmp_path / "snapshot.png")
    saved = cv2.imread(str(tmp_path / "snapshot.png"))
    assert saved is not None
    assert saved.shape == (480, 640, 3)
    small = cv2.resize(cv2.cvtColor(saved, cv2.COLOR_BGR2RGB), (64, 48), interpolation=cv2.INTER_AREA)
    assert colourfulness(small.astype(np.float32)) > PALE

    choose(page, "recorder", "browser")
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("#recording-mark")).to_be_visible()
    begun = page.evaluate("counts.bytes")
    eventually(page, lambda: page.evaluate("counts.bytes") > begun + 20)
    with page.expect_download() as video:
        page.get_by_role("button", name="Stop recording").click()
    file = tmp_path / video.value.suggested_filename
    video.value.save_as(file)
    with av.open(str(file)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert frames[0].shape == (480, 640, 3)
    assert len(frames) > 8
    assert not (frames[0] == frames[-1]).all()  # it moves
    expect(page.locator("#recording-mark")).to_be_hidden()


@pytest.mark.slow
def test_a_recording_that_the_end_of_the_run_interrupts_is_saved(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url)
    choose(page, "recorder", "browser")
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("#recording-mark")).to_be_visible()
    page.wait_for_timeout(1500)
    with page.expect_download() as video:
        page.get_by_role("button", name="Stop", exact=True).click()
    assert video.value.path().stat().st_size > 1000


@pytest.mark.slow
def test_a_recording_ends_with_its_view_and_where_the_browser_fails(visitor: Visitor, server: Server) -> None:
    taken = """
      window.MediaRecorder = class extends MediaRecorder {
        constructor(...given) { super(...given); window.recorder = this; }
      };"""
    page = visitor.go_live(server.url, script=taken)
    choose(page, "recorder", "browser")
    leave = "dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    for end in ("error", "mode"):
        assert page.evaluate(leave)
        page.get_by_role("button", name="Record", exact=True).click()
        expect(page.locator("#recording-mark")).to_be_visible()
        assert not page.evaluate(leave)  # the browser asks
        page.wait_for_timeout(1200)
        with page.expect_download() as video:
            if end == "error":
                page.evaluate("recorder.dispatchEvent(new Event('error'))")
            else:
                choose(page, "mode", "video")
        assert video.value.path().stat().st_size > 1000
        assert page.evaluate("recorder.stream.getTracks()[0].readyState") == "ended"
        expect(page.locator("#recording-mark")).to_be_hidden()
    expect(page.locator(".toast")).to_contain_text("could not go on recording")


@pytest.mark.slow
def test_a_browser_that_does_not_tell_its_frames_apart_shows_the_newest(visitor: Visitor, server: Server) -> None:
    untold = """
      delete window.MediaStreamTrackProcessor;
      const told = HTMLVideoElement.prototype.requestVideoFrameCallback;
      HTMLVideoElement.prototype.requestVideoFrameCallback = function (listener) {
        return told.call(this, (now, { captureTime, ...others }) => listener(now, others));
      };"""
    page = visitor.go_live(server.url, script=untold)
    expect(page.locator("#display-hint")).to_contain_text("does not tell its camera frames apart")
    eventually(page, lambda: is_marked(page))
    page.locator("#opacity").fill("0")
    eventually(page, lambda: not is_marked(page))

    older = "delete window.MediaStreamTrackProcessor; delete HTMLVideoElement.prototype.requestVideoFrameCallback;"
    page = visitor.go_live(server.url, script=older)
    expect(page.locator("#display-hint")).to_contain_text("does not tell its camera frames apart")
    eventually(page, lambda: page.locator("#figure-fps").inner_text() not in ("", "–", "0"))


def test_paint_changes_without_the_server(visitor: Visitor, server: Server) -> None:
    mute = """
      const send = RTCDataChannel.prototype.send;
      RTCDataChannel.prototype.send = function (data) {
        if (!String(data).includes('"type":"set"')) send.call(this, data);
      };"""
    page = visitor.go_live(server.url, script=mute)
    expect(page.locator("#headline")).to_have_attribute("data-tone", "shown")

    def redness() -> float:
        red, green, _ = pixels(page)[12:36, 16:48].mean((0, 1))
        return float(red - green)

    eventually(page, lambda: redness() > 50)  # turbo's high values are red
    page.get_by_role("radio", name="Viridis").check()
    eventually(page, lambda: redness() < 35)  # those of viridis are yellow


def test_the_camera_is_sent_whole_only_where_somebody_sees_or_keeps_it(visitor: Visitor, server: Server) -> None:
    page = visitor.go_live(server.url, script=COUNT)
    sent = """async () => [...(await peers.at(-1).getStats()).values()].find(({ type }) => type === "outbound-rtp")"""
    eventually(page, lambda: page.evaluate(sent).get("frameHeight") == 360)
    codec = """async () => {
      const stats = await peers.at(-1).getStats();
      const { codecId } = [...stats.values()].find(({ type }) => type === "outbound-rtp");
      return stats.get(codecId)?.mimeType;
    }"""
    eventually(page, lambda: page.evaluate(codec) == "video/H264")  # a machine for tests has no encoding chip
    expect(page.locator("#figure-size")).to_have_text("640×480")
    expect(page.locator("#pace-hint")).to_be_hidden()
    choose(page, "recorder", "server")
    page.get_by_role("button", name="Record", exact=True).click()
    eventually(page, lambda: page.evaluate(sent).get("frameHeight", 0) == 480)
    eventually(page, lambda: page.evaluate(codec) == "video/VP8")
    assert "maxBitrate" not in page.evaluate("peers.at(-1).getSenders()[0].getParameters().encodings[0]")

    def frames() -> int:
        listed = page.request.get(f"{server.url}api/recordings").json()
        return int(listed[0]["frames"]) if listed else 0

    eventually(page, lambda: frames() > 10)
    page.get_by_role("button", name="Stop recording").click()
    expect(page.locator(".toast")).to_contain_text("Recording saved")
    video = f"{server.url}{page.request.get(f'{server.url}api/recordings').json()[0]['video'][1:]}"
    with av.open(io.BytesIO(page.request.get(video).body()), "r") as film:
        assert {(frame.width, frame.height) for frame in film.decode(video=0)} == {(640, 480)}
    eventually(page, lambda: page.evaluate(sent).get("frameHeight", 0) == 360)
    choose(page, "mode", "video")
    eventually(page, lambda: page.evaluate(sent).get("frameHeight", 0) == 480)
    assert page.request.delete(video).ok  # the server is the other tests' too


def test_another_cameras_pictures_are_not_sent_at_the_scale_of_the_one_before(visitor: Visitor, server: Server) -> None:
    order = """
      window.order = [];
      const { setParameters, replaceTrack } = RTCRtpSender.prototype;
      RTCRtpSender.prototype.setParameters = function (parameters) {
        order.push(parameters.encodings[0].scaleResolutionDownBy);
        return setParameters.call(this, parameters);
      };
      RTCRtpSender.prototype.replaceTrack = function (track) {
        order.push(`${track.getSettings().height} pixels`);
        return replaceTrack.call(this, track);
      };"""
    page = visitor.go_live(server.url, script=f"{COUNT}{order}")
    expect(page.locator("#headline")).to_have_attribute("data-tone", "shown")
    page.evaluate("order.length = 0")  # of what was named at the beginning
    page.locator("#resolution").select_option("320x240")
    expect(page.locator("#figure-size")).to_have_text("320×240")
    assert page.evaluate("order") == [1, "240 pixels"]


@pytest.mark.slow
def test_a_camera_sends_no_more_than_a_slow_server_can_use(visitor: Visitor, server: Server) -> None:
    # The server's statistics, as they were if it skipped two pictures of three.
    slow = """
      const { parse } = JSON;
      JSON.parse = (text, ...rest) => {
        const said = parse(text, ...rest);
        if (window.slow && said?.type === "stats") said.dropped = Math.round((said.received * 2) / 3);
        return said;
      };
      window.slow = true;"""
    page = visitor.go_live(server.url, script=f"{COUNT}{slow}")
    asked = "peers.at(-1).getSenders()[0].getParameters().encodings[0]"
    eventually(page, lambda: (page.evaluate(f"{asked}.maxFramerate") or 99) < 20)
    limit = page.evaluate(f"{asked}.maxFramerate")
    assert page.evaluate(f"{asked}.scaleResolutionDownBy") > 1
    expect(page.locator("#pace-hint")).to_contain_text("pictures a second")
    sent = """async () => [...(await peers.at(-1).getStats()).values()].find(({ type }) => type === "outbound-rtp")"""
    eventually(page, lambda: page.evaluate(sent).get("frameHeight", 480) < 480)
    eventually(page, lambda: page.evaluate(sent).get("framesPerSecond", 99) <= limit + 1)
    # In mode "video" the picture that comes back keeps its size.
    choose(page, "mode", "video")
    eventually(page, lambda: page.evaluate(f"{asked}.scaleResolutionDownBy") == 1)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#pace-hint")).to_be_hidden()
