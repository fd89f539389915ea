"""The documents keep their word: the README's Python runs, its commands and settings exist, no file is forgotten."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import pytest
import yaml
from skimage import data

from seekcam import cli
from seekcam.localization.card import METHODS
from seekcam.localization.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line.partition(" #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_its_python_runs_and_finds_something(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "cat.jpg"), cv2.cvtColor(data.chelsea(), cv2.COLOR_RGB2BGR))
    export, use = blocks("python")
    for script in (export, use):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr
    names = {line.split()[0] for line in done.stdout.splitlines()}
    assert names == {"cat", "dog"}


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("seekcam ")])
def test_its_commands_have_these_options(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # the help page shortens long names in a narrow terminal
    verb = command.split()[1]
    with pytest.raises(SystemExit):
        cli.main([verb, "--help"])
    known = set(re.findall(r"--[a-z0-9-]+", capsys.readouterr().out))
    assert set(re.findall(r"--[a-z0-9-]+", command)) <= known


def test_its_make_targets_exist() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"run", "test", "help"} <= named <= targets


def test_its_settings_are_the_settings() -> None:
    table = README.partition("| name | values |")[2].partition("\n\n")[0]
    names = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert names == list(Settings().to_json())


def test_every_map_method_has_its_words() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `method` |"))
    assert re.findall(r"`([\w+]+)`", row.split("|")[2]) == list(METHODS)
    controls = (ROOT / "web/view/controls.js").read_text("utf-8")
    table = controls.partition("const METHODS = {")[2].partition("};")[0]
    assert re.findall(r'(?m)^  "?([\w+]+)"?: \[', table) == list(METHODS)


def test_its_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROOMS = ("localization", "datasets", "evaluation", "training", "export", "studies", "streamer")


@pytest.mark.parametrize("room", ROOMS)
def test_the_architecture_names_every_file(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        if path.name in ("__init__.py", "cli.py"):
            continue
        # A folder inside a room may be one entry, or each of its files one.
        folder = f"{path.relative_to(ROOT / room).parts[0]}/"
        assert any(f"{before}{name}`" in ARCHITECTURE for name in (path.name, folder) for before in "`/"), path


def test_the_architecture_names_no_file_that_is_gone() -> None:
    existing = {path.name for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    existing |= {path.name for path in (ROOT / "tests").rglob("*.py")} | {
        path.name for path in (ROOT / "seekcam").glob("*.py")
    }
    named = {Path(name).name for name in re.findall(r"`([\w/]+\.py)`", ARCHITECTURE)}
    assert named <= existing


def test_contributing_names_only_files_and_folders_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    steps = text.partition("## How to add")[2]
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|cff|toml))`", text)
    assert len(re.findall(r"(?m)^\*\*An? ", steps)) == 6
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_one_version_is_said_everywhere_and_the_workflow_runs_what_ci_runs() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == version
    assert re.search(rf"(?m)^## \[{re.escape(version)}\]", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    assert ".ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    assert hooks[0]["entry"] == "make lint"
