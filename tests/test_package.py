"""`import seekcam`: what README's lines use is there, and does the work of the verbs."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

import seekcam
from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.scoring import score_model
from tests.helpers.exported import boxed_folder


def test_every_name_is_there_and_no_other() -> None:
    for name in seekcam.__all__:
        assert getattr(seekcam, name) is not None
    assert set(seekcam.__all__) <= set(dir(seekcam))
    assert seekcam.__version__ == version("seekcam")
    with pytest.raises(AttributeError, match="has no attribute 'localise'"):
        seekcam.localise  # noqa: B018


def test_a_picture_is_localized_and_annotated(default_model_path: Path, tmp_path: Path) -> None:
    model = seekcam.LocalizationModel(default_model_path, "cpu")
    assert seekcam.localize(model, data.chelsea()).boxes[0].name in ("Egyptian cat", "tabby", "tiger cat")
    Image.fromarray(data.chelsea()).save(tmp_path / "cat.png")
    written = seekcam.annotate(
        tmp_path / "cat.png", tmp_path / "seen.png", provider="cpu", model=str(default_model_path), classes="tabby"
    )
    assert (written.output, written.kind, written.done) == (tmp_path / "seen.png", "picture", 1)
    assert np.asarray(Image.open(tmp_path / "seen.png")).shape == data.chelsea().shape
    with pytest.raises(seekcam.UserError, match="exists"):
        seekcam.annotate(tmp_path / "cat.png", tmp_path / "seen.png", model=str(default_model_path))


def test_a_folder_is_scored_as_the_verb_scores_it(small_model_path: Path, tmp_path: Path) -> None:
    folder = boxed_folder(tmp_path / "animals")
    scores = seekcam.evaluate(small_model_path, folder, provider="cpu", part="all", limit=9, min_score=0.0)
    model = seekcam.LocalizationModel(small_model_path, "cpu")
    settings = seekcam.AnalysisSettings(min_score=0.0)
    assert (
        scores.to_json()
        == score_model(model, read_pictures(folder, validation=0.0), settings, part="all", limit=9).to_json()
    )
    with pytest.raises(seekcam.UserError, match="one model at a time"):
        seekcam.evaluate(small_model_path, folder, provider="cpu", compare=":spread")
    with pytest.raises(seekcam.UserError, match="takes no classes: its settings are map,"):
        seekcam.evaluate(small_model_path, folder, classes="tabby")
    with pytest.raises(seekcam.UserError, match="limit must be at least 1, not 0"):
        seekcam.evaluate(small_model_path, folder, limit=0)


@pytest.mark.parametrize(
    ("picture", "what"),
    [
        (None, "not None, which OpenCV gives"),
        ("cat.jpg", "not str"),
        (np.zeros((8, 8)), r"not float64 \[8, 8\]"),
        (np.zeros((8, 8, 4), np.uint8), r"not uint8 \[8, 8, 4\]"),
        (np.zeros((0, 8, 3), np.uint8), r"not uint8 \[0, 8, 3\]"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(small_model_path: Path, picture: Any, what: str) -> None:
    model = seekcam.LocalizationModel(str(small_model_path), "cpu")
    with pytest.raises(seekcam.UserError, match=rf"RGB array, uint8 .*, {what}"):
        seekcam.localize(model, picture)


def test_a_model_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(seekcam.UserError, match=r"no model file at efficientnet-lite0: give the path of an"):
        seekcam.LocalizationModel("efficientnet-lite0")
