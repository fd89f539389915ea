"""The house keeps its floors: imports point down only, and serving brings in no torch."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What each room may import of the others. The .onnx file is the only interface between streamer and export.
BELOW = {
    "localization": set[str](),
    "datasets": {"localization"},
    "evaluation": {"localization", "datasets"},
    "training": {"localization", "datasets"},
    "export": {"localization", "datasets", "evaluation", "training"},
    "streamer": {"localization"},
    "studies": {"localization", "datasets", "evaluation", "training", "export", "streamer"},
}
ROOMS = set(BELOW)
_TORCH = {"torch", "torchvision", "onnx"}
_NETWORK = {"aiohttp", "aiortc", "asyncio", "socket"}
# Libraries that would carry a room's job into another room.
FORBIDDEN = {
    "localization": _TORCH | _NETWORK | {"av"},
    "datasets": _TORCH | _NETWORK | {"av", "onnxruntime"},
    "evaluation": _TORCH | _NETWORK | {"av"},
    "training": _NETWORK | {"onnx", "onnxruntime"},
    "export": _NETWORK,
    "streamer": _TORCH | {"onnxscript"},
    "studies": {"aiohttp", "aiortc"},
}


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names of the modules that a file imports, wherever in the file, relative ones left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def offences(room: str, source: str) -> list[str]:
    """What a file of `room` with this source imports and must not: rooms above it or by a bare name, and libraries."""
    found = set(imported(ast.parse(source)))
    top = {name.partition(".")[0] for name in found}
    seen = {name.split(".")[1] for name in found if name.startswith("seekcam.")}
    bare = {f"bare {name}" for name in top & ROOMS}
    door = {"seekcam"} & found | {f"seekcam.{name}" for name in seen & {"cli", "facade", "__main__"}}
    return sorted(seen & (ROOMS - BELOW[room] - {room}) | top & FORBIDDEN[room] | bare | door)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_imports_point_down(room: str) -> None:
    assert files(room), f"{room} has no files: the list of rooms is out of date"
    wrong = {path.relative_to(ROOT): bad for path in files(room) if (bad := offences(room, path.read_text("utf-8")))}
    assert not wrong


@pytest.mark.parametrize(
    ("room", "source", "expected"),
    [
        ("localization", "import torch", ["torch"]),
        ("localization", "def f():\n    from seekcam.streamer.hub import Hub", ["streamer"]),
        ("streamer", "import seekcam.export.zoo as z, numpy", ["export"]),
        ("export", "from seekcam.streamer import hub", ["streamer"]),
        ("training", "import onnxruntime", ["onnxruntime"]),
        ("studies", "import seekcam", ["seekcam"]),
        ("studies", "from seekcam.cli import main", ["seekcam.cli"]),
        ("streamer", "from localization.card import ModelCard", ["bare localization"]),
        ("studies", "def f():\n    import training.fit", ["bare training"]),
        ("export", "from seekcam.training.networks import vgg\nimport seekcam.localization.card\nimport torch", []),
    ],
)
def test_the_walk_sees_every_kind_of_import(room: str, source: str, expected: list[str]) -> None:
    assert offences(room, source) == expected


def test_tests_and_the_package_itself_name_rooms_in_full() -> None:
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "seekcam").glob("*.py")]:
        top = {name.partition(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}
        assert not top & ROOMS, path


def test_every_room_is_a_link_in_the_package() -> None:
    for room in (*ROOMS, "web"):
        link = ROOT / "seekcam" / room
        assert link.is_symlink(), link
        assert link.resolve() == ROOT / room


def test_every_folder_with_code_is_a_known_room() -> None:
    ignored = {"tests", "web", "docs", "seekcam"}
    with_code = {path.parent.name for path in ROOT.glob("*/__init__.py") if not path.parent.name.startswith(".")}
    assert with_code - ignored == ROOMS


def test_no_two_modules_share_a_name_and_no_folder_is_a_corridor() -> None:
    modules = [path for folder in (*ROOMS, "tests") for path in (ROOT / folder).rglob("*.py")]
    shared = {"__init__", "__main__", "cli", "conftest"}
    names = Counter(path.stem for path in modules if path.stem not in shared)
    assert [name for name, count in names.items() if count > 1] == []
    folders = Counter(path.parent.relative_to(ROOT) for path in modules if path.stem != "__init__")
    assert {folder: count for folder, count in folders.items() if count > 20} == {}


def test_the_front_door_imports_no_room_before_a_verb_is_called() -> None:
    tree = ast.parse((ROOT / "seekcam" / "cli.py").read_text("utf-8"))
    top_level = {name for node in tree.body for name in imported(node)}
    assert {name for name in top_level if name.startswith("seekcam.")} == {"seekcam.localization.errors"}


def loaded_after(code: str) -> set[str]:
    """What is loaded in a fresh interpreter after `code`: rooms by their own names, other modules by their top one."""
    report = "\nimport sys\nprint(*sorted({n.removeprefix('seekcam.').partition('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_server_brings_in_no_torch(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from seekcam.streamer.config import ServerConfig\n"
        "from seekcam.streamer.server import create_app\n"
        f"create_app(ServerConfig(recordings=Path({str(tmp_path)!r})))\n"
    )
    loaded = loaded_after(code)
    assert {"streamer", "localization", "aiortc", "onnxruntime"} <= loaded
    assert not loaded & {"torch", "torchvision", "onnx", "export", "training", "studies"}


def test_mounting_the_streaming_verbs_brings_in_no_torch_and_no_other_room() -> None:
    loaded = loaded_after("from seekcam import cli\ncli.build_app(['serve'])")
    assert "streamer" in loaded
    assert not loaded & {"torch", "export", "training", "studies"}


def test_the_help_page_brings_in_no_room() -> None:
    loaded = loaded_after("from seekcam import cli\ncli.build_app(['--help'])")
    assert not loaded & (ROOMS - {"localization"} | {"torch", "av", "aiohttp", "onnxruntime"})


def test_the_package_alone_brings_in_no_room_and_what_is_named_only_its_own() -> None:
    assert not loaded_after("import seekcam") & (ROOMS | {"numpy", "torch"})
    loaded = loaded_after(
        "import seekcam\nseekcam.localize, seekcam.LocalizationModel, seekcam.evaluate, seekcam.annotate"
    )
    assert not loaded & {"torch", "aiortc", "export", "training"}
