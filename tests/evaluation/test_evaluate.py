"""The verb `evaluate`: its table and files, and a sentence for whatever cannot be used."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from skimage import data

from seekcam import cli
from seekcam.evaluation import evaluate_verb as evaluate_module
from seekcam.evaluation.evaluate_verb import EvaluateOptions, evaluate
from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL
from seekcam.localization.pictures import read_picture, save_picture
from tests.helpers.labelled_pictures import SIDE, Answer, ObedientModel, paint

CONTRACT = {
    "top1_clas", "top5_clas", "top1_loc", "top5_loc", "gt_known_loc", "gt_known_loc_at_best_threshold",
    "top1_loc_at_best_threshold", "max_box_acc", "max_box_acc_v2", "pxap", "images", "threshold", "best_threshold",
    "model", "method", "map", "box", "precision", "provider",
}  # fmt: skip
BOX = (8, 12, 28, 44)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Cats and cups, one folder each, with boxes for all but one."""
    folder = tmp_path / "photographs"
    for name, picture in {"Egyptian cat": data.chelsea(), "espresso": data.coffee()}.items():
        (folder / name).mkdir(parents=True)
        save_picture(np.asarray(picture), folder / name / "whole.png")
        save_picture(np.asarray(picture[:, 40:]), folder / name / "part.png")
    lines = [
        "Egyptian cat/whole.png,40,0,440,299",
        "Egyptian cat/part.png,0,0,400,299",
        "espresso/whole.png,150,40,430,330",
    ]
    (tmp_path / "boxes.txt").write_text("\n".join(lines))
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["evaluate", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_photographs_are_scored_and_everything_asked_for_is_written(
    photographs: Path, tmp_path: Path, default_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table, grid = tmp_path / "scores.json", tmp_path / "classes.csv", tmp_path / "grid.jpg"
    out.write_text("old")
    code = run(
        DEFAULT_MODEL, "--data", photographs, "--annotations", tmp_path / "boxes.txt", "--provider", "cpu",
        "--json", out, "--csv", table, "--grid", grid,
    )  # fmt: skip
    assert code == 0
    document = json.loads(out.read_text("utf-8"))
    assert document.keys() >= CONTRACT
    assert (document["images"], document["boxed_images"], document["part"]) == (4, 3, "all")
    assert (document["model"], document["map"], document["threshold"]) == (DEFAULT_MODEL, "objectness", 0.5)
    assert document["top1_clas"] == 100.0
    assert document["top5_loc"] >= document["top1_loc"]
    assert document["pxap"] is None
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"))))
    assert [(row["class"], row["images"], row["boxed"], row["top1_clas"]) for row in rows] == [
        ("Egyptian cat", "2", "2", "100.00"),
        ("espresso", "2", "1", "100.00"),
    ]
    assert read_picture(grid, 10**8).shape[1] > 6 * 200
    assert {path.name for path in tmp_path.iterdir()} == {
        "photographs",
        "boxes.txt",
        "scores.json",
        "classes.csv",
        "grid.jpg",
    }
    said = capsys.readouterr()
    assert "best fixed threshold" in said.out
    assert f"{document['gt_known_loc']:.2f}" in said.out
    assert "3 of 4 pictures have annotated boxes" in said.err


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObedientModel:
    """Drawn pictures in folders named after their class, and the model that obeys them in place of a file's."""
    model = ObedientModel()
    monkeypatch.setattr(evaluate_module, "LocalizationModel", lambda _path, _provider: model)
    for label, name in enumerate(("ant", "bee")):
        (tmp_path / "drawn" / name).mkdir(parents=True)
        for number in range(10):
            picture = paint(Answer(label, label, BOX, logit=9 if label or number else 0))
            save_picture(picture, tmp_path / "drawn" / name / f"{number}.png")
    return model


def options(folder: Path, **changes: object) -> EvaluateOptions:
    plain = EvaluateOptions(
        model=DEFAULT_MODEL,
        data=folder / "drawn",
        settings={},
        part=None,
        annotations=None,
        limit=None,
        json=None,
        csv=None,
        grid=None,
        provider="cpu",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def told(given: EvaluateOptions) -> tuple[str, str]:
    """What is printed: the tables, and the remarks."""
    out, err = io.StringIO(), io.StringIO()
    assert evaluate(given, Console(file=out, width=200), Console(file=err, width=200)) == 0
    return out.getvalue(), err.getvalue()


def test_the_validation_part_is_the_one_that_training_held_out(
    drawn: ObedientModel, tmp_path: Path, default_model_path: Path
) -> None:
    assert "part all: 20 pictures" in told(options(tmp_path))[0]
    drawn.card = replace(drawn.card, recipe={"data": {"validation": 0.3, "seed": 4}}, dataset="drawn")
    assert "part validation: 6 pictures" in told(options(tmp_path))[0]


def test_pictures_that_the_model_has_seen_before_are_named_as_such(
    drawn: ObedientModel, tmp_path: Path, default_model_path: Path
) -> None:
    plain = drawn.card
    drawn.card = replace(plain, recipe={"data": {"validation": 0.3}}, dataset="drawn")
    assert "was trained on some of these pictures" in told(options(tmp_path, part="all"))[1]
    assert "The epoch of obedient came from these pictures" in told(options(tmp_path))[1]
    split = "40 pictures of the validation part of drawn"
    drawn.card = replace(drawn.card, threshold_split=split)
    assert "The epoch and box threshold of obedient came" in told(options(tmp_path))[1]
    names = ("ant", "bee")
    renamed = replace(drawn.card, dataset="as it was called", classes=names, class_ids=names, mapped=2)
    drawn.card = renamed
    assert "may have been trained on some of these pictures" in told(options(tmp_path, part="train"))[1]
    drawn.card = replace(renamed, threshold_split="not calibrated")
    assert "came from these pictures" not in told(options(tmp_path))[1]


def test_without_boxes_the_table_has_no_places_and_a_sentence_says_why(
    drawn: ObedientModel, tmp_path: Path, default_model_path: Path
) -> None:
    out, err = told(options(tmp_path, json=tmp_path / "scores.json", grid=tmp_path / "grid.png"))
    assert "Top-1 Clas" in out
    assert "Loc" not in out
    assert "None of these pictures has an annotated box" in err
    document = json.loads((tmp_path / "scores.json").read_text())
    assert (document["top1_clas"], document["top1_loc"], document["not_sure"]) == (100.0, None, 5.0)
    assert (tmp_path / "grid.png").is_file()


def test_the_grid_shows_the_boxes_where_they_are(
    drawn: ObedientModel, tmp_path: Path, default_model_path: Path
) -> None:
    (tmp_path / "boxes.txt").write_text(
        "".join(f"{name}/{n}.png,8,12,27,43\n" for name in ("ant", "bee") for n in range(10))
    )
    out, _ = told(options(tmp_path, annotations=tmp_path / "boxes.txt", grid=tmp_path / "grid.png", limit=6))
    assert "Top-1 Loc, were it always sure" in out
    grid = read_picture(tmp_path / "grid.png", 10**8)
    assert grid.shape == (28 + 5 * 230 - 6, 6 * 230 + 12, 3)  # five hits and a miss
    # Left side of the box, of 56 pixels made 224, in the third panel of the first row.
    x, y = 2 * 230 + BOX[0] * 224 // SIDE, 28 + 112
    colours = {tuple(int(v) for v in pixel) for pixel in grid[y, x - 8 : x + 8]}
    assert {(255, 196, 0), (64, 200, 96)} & colours


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": "nowhere"}, "There is no folder"),
        ({"json": "missing/scores.json"}, "There is no folder"),
        ({"json": "drawn"}, "is a folder"),
        ({"grid": "grid.gif"}, "must end in"),
        ({"json": "same", "csv": "same"}, "one name"),
        ({"part": "exam"}, "no part 'exam'"),
        ({"model": "nothing-like-it"}, "no model called"),
        ({"settings": {"map": "round"}}, "map must be one of"),
        ({"settings": {"threshold": "2"}}, "threshold must be"),
        ({"settings": {"method": "magic"}}, "no map method"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_and_nothing_is_left(
    drawn: ObedientModel, tmp_path: Path, default_model_path: Path, changes: dict[str, object], sentence: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    places = {k: tmp_path / str(v) if k in ("data", "json", "csv", "grid") else v for k, v in changes.items()}
    with pytest.raises(UserError, match=sentence):
        evaluate(options(tmp_path, **places), Console(file=io.StringIO()), Console(file=io.StringIO()))
    assert not drawn.batches
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_gives_no_scores(
    drawn: ObedientModel, tmp_path: Path, default_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_module, "score_model", interrupted)
    err = io.StringIO()
    given = options(tmp_path, json=tmp_path / "scores.json")
    assert evaluate(given, Console(file=io.StringIO()), Console(file=err)) == 130
    assert "Interrupted" in err.getvalue()
    assert not (tmp_path / "scores.json").exists()


def test_two_maps_are_scored_side_by_side_with_paired_errors(
    photographs: Path, tmp_path: Path, default_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    annotations = ("--annotations", tmp_path / "boxes.txt")
    assert run(DEFAULT_MODEL, "--data", photographs, *annotations, "--compare", ":plain", "--json", out) == 0
    document = json.loads(out.read_text())
    assert (document["map"], document["compare"]["map"]) == ("objectness", "plain")
    assert run(DEFAULT_MODEL, "--data", photographs, *annotations, "--map", "plain", "--json", tmp_path / "p.json") == 0
    plain = json.loads((tmp_path / "p.json").read_text())
    assert {key: document["compare"][key] for key in plain if key != "notes"} == {
        key: value for key, value in plain.items() if key != "notes"
    }
    change = document["compare"]["differences"]["mean IoU"]
    assert change["mean"] == pytest.approx(document["mean_iou"] - plain["mean_iou"], abs=0.02)
    assert change["error"] > 0
    assert "± one s.e." in capsys.readouterr().out
