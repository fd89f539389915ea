"""The whole way on generated pictures: train, export, score, record, report, as `seekcam results` does it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from seekcam import cli as front_door
from seekcam.localization.errors import UserError
from seekcam.studies.results import cli, rows
from seekcam.studies.results.records import HeadVerdict
from seekcam.studies.results.rows import SMALL, Run, recipe_of
from seekcam.studies.results.run import Study
from seekcam.studies.results.tools import EXPORTED, LAST, RealTools, hide_pixels, pixel_fill, verdict_in_words
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.recipe import HardwareTable, InputTable, NetworkTable, Recipe, ScheduleTable
from tests.helpers.result_records import record, row_called, verdict, with_head

CLASSES = ("001.Dark", "002.Light")
SIDE = 72  # pixels of a generated picture
TINY = replace(
    SMALL,
    input=InputTable(size=64, resize=72),
    schedule=ScheduleTable(epochs=1, batch=4),
    hardware=HardwareTable(device="cpu", precision="32-true", workers=0),
)


def write_pictures(folder: Path, per_class: int = 6, trained_on: int = 6) -> None:
    """A disc on noise, dark or light by class, in the benchmark's layout, with the disc's box."""
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        listed: dict[str, list[str]] = {"image_ids": [], "class_labels": [], "image_sizes": [], "localization": []}
        for label, name in enumerate(CLASSES):
            for number in range(trained_on if part == "train" else per_class):
                x, y = (int(v) for v in random.integers(20, SIDE - 20, 2))
                pixels = random.integers(90, 160, (SIDE, SIDE, 3)).astype(np.uint8)
                cv2.circle(pixels, (x, y), 15, (230 * label,) * 3, -1)
                path = f"{name}/{part}{number}.png"
                (folder / "images" / name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / "images" / path), pixels)
                listed["image_ids"].append(path)
                listed["class_labels"].append(f"{path},{label}")
                listed["image_sizes"].append(f"{path},{SIDE},{SIDE}")
                listed["localization"].append(f"{path},{x - 15},{y - 15},{x + 15},{y + 15}")
        (folder / "metadata" / part).mkdir(parents=True)
        for kind, lines in listed.items():
            (folder / "metadata" / part / f"{kind}.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def call(*arguments: str) -> tuple[int, str]:
    app = front_door.build_app(["results"])
    found = CliRunner().invoke(app, ["results", *arguments])
    return found.exit_code, found.output + (str(found.exception) if found.exception else "")


@pytest.mark.usefixtures("one_thread")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_rows_are_trained_scored_and_reported_and_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "data" / "cub50", trained_on=24)
    monkeypatch.setattr(cli, "SCHEDULES", {"small": TINY})
    names = "input-dropout,input-dropout-at-test"
    places = ("--data", str(tmp_path / "data"), "--out", str(tmp_path / "docs"), "--work", str(tmp_path / "work"))
    code, said = call(*places, "--rows", names)
    assert code == 0, said
    study = Study("small", TINY, tmp_path / "docs", tmp_path / "work")
    found = {r.row: r for r in study.records()}
    assert sorted(found) == ["input-dropout", "input-dropout-at-test"]
    dropout, masked = found["input-dropout"], found["input-dropout-at-test"]
    assert study.folder(Run(row_called("input-dropout"), 0)) == study.folder(Run(row_called(masked.row), 0))
    assert dropout.recipe_hash == masked.recipe_hash
    assert dropout.plain.ious != masked.plain.ious  # the mask is there
    for one in found.values():
        assert len(one.correct) == 12
        # What the pictures' own outcomes come to is what the scoring itself reported.
        assert one.hits("plain")["gt_known_loc"].mean() == pytest.approx(
            one.plain.metrics["gt_known_loc_at_best_threshold"], abs=0.01
        )
        assert one.hits("spread")["gt_known_loc"].mean() == pytest.approx(one.spread.metrics["gt_known_loc"], abs=0.01)
        assert one.objectness is not None
        assert one.objectness.threshold == 0.5
        assert one.hits("objectness")["gt_known_loc"].mean() == pytest.approx(
            one.objectness.metrics["gt_known_loc"], abs=0.01
        )
        assert one.verdict is not None
        assert one.verdict.pictures <= 6  # every eighth of 48 in training judged, as far as its class was known
        assert one.hits("spread")["top1_clas"].mean() == pytest.approx(one.spread.metrics["top1_clas"], abs=0.01)
        assert one.hits("spread")["top1_loc"].mean() == pytest.approx(
            one.spread.metrics["top1_loc_without_min_score"], abs=0.01
        )
    page = (tmp_path / "docs" / "cub50.md").read_text("utf-8")
    assert "Not complete: 2 of 20 runs" in page
    assert json.loads((tmp_path / "docs" / "cub50.json").read_text())["rows"][0]["images"] == 12
    assert (tmp_path / "docs" / "cub50.png").read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "docs").rglob("*.jpg"))
    assert dropout.verdict == masked.verdict  # one training, one head
    folder = study.folder(Run(row_called("input-dropout"), 0))
    assert json.loads((folder / EXPORTED).read_text())["epochs"] == 1
    tools = RealTools(tmp_path / "data" / "cub50", TINY, lambda _: None)
    recipe = recipe_of(Run(row_called("input-dropout"), 0), TINY)
    assert tools.finished(recipe, folder)
    assert not tools.finished(replace(recipe, schedule=ScheduleTable(epochs=2, batch=4)), folder)
    assert not tools.finished(recipe, tmp_path)

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "docs" / "rows").iterdir()}
    code, said = call(*places, "--rows", names)
    assert code == 0, said
    assert "2 of 2 runs have their record, 0 to do" in said
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "docs" / "rows").iterdir()}


def test_a_training_broken_off_is_not_finished(tmp_path: Path) -> None:
    write_pictures(tmp_path / "cub50", per_class=1, trained_on=1)
    tools = RealTools(tmp_path / "cub50", TINY, lambda _: None)
    longer = replace(TINY, schedule=ScheduleTable(epochs=3, batch=4))
    for epoch in range(1, 4):
        Checkpoint(longer.to_dict(), longer.digest(), CLASSES, CLASSES, {}, "cub50", "", epoch).save(tmp_path / LAST)
        assert tools.finished(longer, tmp_path) == (epoch == 3)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (verdict(), "kept by its judge: agreement 0.600 with it, 0.500 without, difference +0.100 ± 0.020 over 125"),
        (verdict(helps=False), "left out by its judge: agreement 0.400 with it, 0.500 without, difference -0.100"),
        (HeadVerdict(False, 0, 0.0, 0.0, 0.0, "only 3 views"), "objectness head: only 3 views"),
    ],
)
def test_the_verdict_is_said_in_a_line(found: HeadVerdict, words: str) -> None:
    assert words in verdict_in_words(found)


def test_hidden_pixels_are_the_mean_in_all_channels_and_the_same_each_time() -> None:
    frame = np.full((64, 64, 3), 200, np.uint8)
    hidden = hide_pixels(frame, 0.5, (127, 127, 127), seed=4)
    assert np.array_equal(hidden, hide_pixels(frame, 0.5, (127, 127, 127), seed=4))
    assert not np.array_equal(hidden, hide_pixels(frame, 0.5, (127, 127, 127), seed=5))
    assert set(np.unique(hidden)) == {127, 200}
    assert (np.ptp(hidden, axis=2) == 0).all()
    assert abs(float((hidden[:, :, 0] == 127).mean()) - 0.5) < 4 * 0.5 / 64
    assert (frame == 200).all()


def test_what_hides_a_pixel_is_zero_to_the_network() -> None:
    assert pixel_fill(NetworkTable(name="efficientnet-lite0")) == (127, 127, 127)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "set SEEKCAM_DATA or give --data FOLDER"),
        (("--data", "{tmp}"), "holds no cub50/"),
        (("--data", "{tmp}/nothing"), "There is no folder"),
        (("--data", "{tmp}", "--rows", "ilsvrc"), "holds no ilsvrc_val/"),
        (("--rows", "has-33"), "did you mean has-32?"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEKCAM_DATA", raising=False)
    out = ("--out", str(tmp_path / "docs"), "--work", str(tmp_path / "work"))
    code, said = call(*out, *(argument.format(tmp=tmp_path) for argument in arguments))
    assert code != 0
    assert sentence in said
    assert not (tmp_path / "docs").exists()


def test_pictures_without_boxes_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "cub50", per_class=1)
    (tmp_path / "cub50" / "metadata" / "test" / "localization.txt").unlink()
    with pytest.raises(UserError):
        RealTools(tmp_path / "cub50", TINY, lambda _: None)


def test_the_list_says_what_is_done_and_the_report_is_made_again(tmp_path: Path) -> None:
    with_head(record("plain"), 150).save(tmp_path / "rows")
    record("has-32").save(tmp_path / "rows")
    code, said = call("--list", "--out", str(tmp_path))
    assert code == 0
    assert [line.split()[:3] for line in said.splitlines()[1:4]] == [
        ["plain", "0", "done"],
        ["has-32", "0", "before"],
        ["has-mixed", "0", "to"],
    ]
    code, said = call("--report-only", "--out", str(tmp_path))
    assert code == 0, said
    assert "2 of 20 runs" in (tmp_path / "cub50.md").read_text("utf-8")


def test_both_schedules_are_recipes_and_differ() -> None:
    assert set(rows.SCHEDULES) == {"small", "full"}
    assert all(isinstance(recipe, Recipe) for recipe in rows.SCHEDULES.values())
    assert rows.FULL.digest() != rows.SMALL.digest()
    assert rows.FULL.schedule.epochs == 50
    assert rows.FULL.input.size == 224
