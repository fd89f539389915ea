"""The rows, their recipes and their order; records on disk; what is run again and what is not."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from seekcam.datasets.dataset import LabelledPicture
from seekcam.localization.errors import UserError
from seekcam.studies.results.records import RunRecord, fingerprint, load_records
from seekcam.studies.results.rows import FULL, ROWS, SMALL, Row, Run, chosen_rows, ordered_runs, recipe_of
from seekcam.studies.results.run import (
    ScoredRun,
    Study,
    TrainedRun,
    before_heads,
    boxes_moved,
    run_all,
    same_run,
    same_training,
    to_do,
)
from seekcam.training.recipe import Recipe, ScheduleTable
from tests.helpers.result_records import record, row_called, scored, verdict, with_head, with_random_outcomes


@dataclass
class Stub:
    """Trains nothing, remembers what it was asked for, and may be broken off at a given training."""

    pictures: str = "f" * 16
    machine: str = "a test"
    today: str = "2025-01-01"
    breaks_at: int = 99
    located: int = 100  # with the plain map
    there: set[Path] = field(default_factory=set)  # folders with a finished training
    trained: list[tuple[str, int, Path]] = field(default_factory=list)
    masked: list[float] = field(default_factory=list)

    def finished(self, recipe: Recipe, folder: Path) -> bool:
        assert recipe.digest() in folder.name
        return folder in self.there

    def train(self, recipe: Recipe, folder: Path) -> TrainedRun:
        if len(self.trained) == self.breaks_at:
            raise UserError("The training was interrupted.")
        self.trained.append((recipe.name, recipe.seed, folder))
        return TrainedRun(folder / "model.onnx", recipe.schedule.epochs, 41.237, verdict())

    def score(self, model: Path, row: Row) -> ScoredRun:
        assert model.name == "model.onnx"
        self.masked.append(row.hidden_at_test)
        answers = scored(140, self.located, 120)
        return replace(answers, objectness=replace(answers.spread, threshold=0.5))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study("small", SMALL, tmp_path / "docs", tmp_path / "work")


def run(
    study: Study, stub: Stub, *names: str, after: Callable[[], None] = lambda: None, retrain: bool = False
) -> list[str]:
    said: list[str] = []
    run_all(study, ordered_runs(chosen_rows(names)), stub, after, said.append, retrain=retrain)
    return said


def made_before_heads(study: Study, name: str) -> RunRecord:
    """What `run` makes of a row, as it was when there was no objectness map, and in its own time."""
    older = replace(record(name), seconds_per_epoch=77.0)
    older.save(study.rows)
    return older


def test_the_rows_are_those_of_the_issue() -> None:
    steps = {row.name: tuple(row.augment.steps) for row in ROWS}
    assert steps["plain"] == ()
    assert steps["has-after-gr"] == ("googlenet_resize", "hide_and_seek")
    assert steps["gr-after-has"] == ("hide_and_seek", "googlenet_resize")
    sizes = {name: tuple(row_called(name).augment.hide_and_seek.sizes) for name in steps if name.startswith("has-")}
    assert [sizes[f"has-{size}"] for size in (16, 32, 44, 56)] == [(16,), (32,), (44,), (56,)]
    assert sizes["has-mixed"] == sizes["has-after-gr"] == (0, 16, 32, 44, 56)
    three = {row.name for row in ROWS if row.seeds == (0, 1, 2)}
    assert three == {"plain", "has-32", "has-mixed", "gr"}
    assert all(row.seeds == (0,) for row in ROWS if row.name not in three)


def test_the_most_telling_runs_come_first() -> None:
    names = [run.name for run in ordered_runs(ROWS)]
    assert names[:4] == ["plain-seed0", "has-32-seed0", "has-mixed-seed0", "gr-seed0"]
    assert names[-8:] == [f"{row}-seed{seed}" for seed in (1, 2) for row in ("plain", "has-32", "has-mixed", "gr")]
    assert len(names) == len(set(names)) == 4 * 3 + 8


def test_recipes_differ_where_trainings_do_and_only_there() -> None:
    digests: dict[str, set[tuple[str, int]]] = {}
    for one in ordered_runs(ROWS):
        for base in (SMALL, FULL):
            digests.setdefault(recipe_of(one, base).digest(), set()).add((one.row.trained_as, one.seed))
    assert all(len(trainings) == 1 for trainings in digests.values())
    assert len(digests) == 2 * 19


def test_a_row_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no row 'has-mixd': did you mean has-mixed\?"):
        chosen_rows(["has-mixd"])


@pytest.mark.parametrize("template", [record("has-32", 1), with_head(record("has-32", 1), 130, helps=False)])
def test_a_record_comes_back_from_disk_with_the_same_verdicts(template: RunRecord, tmp_path: Path) -> None:
    kept = with_random_outcomes(template, np.random.default_rng(0))
    path = kept.save(tmp_path)
    found = RunRecord.load(path)
    assert path.name == "has-32-seed1.json"
    assert found.correct == kept.correct
    assert list(found.maps) == list(kept.maps)
    for kind in kept.maps:
        for metric, hits in kept.hits(kind).items():
            assert np.array_equal(found.hits(kind)[metric], hits)
    np.testing.assert_allclose(found.plain.ious, kept.plain.ious, atol=1e-3)
    assert replace(found, plain=kept.plain, spread=kept.spread, objectness=kept.objectness) == kept
    assert path.stat().st_size < 6500  # of 200 pictures
    assert ("objectness" in json.loads(path.read_text())) == (template.verdict is not None)


def test_a_box_just_below_the_bound_is_still_wrong_when_read_again(tmp_path: Path) -> None:
    kept = record("plain")
    kept = replace(kept, plain=replace(kept.plain, ious=(0.49996, 0.5, 0.50004, *kept.plain.ious[3:])))
    assert list(RunRecord.load(kept.save(tmp_path)).plain.located[:3]) == [False, True, True]


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain-seed0.json").write_text('{"row": "plain"}')
    with pytest.raises(UserError, match=r"plain-seed0\.json is no record"):
        load_records(tmp_path)


def test_every_run_leaves_a_record_and_the_report_is_written_after_each(study: Study) -> None:
    seen: list[int] = []
    stub = Stub()
    run(study, stub, "plain", "has-44", after=lambda: seen.append(len(study.records())))
    assert seen == [1, 2, 3, 4]
    assert [(name, seed) for name, seed, _ in stub.trained] == [
        ("cub50-plain", 0),
        ("cub50-has-44", 0),
        ("cub50-plain", 1),
        ("cub50-plain", 2),
    ]
    kept = RunRecord.load(study.rows / "has-44-seed0.json")
    assert (kept.seconds_per_epoch, kept.epochs, kept.machine) == (41.24, SMALL.schedule.epochs, "a test")


def test_what_has_a_record_is_not_run_again(study: Study) -> None:
    run(study, Stub(), "has-44")
    again = Stub()
    said = run(study, again, "has-44", "has-56")
    assert [name for name, _, _ in again.trained] == ["cub50-has-56"]
    assert said[0] == "1 of 2 runs have their record, 1 to do"


def test_a_table_broken_off_goes_on_where_it_was(study: Study) -> None:
    with pytest.raises(UserError, match="interrupted"):
        run(study, Stub(breaks_at=2), "plain", "has-32")
    assert {(r.row, r.seed) for r in study.records()} == {("plain", 0), ("has-32", 0)}
    rest = Stub()
    run(study, rest, "plain", "has-32")
    assert [(name, seed) for name, seed, _ in rest.trained] == [
        ("cub50-plain", 1),
        ("cub50-has-32", 1),
        ("cub50-plain", 2),
        ("cub50-has-32", 2),
    ]


def test_another_recipe_is_run_again_in_a_folder_of_its_own(study: Study) -> None:
    first, second = Stub(), Stub()
    run(study, first, "has-44")
    longer = replace(study, base=replace(SMALL, schedule=ScheduleTable(epochs=SMALL.schedule.epochs + 1)))
    assert longer.records() == []
    run(longer, second, "has-44")
    assert len(second.trained) == 1
    assert first.trained[0][2] != second.trained[0][2]
    assert len(longer.records()) == 1


def test_a_record_before_heads_is_made_again_from_its_checkpoint_and_keeps_its_time(study: Study) -> None:
    older = made_before_heads(study, "has-44")
    runs = ordered_runs(chosen_rows(["has-44"]))
    assert before_heads(study, runs) == runs
    stub = Stub(there={study.folder(runs[0])})
    said = run(study, stub, "has-44")
    assert said[:2] == [
        "1 of 1 runs have their record, 0 to do",
        "1 record was made before heads; 1 of them from a checkpoint that is still there: scored again",
    ]
    (found,) = study.records()
    assert same_run(found, older)
    assert "as it was, but for 0 of 400 boxes" in said[3]
    assert (found.seconds_per_epoch, found.verdict, found.default_map) == (77.0, verdict(), "objectness")
    assert found.objectness is not None
    assert before_heads(study, runs) == []
    assert len(run(study, Stub(), "has-44")) == 1


def test_a_record_before_heads_is_left_alone_where_its_checkpoint_is_gone(study: Study) -> None:
    older = made_before_heads(study, "has-44")
    stub = Stub()
    said = run(study, stub, "has-44")
    assert stub.trained == []
    assert "of has-44-seed0: left as they are (--retrain trains them again)" in said[1]
    assert study.records() == [older]
    run(study, stub, "has-44", retrain=True)
    assert len(stub.trained) == 1
    assert study.records()[0].verdict == verdict()


@pytest.mark.parametrize(("located", "same"), [(100, True), (104, True), (96, True), (105, False)])
def test_one_box_in_a_hundred_may_differ_in_the_same_training(located: int, same: bool) -> None:
    older, newer = record("plain", plain=100), record("plain", plain=located)
    assert boxes_moved(older, newer) == abs(located - 100)
    assert same_run(older, newer) == same
    assert not same_run(older, replace(newer, correct=tuple(not right for right in newer.correct)))


def test_a_training_that_comes_out_otherwise_replaces_the_whole_record_and_is_named(study: Study) -> None:
    older = made_before_heads(study, "has-44")
    said = run(study, Stub(there={study.folder(Run(row_called("has-44"), 0))}, located=110), "has-44")
    assert any("NOT as it was" in line and "plain 50.0 (best threshold)" in line for line in said)
    (found,) = study.records()
    assert not same_run(found, older)
    assert boxes_moved(found, older) == 10
    assert found.seconds_per_epoch == 41.24
    assert found.plain.located.sum() == 110


def test_other_test_pictures_are_scored_again(study: Study) -> None:
    run(study, Stub(), "has-44")
    runs = ordered_runs(chosen_rows(["has-44"]))
    assert to_do(study, runs) == to_do(study, runs, "f" * 16) == []
    assert to_do(study, runs, "0" * 16) == runs


def test_input_dropout_is_trained_once_and_scored_with_and_without_a_mask(study: Study) -> None:
    stub = Stub()
    run(study, stub, "input-dropout", "input-dropout-at-test")
    assert len({folder for _, _, folder in stub.trained}) == 1
    assert stub.masked == [0.0, 0.5]


def test_a_value_that_recipes_gain_later_makes_no_record_out_of_date() -> None:
    recipe = recipe_of(Run(row_called("plain"), 0), SMALL)
    older = json.loads(json.dumps(recipe.to_dict()))
    del older["input"]["flip"]
    assert same_training(older, recipe)
    older["optimiser"]["momentum"] = 0.5
    assert not same_training(older, recipe)
    assert not same_training({**older, "no such table": {}}, recipe)


def test_the_fingerprint_follows_names_order_labels_and_boxes(tmp_path: Path) -> None:
    a = LabelledPicture(tmp_path / "a.jpg", 0, ((1.0, 2.0, 3.0, 4.0),))
    b = LabelledPicture(tmp_path / "b.jpg", 1)
    same = fingerprint([a, b], tmp_path)
    others = [[b, a], [a], [a, replace(b, label=0)], [replace(a, boxes=()), b]]
    assert len({same, *(fingerprint(other, tmp_path) for other in others)}) == 5
    moved = [replace(p, path=tmp_path / "elsewhere" / p.path.name) for p in (a, b)]
    assert fingerprint(moved, tmp_path / "elsewhere") == same
