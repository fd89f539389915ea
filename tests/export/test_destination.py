"""Where an export may go, and how the library comes to have it."""

from pathlib import Path

import pytest

from seekcam.export.destination import Place, PlaceError, enter, plan
from seekcam.localization.errors import UnknownModelError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from tests.helpers.plain_user import needs_posix, plain_user


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    (tmp_path / "library").mkdir()
    (tmp_path / "out").mkdir()
    return ModelLibrary(tmp_path / "library")


def test_without_a_file_it_is_the_librarys(tmp_path: Path) -> None:
    library = ModelLibrary(tmp_path / "not" / "yet")
    place = plan("pets", None, library, overwrite=False)
    assert place == Place("pets", library.folder / "pets.onnx", library.folder / "pets.onnx")
    place.file.write_bytes(b"model")
    assert enter(place) == "in place"
    assert [path.name for path in library.folder.iterdir()] == ["pets.onnx"]


def test_a_file_elsewhere_is_linked(library: ModelLibrary, tmp_path: Path) -> None:
    place = plan("pets", tmp_path / "out" / "any.onnx", library, overwrite=False)
    place.file.write_bytes(b"model")
    assert enter(place) == "link"
    assert library.path("pets").read_bytes() == b"model"
    assert library.present() == ("pets",)
    # Written again, to the same place: its own entry is in nobody's way.
    assert enter(plan("pets", place.file, library, overwrite=True)) == "link"
    place.file.unlink()
    assert library.present() == ()
    assert [path.name for path in library.folder.iterdir()] == ["pets.onnx"]
    # A link that leads nowhere is in nobody's way either.
    plan("pets", tmp_path / "out" / "other.onnx", library, overwrite=False)


def test_a_relative_file_is_linked_by_its_whole_path(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "out")
    place = plan("pets", Path("pets.onnx"), library, overwrite=False)
    place.file.write_bytes(b"model")
    enter(place)
    monkeypatch.chdir(tmp_path)
    assert library.path("pets").read_bytes() == b"model"


def test_it_is_copied_where_there_are_no_links(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    place = plan("pets", tmp_path / "out" / "pets.onnx", library, overwrite=False)
    place.file.write_bytes(b"model")
    monkeypatch.setattr(Path, "symlink_to", no_links)
    assert enter(place) == "copy"
    place.file.unlink()
    assert library.path("pets").read_bytes() == b"model"


@pytest.mark.parametrize(
    ("name", "out", "sentence"),
    [
        (DEFAULT_MODEL, None, "the name of a model that `seekcam models build` makes"),
        (DEFAULT_MODEL, "out/efficientnet-lite0.onnx", "choose another file name or --name"),
        ("pets", "out/pets.pt", r"must end in \.onnx"),
        ("pets", "out/folder.onnx", "is a folder"),
        ("pets", "gone/pets.onnx", "There is no folder"),
        ("pets", "out/source.onnx", "The output is the input"),
        ("pets", "library/dogs.onnx", r"call it pets\.onnx"),
        ("pets", "out/there.onnx", "there.onnx exists: add --overwrite"),
        ("taken", "out/new.onnx", r"another model called taken .*: give --name, or add --overwrite"),
        ("taken", None, "exists: add --overwrite"),
    ],
)
def test_a_place_that_cannot_work_is_refused_before_the_work(
    library: ModelLibrary, tmp_path: Path, name: str, out: str | None, sentence: str
) -> None:
    (tmp_path / "out" / "folder.onnx").mkdir()
    for taken in ("out/source.onnx", "out/there.onnx", "library/taken.onnx"):
        (tmp_path / taken).write_bytes(b"old")
    with pytest.raises(PlaceError, match=sentence):
        plan(
            name,
            None if out is None else tmp_path / out,
            library,
            overwrite=False,
            source=tmp_path / "out" / "source.onnx",
        )


def test_overwriting_never_touches_what_can_be_built(library: ModelLibrary) -> None:
    with pytest.raises(PlaceError):
        plan(DEFAULT_MODEL, None, library, overwrite=True)


def test_overwriting_never_takes_the_inputs_place_in_the_library(library: ModelLibrary, tmp_path: Path) -> None:
    source, out = library.folder / "pets.onnx", tmp_path / "out" / "pets.onnx"
    source.write_bytes(b"the only fp32 file")
    with pytest.raises(PlaceError, match=r"The input is the library's pets.* give --name"):
        plan("pets", out, library, overwrite=True, source=source)
    assert plan("pets-int8", out, library, overwrite=True, source=source).entry == library.folder / "pets-int8.onnx"
    # A link is replaced by another one; what it led to stays.
    source.replace(tmp_path / "pets-fp32.onnx")
    source.symlink_to(tmp_path / "pets-fp32.onnx")
    assert plan("pets", out, library, overwrite=True, source=source).entry == source


def test_overwriting_replaces_the_entry_and_not_what_it_led_to(library: ModelLibrary, tmp_path: Path) -> None:
    (tmp_path / "out" / "old.onnx").write_bytes(b"old")
    (library.folder / "pets.onnx").symlink_to(tmp_path / "out" / "old.onnx")
    place = plan("pets", tmp_path / "out" / "new.onnx", library, overwrite=True)
    place.file.write_bytes(b"new")
    enter(place)
    assert library.path("pets").read_bytes() == b"new"
    assert (tmp_path / "out" / "old.onnx").read_bytes() == b"old"


def test_a_name_must_be_one_of_a_model(library: ModelLibrary) -> None:
    for name in ("../pets", "a b", ""):
        with pytest.raises(UnknownModelError):
            plan(name, None, library, overwrite=False)


@needs_posix
def test_a_folder_that_is_closed_is_told_before_the_work() -> None:
    with plain_user() as folder:
        folder.joinpath("out").mkdir(0o500)
        library = ModelLibrary(folder / "library")
        with pytest.raises(PlaceError, match=r"Nothing can be written in .*out .*choose another folder"):
            plan("pets", folder / "out" / "pets.onnx", library, overwrite=False)


def test_a_disk_that_cannot_be_written_is_told_before_the_work(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(PlaceError, match=r"Nothing can be written in .* \(No space left on device\): make room"):
        plan("pets", tmp_path / "out" / "pets.onnx", library, overwrite=False)
