"""`annotate --compare`: pictures, folders and films with two models side by side."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from seekcam import cli
from seekcam.localization.errors import UserError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture, save_picture
from seekcam.localization.pipeline import localize
from seekcam.localization.settings import Settings
from seekcam.streamer.annotate import video as video_module
from seekcam.streamer.annotate.analyst import Analyst
from seekcam.streamer.annotate.video import annotate_video
from seekcam.streamer.media.frames import to_rgb
from tests.helpers.films import CAT, film, lines, times

BARE = {"opacity": 0, "boxes": False, "labels": False}


@pytest.fixture(scope="module")
def model(default_model_path: Path) -> LocalizationModel:
    return LocalizationModel(default_model_path, "cpu")


@pytest.fixture(scope="module")
def small(small_model_path: Path) -> LocalizationModel:
    return LocalizationModel(small_model_path, "cpu")


def paired(**changes: object) -> Settings:
    return Settings().changed({"compare": "small:layercam", **changes})


def annotate(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["annotate", *map(str, arguments), "--provider", "cpu"])
    return int(ended.value.code or 0)


def test_each_side_of_a_picture_is_what_its_model_alone_says(
    model: LocalizationModel, small: LocalizationModel
) -> None:
    prediction = Analyst(model, paired(), small).localize(CAT)
    assert prediction.compare is not None
    wanted = Settings().changed({"method": "layercam"}).analysis
    for one, other in ((prediction, localize(model, CAT)), (prediction.compare, localize(small, CAT, wanted))):
        assert (one.model, one.method) == (other.model, other.method)
        assert one.top == other.top
        assert one.boxes == other.boxes
        assert all(np.array_equal(a.grid, b.grid) for a, b in zip(one.maps, other.maps, strict=True))


def test_two_files_of_one_name_are_told_apart(small: LocalizationModel, small_model_path: Path, tmp_path: Path) -> None:
    (copy := tmp_path / "small-int8.onnx").write_bytes(small_model_path.read_bytes())
    prediction = Analyst(small, paired(), LocalizationModel(copy, "cpu")).localize(CAT)
    assert prediction.compare is not None
    assert (prediction.model, prediction.compare.model) == ("small", "small-int8")


def test_a_film_keeps_its_times_and_each_frame_is_there_twice(
    model: LocalizationModel, small: LocalizationModel, tmp_path: Path
) -> None:
    source, output, sidecar = film(tmp_path / "a.mp4", [0, 40, 80, 120]), tmp_path / "b.mp4", tmp_path / "b.jsonl"
    annotate_video(Analyst(model, paired(**BARE), small), source, output, sidecar)
    assert times(output) == times(source)
    with av.open(str(source)) as before, av.open(str(output)) as after:
        for old, new in zip(before.decode(video=0), after.decode(video=0), strict=True):
            assert (new.width, new.height) == (2 * old.width, old.height)
            picture, whole = to_rgb(old).astype(float), to_rgb(new)
            for half in (whole[:, : old.width], whole[:, old.width :]):
                assert np.abs(half - picture)[:100, 4:-4].mean() < 4  # below stand the names
    for line in lines(sidecar):
        assert (line["model"], line["compare"]["model"], line["compare"]["method"]) == (
            model.card.name,
            "small",
            "layercam",
        )


def test_an_interrupted_film_goes_on_with_both_classes_held(
    model: LocalizationModel, small: LocalizationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_module, "PIECE_FRAMES", 3)
    source = film(tmp_path / "a.mp4", list(range(0, 400, 40)))
    annotate_video(Analyst(model, paired(), small), source, tmp_path / "whole.mp4", tmp_path / "whole.jsonl")

    def interrupt(done: int, expected: int | None) -> None:
        if done >= 7:
            raise KeyboardInterrupt

    cut, cut_lines = tmp_path / "cut.mp4", tmp_path / "cut.jsonl"
    with pytest.raises(KeyboardInterrupt):
        annotate_video(Analyst(model, paired(), small), source, cut, cut_lines, interrupt)
    begun: list[int] = []
    annotate_video(Analyst(model, paired(), small), source, cut, cut_lines, lambda done, _: begun.append(done))
    assert begun[0] == 6
    for one, other in zip(lines(tmp_path / "whole.jsonl"), lines(cut_lines), strict=True):
        for each in (one, other, one["compare"], other["compare"]):
            del each["ms"]
        assert one == other


def test_the_command_takes_names_files_and_methods(
    tmp_path: Path, small_model_path: Path, default_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_picture(CAT, tmp_path / "cat.png")
    assert annotate("cat.png", "a.png", "--compare", f"{small_model_path}:gradcam++", "--json", "a.json") == 0
    document = json.loads((tmp_path / "a.json").read_text())
    assert (document["compare"]["model"], document["compare"]["method"]) == ("small", "gradcam++")
    assert read_picture(tmp_path / "a.png", 10**7).shape == (300, 902, 3)

    assert annotate("cat.png", "b.png", "--compare", ":finercam", "--json", "b.json") == 0
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["model"] == document["compare"]["model"]
    assert (document["method"], document["compare"]["method"]) == ("cam", "finercam")

    assert annotate("cat.png", "c.png", "--compare", "nobody") == 2
    assert annotate("cat.png", "c.png", "--compare", str(small_model_path), "--classes", "lynx") == 2
    assert not (tmp_path / "c.png").exists()


def test_a_folder_made_without_a_comparison_is_not_gone_on_with(
    tmp_path: Path, small_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    save_picture(CAT, tmp_path / "in" / "cat.png")
    assert annotate("in", "out") == 0
    assert annotate("in", "out", "--compare", small_model_path) == 2
    assert annotate("in", "out", "--compare", small_model_path, "--overwrite") == 0
    assert read_picture(tmp_path / "out" / "cat.png", 10**7).shape == (300, 902, 3)


def test_a_second_model_without_the_chosen_class_is_refused_at_once(
    model: LocalizationModel, small: LocalizationModel
) -> None:
    with pytest.raises(UserError, match="small has no class 'lynx' to compare"):
        Analyst(model, paired(classes=["lynx"]), small)
