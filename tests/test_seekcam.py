"""The front door: every verb is there, errors for the person are one sentence, help is quick and complete."""

import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from seekcam import cli
from seekcam.localization.errors import UserError

VERBS = [(room, verb) for room, verbs in cli.ROOMS.items() for verb in verbs]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return int(ended.value.code or 0)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_help_lists_every_verb_with_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run("--help") == 0
    page = plain(capsys.readouterr().out)
    for verbs in cli.ROOMS.values():
        for verb, line in verbs.items():
            assert re.search(rf"\b{verb} +{re.escape(line)}", page)


@pytest.mark.parametrize(("room", "verb"), VERBS)
def test_every_listed_verb_is_mounted_by_its_room(room: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    assert "Usage: seekcam " + verb in plain(capsys.readouterr().out)


@pytest.mark.parametrize("room", cli.ROOMS)
def test_every_mounted_verb_is_listed(room: str) -> None:
    app = typer.Typer()
    importlib.import_module(room).register(app)
    commands = {info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands}
    groups = {str(info.name) for info in app.registered_groups}
    assert commands | groups == set(cli.ROOMS[room])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.split() == ["seekcam", version("seekcam")]


def test_an_unknown_verb_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sreve") == 2
    assert "sreve" in capsys.readouterr().err


def test_a_user_error_is_one_sentence_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class LampError(UserError):
        exit_code = 7

    def broken(arguments: object) -> typer.Typer:
        app = typer.Typer()

        @app.command()
        def light() -> None:
            raise LampError("The lamp is broken: bring a new one.")

        return app

    monkeypatch.setattr(cli, "build_app", broken)
    assert run() == 7
    captured = capsys.readouterr()
    assert captured.err == "seekcam: The lamp is broken: bring a new one.\n"
    assert captured.out == ""


def test_it_runs_as_a_module_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seekcam", "--version"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"seekcam {version('seekcam')}\n")
