"""WHIP and WHEP from Chromium, as any page would speak them: nothing of the project's own script takes part."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import Server, Visitor, colourfulness

pytestmark = pytest.mark.browser

PIXELS = """element => {
  const canvas = new OffscreenCanvas(64, 48);
  const context = canvas.getContext("2d");
  context.drawImage(element, 0, 0, 64, 48);
  return [...context.getImageData(0, 0, 64, 48).data];
}"""

# Both sides offer at once and send their candidates after the answer, as RFC 9725 recommends.
SPEAK = """async ({url, publish}) => {
  const peer = window.peer = new RTCPeerConnection();
  const video = document.createElement("video");
  video.id = "foreign";
  video.muted = video.autoplay = true;
  document.body.append(video);
  if (publish) {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480}});
    peer.addTransceiver(video.srcObject.getVideoTracks()[0], {direction: "sendonly"});
  } else {
    peer.addTransceiver("audio", {direction: "recvonly"});
    peer.addTransceiver("video", {direction: "recvonly"});
    peer.ontrack = ({track}) => track.kind === "video" && (video.srcObject = new MediaStream([track]));
  }
  const candidates = [];
  const gathered = new Promise((resolve) => {
    peer.onicecandidate = ({candidate}) => (candidate ? candidates.push(candidate) : resolve());
  });
  await peer.setLocalDescription();
  const answer = await fetch(url, {
    method: "POST", headers: {"Content-Type": "application/sdp"}, body: peer.localDescription.sdp,
  });
  const session = new URL(answer.headers.get("Location"), location).href;
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  await gathered;
  const [, ufrag] = /a=ice-ufrag:(.*)/.exec(peer.localDescription.sdp);
  const lines = [`a=ice-ufrag:${ufrag.trim()}`, "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"];
  lines.push(...candidates.filter((c) => c.candidate).map((c) => `a=${c.candidate}`), "a=end-of-candidates", "");
  const added = await fetch(session, {
    method: "PATCH", body: lines.join("\\r\\n"),
    headers: {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": answer.headers.get("ETag")},
  });
  return {posted: answer.status, patched: added.status, session, offered: candidates.length};
}"""
PLAYS = """async () => {
  const video = document.querySelector("#foreign");
  const before = video.currentTime;
  await new Promise((resolve) => setTimeout(resolve, 500));
  return video.videoWidth > 0 && video.currentTime > before;
}"""
STATE = "peer.getTransceivers().at(-1).receiver.transport.state"


def speak(page: Page, path: str, publish: bool) -> str:
    """Post, patch and wait for moving pictures; returns the session's address."""
    told: dict[str, Any] = page.evaluate(SPEAK, {"url": path, "publish": publish})
    assert (told["posted"], told["patched"]) == (201, 204)
    assert told["offered"] > 0
    page.wait_for_function(PLAYS, timeout=20_000)
    return str(told["session"])


def colours(page: Page) -> float:
    """How colourful the video is, in [0, 1]."""
    rgba = np.array(page.locator("#foreign").evaluate(PIXELS), np.float32)
    return colourfulness(rgba.reshape(48, 64, 4)[..., :3])


def delete(page: Page, session: str) -> int:
    return int(page.evaluate("url => fetch(url, {method: 'DELETE'}).then(answer => answer.status)", session))


@pytest.mark.slow
def test_chromium_publishes_its_camera_and_another_page_plays_it(visitor: Visitor, server: Server) -> None:
    publisher = visitor.visit(server.url)
    published = speak(publisher, "/whip/attic", publish=True)
    player = visitor.visit(server.url, camera=False)
    expect(player.locator("#status-text")).to_have_text("Ready")
    played = speak(player, "/whep/attic", publish=False)

    assert player.evaluate("[foreign.videoWidth, foreign.videoHeight]") == [640, 480]
    # The map is in the picture: the camera alone is paler.
    assert colours(player) > colours(publisher) + 0.05

    assert delete(player, played) == 200
    player.wait_for_function(f"{STATE} === 'closed'")
    assert publisher.evaluate(STATE) == "connected"
    assert delete(publisher, published) == 200
    publisher.wait_for_function(f"{STATE} === 'closed'")
    assert delete(publisher, published) == 404
    names = publisher.evaluate("fetch('/api/streams').then(a => a.json()).then(all => all.map(s => s.id))")
    assert "attic" not in names
