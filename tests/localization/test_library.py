"""Where models are found by name, what is said when there is none, and how one is built in a child process."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization import library as library_module
from seekcam.localization.errors import ModelFileError, UnknownModelError
from seekcam.localization.library import BUILDABLE, DEFAULT_MODEL, FOLDER_VARIABLE, ModelLibrary, name_from
from seekcam.localization.model import read_card


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    """A folder with two models and other things."""
    for name in ("pets.onnx", "birds-2.onnx", ".pets-x1.part", ".hidden.onnx", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.onnx").mkdir()
    return ModelLibrary(tmp_path)


def test_names_are_the_models_there_and_the_buildable_ones(library: ModelLibrary) -> None:
    assert library.present() == ("birds-2", "pets")
    assert library.names() == (*BUILDABLE, "birds-2", "pets")
    assert ModelLibrary(library.folder / "not yet").names() == BUILDABLE


def test_a_link_counts_as_long_as_it_leads_somewhere(
    library: ModelLibrary, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "any.onnx"
    (library.folder / "linked.onnx").symlink_to(elsewhere)
    assert "linked" not in library.names()
    with pytest.raises(UnknownModelError, match="There is no model called linked"):
        library.path("linked")
    elsewhere.write_bytes(b"x")
    assert "linked" in library.present()
    assert library.path("linked").read_bytes() == b"x"


@given(text=st.text(max_size=12))
@settings(deadline=None, max_examples=50)
def test_any_text_makes_a_name_and_a_name_stays_as_it_is(text: str) -> None:
    name = name_from(text)
    assert ModelLibrary(Path("models")).file(name).name == f"{name}.onnx"
    assert name_from(name) == name
    assert name_from("birds-has_2.1+x") == "birds-has_2.1+x"


def test_a_model_is_found_by_name_or_file(library: ModelLibrary) -> None:
    assert library.path("pets") == library.folder / "pets.onnx"
    assert library.path(str(library.folder / "pets.onnx")) == library.folder / "pets.onnx"
    assert library.ensure("pets") == library.folder / "pets.onnx"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("pet", "did you mean pets"),
        ("zzz", "or give an .onnx file"),
        ("/no/where.onnx", "There is no model file at /no/where.onnx"),
        ("no/where", "There is no model file at no/where"),
        (DEFAULT_MODEL, f"run `seekcam models build {DEFAULT_MODEL}`"),
        ("..", "no model name"),
        ("", "no model name"),
        ("a b", "no model name"),
        ("pets\n", "no model name"),
        (".hidden", "no model name"),
    ],
)
def test_a_model_that_is_not_there_is_answered_with_a_sentence(
    library: ModelLibrary, wanted: str, sentence: str
) -> None:
    with pytest.raises(UnknownModelError) as caught:
        library.path(wanted)
    assert sentence in str(caught.value)


def test_a_name_can_never_leave_the_folder(library: ModelLibrary) -> None:
    for name in ("../pets", "/etc/passwd", "a/../../pets", "..\\pets"):
        with pytest.raises(UnknownModelError):
            library.file(name)


def test_the_folder_comes_from_the_environment_or_is_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert ModelLibrary().folder == tmp_path
    assert ModelLibrary(tmp_path / "given").folder == tmp_path / "given"
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if sys.platform == "linux":
        assert ModelLibrary().folder == tmp_path / "cache" / "seekcam" / "models"


def test_a_missing_buildable_model_is_built_once_in_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front_door = tmp_path / "seekcam.py"
    front_door.write_text(
        "import os, pathlib, sys\n"
        "folder = pathlib.Path(os.environ['SEEKCAM_MODELS'])\n"
        "folder.mkdir(parents=True)\n"
        "(folder / (sys.argv[-1] + '.onnx')).write_text(' '.join(sys.argv[1:]))\n"
    )
    monkeypatch.setattr(library_module, "_ROOT", tmp_path)
    library = ModelLibrary(tmp_path / "models")
    path = library.ensure(DEFAULT_MODEL)
    assert path == tmp_path / "models" / f"{DEFAULT_MODEL}.onnx"
    assert path.read_text() == f"models build {DEFAULT_MODEL}"
    front_door.unlink()
    assert library.ensure(DEFAULT_MODEL) == path


def test_a_failed_build_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "seekcam.py").write_text("raise SystemExit(7)")
    monkeypatch.setattr(library_module, "_ROOT", tmp_path)
    with pytest.raises(ModelFileError, match=rf"Building {DEFAULT_MODEL} failed \(exit code 7\)"):
        ModelLibrary(tmp_path / "models").ensure(DEFAULT_MODEL)


def test_an_older_file_serves_on_where_it_cannot_be_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "seekcam.py").write_text("raise SystemExit(7)")
    monkeypatch.setattr(library_module, "_ROOT", tmp_path)
    path = tmp_path / f"{DEFAULT_MODEL}.onnx"
    shutil.copyfile(small_model_path, path)
    old = replace(read_card(path), source="PyPI packages efficientnet-lite-pytorch 0.1.0")
    monkeypatch.setattr("seekcam.localization.library.read_card", lambda _path: old)
    assert ModelLibrary(tmp_path).ensure(DEFAULT_MODEL) == path
    assert "serves on" in caplog.text


def test_looking_for_models_imports_no_torch(tmp_path: Path) -> None:
    program = "import sys, localization.library as l; l.ModelLibrary().names(); assert 'torch' not in sys.modules"
    environment = {**os.environ, FOLDER_VARIABLE: str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_a_buildable_model_from_before_objectness_heads_is_built_anew_and_a_persons_own_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_model_path: Path
) -> None:
    library = ModelLibrary(tmp_path)
    path = tmp_path / f"{DEFAULT_MODEL}.onnx"
    shutil.copyfile(small_model_path, path)
    built: list[list[str]] = []

    def build(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        built.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", build)
    assert library.ensure(DEFAULT_MODEL) == path
    assert built == []
    old = replace(read_card(path), source="PyPI packages efficientnet-lite-pytorch 0.1.0")
    monkeypatch.setattr("seekcam.localization.library.read_card", lambda _path: old)
    assert library.ensure(DEFAULT_MODEL) == path
    assert [command[-1] for command in built] == [DEFAULT_MODEL]
    monkeypatch.setattr("seekcam.localization.library.read_card", lambda _path: replace(old, objectness={"cut": 0.5}))
    library.ensure(DEFAULT_MODEL)
    assert len(built) == 1
