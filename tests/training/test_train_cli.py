"""`seekcam train`, from the command line to the exit code."""

import io
import os
import signal
from pathlib import Path

import pytest
from rich.console import Console

from seekcam import cli
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.console import ConsoleReport
from seekcam.training.recipe_files import load_recipe
from tests.helpers.tiny_runs import TINY, tiny_pictures

SETTINGS = [part for change in TINY for part in ("--set", change)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tints"
    tiny_pictures(folder, train=10, validation=0)
    return folder


def train(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_a_folder_becomes_a_run_and_the_next_command_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(data, *SETTINGS, "--epochs", 1, "--seed", 5, "--recipe", "plain") == 0
    run = Path("runs/tints-plain")
    recipe = load_recipe(str(run / "recipe.toml"))
    assert (recipe.seed, recipe.schedule.epochs, recipe.augment.steps) == (5, 1, ())
    said = " ".join(capsys.readouterr().out.split())
    assert "epoch 1/1: loss" in said
    assert "The best network is runs/tints-plain/best.pt (epoch 1 of 1, Top-1" in said
    assert said.endswith("Next: seekcam export runs/tints-plain Then: seekcam serve --model tints-plain")
    assert Checkpoint.load(run / "best.pt").data_folder == str(data)

    assert train(data, *SETTINGS, "--recipe", "plain") == 2
    assert "holds a finished run: go on with --resume" in capsys.readouterr().err
    # The recipe is the run's own; only what is given changes.
    assert train(data, "--recipe", "plain", "--resume", "--epochs", 2) == 2
    assert "was begun with" in capsys.readouterr().err
    assert train(data, "--out", run, "--resume", "--epochs", 2) == 0
    assert Checkpoint.load(run / "last.pt").epoch == 2


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ConsoleReport, "step", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert train(data, *SETTINGS, "--out", tmp_path / "run") == 130
    monkeypatch.undo()
    said = capsys.readouterr().err.strip()
    assert said.startswith("seekcam: stopped after epoch 0 and 1 step")
    command = said.partition("go on with: seekcam ")[2].split()
    assert command == ["train", str(data), "--out", str(tmp_path / "run"), "--resume"]
    assert train(*command[1:]) == 0
    assert Checkpoint.load(tmp_path / "run" / "last.pt").epoch == 2


def test_the_crop_keeps_its_share_at_another_size(data: Path, tmp_path: Path) -> None:
    small = [part for change in TINY if not change.startswith("input.") for part in ("--set", change)]
    assert train(data, *small, "--size", 64, "--batch", 4, "--epochs", 1, "--out", tmp_path) == 0
    recipe = load_recipe(str(tmp_path / "recipe.toml"))
    # 224 squashed to 224 and cropped to 192, at another size; crops go by the networks' stride.
    assert (recipe.input.size, recipe.input.resize, recipe.input.crop, recipe.schedule.batch) == (64, 64, 64, 4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no folder"),
        (["DATA", "--recipe", "has_mixed"], "did you mean 'has-mixed'"),
        (["DATA", "--set", "optimizer.rate=1"], "did you mean 'optimiser'"),
        (["DATA", "--device", "tpu"], "hardware.device must be 'auto', 'cpu', 'cuda' or 'mps', not 'tpu'"),
        (["DATA", "--out", "OUT", "--resume"], "There is no run in"),
        (["DATA", "--out", "OUT", "--set", "network.name=vgg17"], "There is no network 'vgg17'"),
        (["DATA", "--out", "OUT", "--size", "32"], "A patch of 56 pixels would hide"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    arguments: list[str], sentence: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"DATA": str(data), "OUT": str(tmp_path / "run")}
    assert train(*(places.get(argument, argument) for argument in arguments), "--set", "network.pretrained=false") == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert "\n" not in said
    assert not (tmp_path / "run").exists()


def test_the_recipes_are_listed_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert any(line.startswith("has-mixed ") and line.endswith("(default)") for line in lines)


def test_in_a_terminal_there_are_bars_and_without_one_only_lines() -> None:
    shown = {}
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
        with ConsoleReport(console) as report:
            report.reading(1, 2)
            report.reading(2, 2)
            report.begin(2, 10, 0)
            report.step(1, 4, 0.5, 0.01)
        assert isinstance(console.file, io.StringIO)
        shown[terminal] = console.file.getvalue()
    assert "epoch 1/2" in shown[True]
    assert "loss 0.500" in shown[True]
    assert not shown[False].strip()
