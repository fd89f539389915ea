"""The page from another machine: a server and Chromium in two network namespaces with one cable (veth) between them.

Nothing of the host's network is touched: both ends of the cable are made inside the namespaces, which have no other
way out, and both go away at the end.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from seekcam.studies.chromium import camera_flags
from tests.browser.conftest import FLAGS, TOKEN
from tests.browser.pages import CATS, Visitor, eventually, is_marked
from tests.helpers.certificates import self_signed

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent.parent
START_LIMIT = 60.0  # seconds to load the model


@dataclass(frozen=True)
class Cable:
    """Two namespaces by name, and the address of each."""

    server: str
    visitor: str
    server_address: str
    visitor_address: str


def ip(*arguments: str) -> str:
    """Run the `ip` command; what it printed comes back."""
    return subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True).stdout


def needs() -> str:
    """Why namespaces cannot be made here; empty when they can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if shutil.which("ip") is None:
        return "there is no `ip` command (Debian: apt-get install iproute2)"
    if os.geteuid() != 0:
        return "only root makes network namespaces: run `sudo make test-slow`"
    name = f"seekcam-probe-{os.getpid()}"
    made = subprocess.run(("ip", "netns", "add", name), capture_output=True, text=True)
    if made.returncode:
        return f"this root may make no network namespace ({made.stderr.strip()})"
    ip("netns", "delete", name)
    return ""


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    """A server's and a visitor's namespace, joined."""
    if why := needs():
        pytest.skip(f"The page was not tried from another machine: {why}.")
    number = os.getpid()
    subnet = f"10.77.{number % 256}"
    joined = Cable(f"seekcam-server-{number}", f"seekcam-visitor-{number}", f"{subnet}.1", f"{subnet}.2")
    try:
        ip("netns", "add", joined.server)
        ip("netns", "add", joined.visitor)
        ends = ("type", "veth", "peer", "name", "cable", "netns", joined.visitor)
        ip("link", "add", "cable", "netns", joined.server, *ends)
        for name, address in ((joined.server, joined.server_address), (joined.visitor, joined.visitor_address)):
            ip("-n", name, "address", "add", f"{address}/30", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
        # An address that becomes valid later would end what Chromium is just loading ("network changed").
        until = time.monotonic() + START_LIMIT
        while any(ip("-n", name, "address", "show", "tentative") for name in (joined.server, joined.visitor)):
            assert time.monotonic() < until, "an address stayed tentative"
            time.sleep(0.1)
        yield joined
    finally:
        for name in (joined.server, joined.visitor):  # the cable goes with them
            subprocess.run(("ip", "netns", "delete", name), check=False, capture_output=True)


def serve(cable: Cable, log: Path, *options: str | Path) -> Iterator[str]:
    """`seekcam serve` on the server's machine; yields what it printed once it listens, and ends it as Ctrl-C does."""
    arguments = ("serve", "--host", cable.server_address, "--token", TOKEN, "--provider", "cpu", *options)
    environment = {**os.environ, "COLUMNS": "120"}
    with log.open("wb") as output:
        command = ("ip", "netns", "exec", cable.server, sys.executable, "-m", "seekcam", *arguments)
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
    try:
        until = time.monotonic() + START_LIMIT
        while "Ctrl-C" not in log.read_text() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert "Ctrl-C" in log.read_text(), log.read_text()
        yield log.read_text()
        process.terminate()
        assert process.wait(15) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def secure(cable: Cable, default_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a server with TLS printed."""
    folder = tmp_path_factory.mktemp("secure")
    certificate, key = self_signed(folder, cable.server_address)
    options = ("--model", default_model_path, "--port", "8443", "--tls-cert", certificate, "--tls-key", key)
    yield from serve(cable, folder / "log", *options, "--recordings", folder)


@pytest.fixture(scope="module")
def plain(cable: Cable, default_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a server without TLS printed."""
    folder = tmp_path_factory.mktemp("plain")
    yield from serve(cable, folder / "log", "--model", default_model_path, "--port", "8080", "--recordings", folder)


@pytest.fixture
def distant_visitor(
    cable: Cable, playwright: Playwright, chromium: str, camera_clip: Path, tmp_path: Path
) -> Iterator[Visitor]:
    """Chromium on the visitor's machine, with the cat in front of its camera."""
    script = tmp_path / "chromium"  # playwright talks to it through pipes, which know no namespaces
    script.write_text(f'#!/bin/sh\nexec ip netns exec {cable.visitor} {chromium} "$@"\n')
    script.chmod(0o755)
    flags = [*FLAGS, *camera_flags(camera_clip), "--ignore-certificate-errors"]
    browser = playwright.chromium.launch(executable_path=script, args=flags)
    visitor = Visitor(browser)
    yield visitor
    browser.close()
    assert visitor.errors == []


def test_the_camera_of_another_machine_comes_back_annotated(
    cable: Cable, secure: str, distant_visitor: Visitor
) -> None:
    page = distant_visitor.go_live(f"https://{cable.server_address}:8443/?token={TOKEN}", ignore_https_errors=True)
    assert page.evaluate("isSecureContext") is True
    assert TOKEN not in page.url
    headline = page.locator("#headline")
    expect(headline).to_have_attribute("data-tone", "shown")
    assert headline.inner_text() in CATS
    expect(page.locator("#figure-size")).to_have_text("640×480")
    eventually(page, lambda: is_marked(page))
    page.locator("#opacity").fill("0")
    expect(page.locator("#opacity-value")).to_have_text("0%")
    eventually(page, lambda: not is_marked(page))
    # The address to open is the printed one.
    assert f"https://{cable.server_address}:8443/?token=" in secure


def test_without_the_token_another_machine_gets_the_page_and_nothing_else(
    cable: Cable, secure: str, distant_visitor: Visitor
) -> None:
    page = distant_visitor.visit(f"https://{cable.server_address}:8443/", ignore_https_errors=True)
    expect(page.get_by_role("dialog", name="This server asks for its token")).to_be_visible()
    status = "([method, path, type]) => fetch(path, {method, headers: {'Content-Type': type}}).then(a => a.status)"
    for method, path, kind in (
        ("GET", "/api/config", "text/plain"),
        ("GET", "/api/streams", "text/plain"),
        ("GET", "/metrics", "text/plain"),
        ("POST", "/api/sessions", "application/json"),
        ("POST", "/api/localize", "image/png"),
        ("POST", "/whip/cat", "application/sdp"),
        ("POST", "/whep/cat", "application/sdp"),
    ):
        assert page.evaluate(status, [method, path, kind]) == 401, path
    assert page.evaluate(status, ["GET", "/healthz", "text/plain"]) == 200


def test_without_tls_the_page_says_why_there_is_no_camera(cable: Cable, plain: str, distant_visitor: Visitor) -> None:
    assert "give their camera to https only" in " ".join(plain.split())
    page = distant_visitor.visit(f"http://{cable.server_address}:8080/?token={TOKEN}", camera=False)
    assert page.evaluate("isSecureContext") is False
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#notice-title")).to_have_text("Browsers give cameras to secure pages only")
    expect(page.locator("#notice-detail")).to_contain_text("--tls-cert")
