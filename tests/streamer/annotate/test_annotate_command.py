"""The verb `annotate`: where its output goes, and a sentence for whatever cannot be used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from rich.console import Console

from seekcam.localization.errors import UserError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import save_picture
from seekcam.streamer.annotate.annotate_verb import run
from tests.helpers.films import CAT, film


@pytest.fixture(scope="module")
def model(default_model_path: Path) -> LocalizationModel:
    return LocalizationModel(default_model_path, "cpu")


def console() -> Console:
    return Console(file=open(os.devnull, "w"))  # noqa: PTH123 - no path of a file


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default_model_path: Path) -> Iterator[Path]:
    """A current folder with a film, pictures and things that are neither; the default model is built."""
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "film.mp4", [0, 40, 80])
    save_picture(CAT, tmp_path / "cat.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cat.jpg").read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "text.mp4").write_text("hello")
    with av.open("silent.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    before = {p.name for p in tmp_path.iterdir()}
    yield tmp_path
    after = {p.name for p in tmp_path.iterdir()} - {"film.annotated.mp4", "cat.annotated.jpg"}
    assert after == before


def test_without_an_output_it_goes_to_the_current_folder(workplace: Path) -> None:
    for source, output in [("film.mp4", "film.annotated.mp4"), ("cat.jpg", "cat.annotated.jpg")]:
        assert run(source, None, None, {}, "cpu", False, console()) == 0
        assert (workplace / output).is_file()
        with pytest.raises(UserError, match="--overwrite"):
            run(source, None, None, {}, "cpu", False, console())
        assert run(source, None, None, {}, "cpu", True, console()) == 0


@pytest.mark.parametrize(
    ("source", "output", "chosen", "sentence"),
    [
        ("missing.mp4", None, {}, "no file missing.mp4"),
        ("missing", None, {}, "no file missing"),
        ("text.jpg", None, {}, "not a picture"),
        ("cut.jpg", None, {}, "cut short"),
        ("text.mp4", None, {}, "neither a picture nor a video"),
        ("silent.mp4", None, {}, "no video"),
        ("film.mp4", "film.mp4", {}, "output is the input"),
        ("cat.jpg", "./cat.jpg", {}, "output is the input"),
        ("film.mp4", "cat.jpg", {}, "must end in .mp4"),
        ("cat.jpg", "out.mp4", {}, "must end in .png"),
        ("0", "out.mkv", {}, "must end in .mp4: a camera"),
        ("film.mp4", "nowhere/out.mp4", {}, "no folder"),
        ("film.mp4", "/proc/out.mp4", {}, "cannot be written"),
        ("film.mp4", None, {"method": "nonsense"}, "no map method"),
        ("film.mp4", None, {"classes": "nonsens"}, "no class"),
        ("film.mp4", None, {"model": "nonsense"}, "no model"),
        ("film.mp4", None, {"opacity": 3}, "opacity"),
        ("/dev/video-of-nobody", "out.mp4", {}, "no camera"),
        ("ftp://host/film.mp4", "out.mp4", {}, "no source we read"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_left(
    workplace: Path, source: str, output: str | None, chosen: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        run(source, None if output is None else Path(output), None, chosen, "cpu", False, console())
    assert caught.value.exit_code == 2
    assert str(caught.value).count(". ") == 0


def test_a_disk_that_is_full_leaves_no_output(workplace: Path) -> None:
    """A limit on the size of files fails as a full disk does, in a process of its own."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "from seekcam import cli; cli.main(['annotate', 'film.mp4', 'out.mp4', '--provider', 'cpu'])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(root)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert "out.mp4 cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (workplace / "out.mp4").exists()
