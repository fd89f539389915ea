"""`seekcam serve` and `seekcam doctor` as a person runs them: what they print, how they refuse, how they stop."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from seekcam.streamer import doctor as doctor_module
from seekcam.streamer.cli import register
from seekcam.streamer.config import ServerConfig
from seekcam.streamer.serve_cli import addresses, advice

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment without settings of this machine's user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEEKCAM_")}
    models = os.environ.get("SEEKCAM_MODELS")
    return kept | ({"SEEKCAM_MODELS": models} if models else {}) | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def seekcam(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "seekcam", *arguments]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_setting_is_a_flag_and_the_reverse() -> None:
    app = typer.Typer()
    register(app)
    group = get_command(app)
    serve = group.commands["serve"]  # type: ignore[attr-defined]  # several verbs make a group
    flags = {parameter.name for parameter in serve.params} - {"config", "help"}
    assert flags == set(ServerConfig.model_fields)
    assert all(parameter.default is None for parameter in serve.params if parameter.name in flags)


@pytest.fixture
def running(
    default_model_path: Path, tmp_path: Path, surroundings: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`seekcam serve` in a process of its own, and its port."""
    port = free_port()
    command = seekcam("serve", "--port", str(port), "--model", str(default_model_path), "--token", "open sesame")
    process = subprocess.Popen(
        [*command, "--log-level", "debug", "--recordings", str(tmp_path / "recordings")],
        cwd=tmp_path,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process, port
    if process.poll() is None:
        process.kill()
    process.communicate()


def wait_for(process: subprocess.Popen[str], port: int) -> None:
    for _ in range(600):
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("The server did not start.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_to_look_and_stops_when_told(
    running: tuple[subprocess.Popen[str], int], number: signal.Signals
) -> None:
    process, port = running
    wait_for(process, port)
    address = f"http://127.0.0.1:{port}/?token=open%20sesame"
    with urllib.request.urlopen(address) as page:
        assert b"<html" in page.read()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/models?token=open%20sesame") as models:
        assert models.status == 200
    process.send_signal(number)
    printed, logged = process.communicate(timeout=30)
    assert process.returncode == 0
    assert address in printed
    for word in ("efficientnet-lite0", "1000 classes", "Runs on", "Ctrl-C"):
        assert word in printed
    assert "/api/models" in logged
    assert "sesame" not in logged
    assert "Traceback" not in logged


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--host", "0.0.0.0"], "--token"),
        (["--provider", "npu"], "--provider"),
        (["--model", "resnet-9000"], "resnet-9000"),
        (["--source", "missing.mp4"], "missing.mp4"),
    ],
)
def test_a_refusal_is_one_sentence_and_exit_2(
    arguments: list[str], word: str, tmp_path: Path, surroundings: dict[str, str]
) -> None:
    command = seekcam("serve", "--port", "0", *arguments)
    done = subprocess.run(
        command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("seekcam: ")
    assert word in lines[0]


def test_a_port_in_use_is_one_sentence_and_exit_2(
    default_model_path: Path, tmp_path: Path, surroundings: dict[str, str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = seekcam("serve", "--port", port, "--model", str(default_model_path), "--log-level", "error")
        done = subprocess.run(
            command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr.strip() == f"seekcam: Port {port} is taken by another program: choose another with --port."
    assert done.stdout.strip() == ""


def config_of(**values: object) -> ServerConfig:
    return ServerConfig.model_validate(values)


def test_addresses_to_open() -> None:
    assert addresses(config_of(), 8000) == ["http://127.0.0.1:8000/"]
    assert addresses(config_of(host="::1"), 80) == ["http://[::1]:80/"]
    everywhere = addresses(config_of(host="0.0.0.0", token="a&b"), 8000)
    assert everywhere[0] == "http://localhost:8000/?token=a%26b"
    assert not any("0.0.0.0" in address for address in everywhere)


def test_advice_for_cameras_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "pem").touch()
    tls = {"tls_cert": tmp_path / "pem", "tls_key": tmp_path / "pem"}
    assert "--host 0.0.0.0" in advice(config_of(), 8000)
    plain = advice(config_of(host="0.0.0.0", token="t"), 8000)
    assert "--tls-cert" in plain
    assert "ssh -L 8000:localhost:8000" in plain
    assert "--token" in advice(config_of(host="0.0.0.0", insecure=True, **tls), 8000)
    assert addresses(config_of(host="10.0.0.1", token="t", **tls), 1) == ["https://10.0.0.1:1/?token=t"]


def run_doctor() -> tuple[int, str]:
    app = typer.Typer()
    register(app)
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["doctor"])
    return result.exit_code, result.stdout


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default_model_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEEKCAM_PORT", str(free_port()))
    monkeypatch.setenv("SEEKCAM_MODEL", str(default_model_path))
    monkeypatch.setenv("SEEKCAM_RECORDINGS", str(tmp_path / "recordings"))
    monkeypatch.setenv("SEEKCAM_MIN_FREE_SPACE", "0")


@pytest.mark.usefixtures("healthy")
def test_the_doctor_finds_a_healthy_machine_healthy() -> None:
    code, text = run_doctor()
    assert code == 0, text
    topics = [line.split()[1] for line in text.splitlines() if line.startswith(("ok ", "warn ", "fail "))]
    assert topics == ["python", "packages", "settings", "provider", "model", "port", "recordings", "fonts", "browser"]


@pytest.mark.usefixtures("healthy")
def test_the_doctor_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("SEEKCAM_PORT", str(taken.getsockname()[1]))
        (tmp_path / "file").touch()
        monkeypatch.setenv("SEEKCAM_RECORDINGS", str(tmp_path / "file" / "recordings"))
        monkeypatch.setenv("SEEKCAM_MODEL", str(tmp_path / "none.onnx"))
        monkeypatch.setenv("PATH", str(tmp_path))
        findings = {finding.topic: finding for finding in doctor_module.examine()}
        code, _ = run_doctor()
    assert code == 1
    assert (findings["port"].state, "--port" in findings["port"].advice) == ("fail", True)
    assert (findings["recordings"].state, "--recordings" in findings["recordings"].advice) == ("warn", True)
    assert findings["model"].state == "fail"
    assert "none.onnx" in findings["model"].detail
    assert (findings["browser"].state, "chromium" in findings["browser"].advice) == ("warn", True)


@pytest.mark.usefixtures("healthy")
def test_the_doctor_reads_the_settings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEKCAM_PORT", "many")
    *_, last = doctor_module.examine()
    assert (last.state, last.topic) == ("fail", "settings")
    assert "SEEKCAM_PORT" in last.detail


@pytest.mark.usefixtures("healthy")
def test_the_doctor_knows_a_model_that_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEKCAM_MODELS", str(tmp_path))
    config = config_of(model="efficientnet-lite0")
    monkeypatch.setattr(doctor_module, "BUILD_MODULES", ("json",))
    assert doctor_module.check_model(config).state == "ok"
    monkeypatch.setattr(doctor_module, "BUILD_MODULES", ("json", "no_such_module"))
    finding = doctor_module.check_model(config)
    assert (finding.state, finding.advice) == ("fail", "run `make setup`")
    assert "no_such_module" in finding.detail
