"""A built wheel is whole, and only `seekcam` comes with it: files of a person's own may bear the rooms' names."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = (
    "web/index.html",
    "export/heads/*.npz",
    "training/recipes/*.toml",
    "studies/overlay_timing/probe.js",
    "py.typed",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip would unpack into site-packages."""
    source = tmp_path_factory.mktemp("source") / "seekcam"
    passed_over = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "docs", "tests")
    shutil.copytree(ROOT, source, symlinks=True, ignore=passed_over)
    wheels = tmp_path_factory.mktemp("wheels")
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(wheels)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    unpacked = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(unpacked)
    return unpacked


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder whose own files are called like the rooms, and fail on import."""
    for name in ("export.py", "streamer.py", "web.py", "training/__init__.py", "localization/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('not this one')\n")
    return tmp_path


def run(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_is_in_it_and_nothing_else_at_the_top(installed: Path) -> None:
    metadata = next(installed.glob("*.dist-info"))
    assert {path.name for path in installed.iterdir()} == {"seekcam", metadata.name}
    assert (metadata / "top_level.txt").read_text().split() == ["seekcam"]
    for pattern in DATA:
        here = sorted(path.relative_to(ROOT) for path in ROOT.glob(pattern))
        there = sorted(path.relative_to(installed / "seekcam") for path in (installed / "seekcam").glob(pattern))
        assert there == (here or [Path("py.typed")])
    assert {path.suffix for path in (installed / "seekcam" / "web").rglob("*.*")} >= {".js", ".css", ".html", ".svg"}


def test_it_works_in_a_folder_with_names_like_the_rooms(installed: Path, crowded: Path) -> None:
    where = run(installed, crowded, "-c", "import seekcam; print(seekcam.__file__); seekcam.localize, seekcam.annotate")
    assert Path(where.strip()).is_relative_to(installed)
    assert "has-mixed" in run(installed, crowded, "-m", "seekcam", "train", "--recipes")
    page = "from seekcam.streamer.server import WEB; print((WEB / 'index.html').is_file())"
    assert run(installed, crowded, "-c", page).strip() == "True"
    assert "efficientnet-lite0" in run(installed, crowded, "-m", "seekcam", "models", "list")
