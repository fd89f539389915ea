"""`seekcam doctor`: what works on this machine and what does not, one line each, with what to do about it."""

import importlib.util
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seekcam.localization.errors import UserError
from seekcam.streamer.config import ServerConfig, load_config

State = Literal["ok", "warn", "fail"]
STYLES: dict[State, str] = {"ok": "green", "warn": "yellow", "fail": "red"}
PACKAGES = ("aiohttp", "aiortc", "av", "numpy", "opencv-python-headless", "pillow")
RUNTIMES = ("onnxruntime-gpu", "onnxruntime")
BUILD_MODULES = ("torch", "torchvision", "onnx", "onnxscript", "efficientnet_lite_pytorch")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCRIPTS = "Žluťoučký Ελληνικά Кириллица 日本語 한국어 العربية हिन्दी"  # words that class names may be written in


@dataclass(frozen=True)
class Finding:
    """One line: `detail` is what was found, `advice` what to do when that is not good."""

    state: State
    topic: str
    detail: str
    advice: str = ""


def doctor() -> None:
    """Look at this machine and say what works and what to do; exits with 1 when `seekcam serve` cannot run."""
    findings = list(examine())
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        text = f"{finding.detail}: {finding.advice}" if finding.advice else finding.detail
        table.add_row(Text(finding.state, STYLES[finding.state]), finding.topic, Text(text))
    Console(highlight=False).print(table)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Every finding, in the order a person would ask."""
    yield check_python()
    yield from check_packages()
    try:
        config = load_config({})
    except UserError as error:
        yield Finding("fail", "settings", str(error))
        return
    yield Finding("ok", "settings", f"{config.host}:{config.port}, model {config.model}")
    checks: tuple[Callable[[ServerConfig], Finding], ...] = (
        check_provider,
        check_model,
        check_port,
        check_recordings,
    )
    for check in checks:
        yield check(config)
    yield check_fonts()
    yield check_browser()


def check_python() -> Finding:
    """The interpreter and the processors it may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} processor cores"
    return Finding("ok", "python", detail)


def check_packages() -> Iterator[Finding]:
    """What serving stands on, with versions."""
    found = {name: known for name in (*PACKAGES, *RUNTIMES) if (known := _version(name)) is not None}
    missing = [name for name in PACKAGES if name not in found]
    if not any(name in found for name in RUNTIMES):
        missing.append(RUNTIMES[0])
    if missing:
        yield Finding("fail", "packages", f"missing: {', '.join(missing)}", "run `make setup`")
    yield Finding("ok", "packages", ", ".join(f"{name} {known}" for name, known in found.items()))
    if all(name in found for name in RUNTIMES):
        # Both wheels bring the same module, and whichever was installed last has overwritten the other.
        yield Finding("warn", "packages", "onnxruntime and onnxruntime-gpu are both here", "uninstall one of them")


def check_provider(config: ServerConfig) -> Finding:
    """Which processor runs the model."""
    if importlib.util.find_spec("onnxruntime") is None:
        return Finding("fail", "provider", "no ONNX Runtime", "run `make setup`")
    from seekcam.localization.providers import choose_provider

    try:
        choice = choose_provider(config.provider)
    except UserError as error:
        return Finding("fail", "provider", str(error))
    gpu = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    if gpu and choice.name == "cpu" and config.provider == "auto":
        return Finding(
            "warn", "provider", f"cpu although there is an NVIDIA driver ({choice.reason})", "run `make setup` again"
        )
    return Finding("ok", "provider", f"{choice.name} ({choice.reason})")


def check_model(config: ServerConfig) -> Finding:
    """Whether the model is there and has a card, or can be built."""
    from seekcam.localization.library import BUILDABLE, ModelLibrary
    from seekcam.localization.model import read_card

    library = ModelLibrary()
    try:
        if config.model in BUILDABLE and not library.file(config.model).is_file():
            lacking = [name for name in BUILD_MODULES if importlib.util.find_spec(name) is None]
            if lacking:
                detail = f"{config.model} is not built, and building lacks {', '.join(lacking)}"
                return Finding("fail", "model", detail, "run `make setup`")
            return Finding("ok", "model", f"{config.model} is built at the first `seekcam serve`, in about a minute")
        card = read_card(library.path(config.model))
    except UserError as error:
        return Finding("fail", "model", str(error))
    return Finding("ok", "model", f"{card.name}: {len(card.classes)} classes, {card.precision}, in {library.folder}")


def check_port(config: ServerConfig) -> Finding:
    """Whether the address can be listened on."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as asyncio's servers do, so that a port in TIME_WAIT counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            detail = f"{config.host}:{config.port} cannot be listened on ({error.strerror or error})"
            return Finding("fail", "port", detail, "choose another with --port, or stop the program that has it")
    return Finding("ok", "port", f"{config.host}:{config.port} is free")


def check_recordings(config: ServerConfig) -> Finding:
    """Whether recordings can be written, and how much room there is."""
    folder = config.recordings
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding("warn", "recordings", f"{folder} cannot be written", "choose another with --recordings")
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < config.min_free_space:
        return Finding("warn", "recordings", detail, f"recording wants {config.min_free_space / 1e9:g} GB left free")
    return Finding("ok", "recordings", detail)


def check_fonts() -> Finding:
    """Whether labels can be written in other scripts than the built-in font's."""
    from seekcam.localization.painting.fonts import coverage

    unwritten = [word for word in SCRIPTS.split() if coverage(word) < 1]
    if unwritten:
        detail = f"no installed font writes {' '.join(unwritten)}"
        return Finding("warn", "fonts", detail, "install one for labels in those scripts (Debian: fonts-noto)")
    return Finding("ok", "fonts", f"labels can be written as in {SCRIPTS}")


def check_browser() -> Finding:
    """The browser of the page's tests; serving needs none."""
    path = next((found for name in BROWSERS if (found := shutil.which(name)) is not None), None)
    if path is None:
        return Finding(
            "warn", "browser", "no Chromium", "the browser tests want one (Debian: apt-get install chromium)"
        )
    return Finding("ok", "browser", f"{path} runs the browser tests")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
