"""`seekcam models` and `seekcam export`, as typed in a shell."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper, save
from typer import Typer
from typer.testing import CliRunner

from seekcam.export.cli import register
from seekcam.export.destination import PlaceError
from seekcam.localization.errors import UnknownModelError
from seekcam.localization.library import BUILDABLE, DEFAULT_MODEL, FOLDER_VARIABLE
from seekcam.localization.model import read_card
from tests.helpers.exported import boxed_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app() -> Typer:
    app = Typer()
    app.callback()(lambda: None)
    register(app)
    return app


def bare_file(path: Path) -> None:
    """An ONNX file without a card."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [value],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def test_list_tells_what_is_ready_unusable_and_not_built(
    app: Typer, tmp_path: Path, default_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / f"{DEFAULT_MODEL}.onnx").symlink_to(default_model_path)
    bare_file(tmp_path / "bare.onnx")
    (tmp_path / "text.onnx").write_text("no model at all")
    result = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "40"})
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.output.splitlines() if line.strip()}
    assert lines[DEFAULT_MODEL].split()[1:6] == ["(default)", "ready", "1000", "224", "14"]
    assert "not built" in lines[BUILDABLE[1]]
    assert "unusable" in lines["bare"]
    assert "unusable" in lines["text"]
    assert "has no seekcam card" in result.output


def test_show_prints_the_card(app: Typer, default_model_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "show", str(default_model_path)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for piece in ("1000: tench, goldfish", "224 x 224", "cam (default), gradcam", "Apache-2.0", "torch"):
        assert piece in result.output
    result = CliRunner().invoke(app, ["models", "show", str(default_model_path), "--json"])
    assert json.loads(result.output) == json.loads(read_card(default_model_path).to_json())


def test_an_unknown_model_is_a_users_error(app: Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for command in ("show", "build"):
        result = CliRunner().invoke(app, ["models", command, "nonsense"])
        assert isinstance(result.exception, UnknownModelError)


def test_export_takes_its_options_and_enters_the_library(
    app: Typer, tmp_path: Path, small_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "library"))
    data = boxed_folder(tmp_path / "animals")
    command = ["export", str(small_model_path), str(tmp_path / "half.onnx"), "--precision", "fp16", "--data", str(data)]
    result = CliRunner().invoke(app, [*command, "--name", "light", "--method", "layercam"])
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "half.onnx")
    assert (card.name, card.precision, card.default_method) == ("light", "fp16", "layercam")
    listed = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "200"}).output
    assert "light" in listed
    shown = CliRunner().invoke(app, ["models", "show", "light"], env={"COLUMNS": "400"}).output
    assert "plain_correlation" in shown
    assert isinstance(CliRunner().invoke(app, command).exception, PlaceError)
    assert CliRunner().invoke(app, [*command, "--name", "light", "--force"]).exit_code == 0
    assert CliRunner().invoke(app, ["export", "x", "--precision", "int4"]).exit_code == 2


def test_listing_and_showing_import_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys, typer; from seekcam.export.cli import list_models; list_models(); "
        "assert 'torch' not in sys.modules and 'onnx' not in sys.modules"
    )
    environment = {**os.environ, FOLDER_VARIABLE: str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGTERM")
def test_a_build_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    # The real verb, stopped where it has written its temporary file and not yet moved it.
    program = (
        "import sys, time; from seekcam.export import cli, onnx as export_onnx\n"
        "def wait(*_): print('written', flush=True); time.sleep(60)\n"
        "export_onnx.verify = wait\n"
        "cli.build_model()\n"
    )
    environment = {**os.environ, FOLDER_VARIABLE: str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"written\n"
        assert len(list(tmp_path.iterdir())) == 1
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
