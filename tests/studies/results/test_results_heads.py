"""Objectness heads in the table: which map is a run's default, what a head changes, and whether its judge was right."""

import json
from dataclasses import replace

import numpy as np
import pytest

from seekcam.studies.results.head_section import head_section, head_sentences
from seekcam.studies.results.heads import HeadSummary, heads_json, judge_is_right, summarise_heads
from seekcam.studies.results.page import report
from seekcam.studies.results.records import HeadVerdict, RunRecord
from seekcam.studies.results.table import summarise
from tests.helpers.result_records import PICTURES, record, with_head, with_random_outcomes


def heads_of(*records: RunRecord) -> dict[str, HeadSummary]:
    return {summary.row.name: summary for summary in summarise_heads(summarise(records))}


def cells(page: str, label: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def headless(run: RunRecord) -> RunRecord:
    """A run whose network knows too little for a head."""
    return replace(run, verdict=HeadVerdict(False, 0, 0.0, 0.0, 0.0, "the network knows the class of only 3 views"))


@pytest.mark.parametrize(
    ("located", "helps", "right"), [(150, True, True), (90, True, False), (150, False, False), (120, False, True)]
)
def test_the_judge_is_right_where_it_keeps_a_gain_or_leaves_out_what_gives_none(
    located: int, helps: bool, right: bool
) -> None:
    assert judge_is_right(with_head(record("plain", spread=120), located, helps=helps)) == right


def test_the_default_map_is_what_the_judge_says_and_the_difference_is_the_heads_all_the_same() -> None:
    kept = with_head(record("plain", spread=120), 150)
    left = with_head(record("gr", spread=120), 150, helps=False)
    found = heads_of(kept, left)
    assert (kept.default_map, left.default_map) == ("objectness", "spread")
    assert found["plain"].default["gt_known_loc"].mean == 75.0
    assert found["gr"].default["gt_known_loc"].mean == 60.0
    assert found["gr"].changes["gt_known_loc"].mean == 15.0
    assert found["gr"].to_plain["gt_known_loc"].mean == -15.0
    assert not found["plain"].to_plain


def test_differences_and_their_errors_are_those_of_the_pictures_own_outcomes() -> None:
    random = np.random.default_rng(3)
    runs = [with_random_outcomes(with_head(record("gr", seed), 100), random) for seed in range(3)]
    found = heads_of(*runs)["gr"].changes["top1_loc"]
    by_picture = np.zeros(PICTURES)
    for run in runs:
        assert run.objectness is not None
        for i, (ours, base, right) in enumerate(zip(run.objectness.ious, run.spread.ious, run.correct, strict=True)):
            by_picture[i] += 100 * right * ((ours >= 0.5) - int(base >= 0.5)) / 3
    assert found.mean == pytest.approx(by_picture.mean())
    assert found.error == pytest.approx(np.sqrt(by_picture.var(ddof=1) / PICTURES))


def test_a_row_before_heads_is_named_as_not_run_and_adds_nothing() -> None:
    page = head_section(list(heads_of(with_head(record("plain"), 150), record("has-44")).values()))
    assert cells(page, "Hide-and-Seek 44")[1] == cells(page, "CutMix")[1] == "not run with a head yet"
    assert "not run with one: Hide-and-Seek 44 (seed 0)" in page
    assert heads_json(summarise_heads(summarise([record("has-44")]))) == {"rows": [], "before_heads": ["has-44-seed0"]}


def test_the_table_shows_map_numbers_judge_and_seeds() -> None:
    page = report(summarise([with_head(record("plain", right=140, spread=120), 150)]), "small")
    section = page.split("## Default map", 1)[1]
    row = cells(section, "plain training")
    assert row[1:4] == ["objectness", "75.0", "70.0"]
    assert row[4].startswith("**+15.0 ± 2.5")
    assert row[7:] == ["+0.100 ± 0.020", "yes", "1 of 3"]


def test_seeds_of_which_the_judge_keeps_some_say_so() -> None:
    runs = [with_head(record("plain", seed, spread=120), 150 - 40 * seed, helps=seed < 2) for seed in range(3)]
    section = head_section(list(heads_of(*runs).values()))
    row = cells(section, "plain training")
    assert row[1] == "objectness in 2 of 3"
    assert row[8] == "2 of 3"  # 150 kept, 110 kept, 70 left out, against 120
    assert "its judges keep it in 2 of 3 runs, and are right in 2" in section


@pytest.mark.parametrize(
    ("located", "helps", "words"),
    [
        (150, True, "better, beyond two standard errors; its judge keeps it, and is right"),
        (80, False, "worse, beyond two standard errors; its judge leaves it out, and is right"),
        (80, True, "worse, beyond two standard errors; its judge keeps it, and is wrong"),
        (121, True, "no difference beyond noise; its judge keeps it, and is right"),
    ],
)
def test_the_sentence_follows_the_numbers_also_where_the_head_does_not_help(
    located: int, helps: bool, words: str
) -> None:
    found = head_sentences(list(heads_of(with_head(record("plain", spread=120), located, helps=helps)).values()))
    assert words in found[0]


def test_a_network_that_no_head_can_be_fitted_to_has_todays_map_and_says_why() -> None:
    found = heads_of(headless(record("input-dropout", spread=90)))
    section = head_section(list(found.values()))
    assert found["input-dropout"].default["gt_known_loc"].mean == 45.0
    assert cells(section, "input dropout, in training only")[1:7] == [
        "spread",
        "45.0",
        "45.0",
        "no head",
        "no head",
        "",
    ]
    assert "no head could be fitted, as the network knows the class of only 3 views" in section


def test_the_json_holds_the_same_numbers_and_survives_json() -> None:
    summaries = summarise_heads(summarise([with_head(record("plain", spread=120), 150), headless(record("gr"))]))
    rows = json.loads(json.dumps(heads_json(summaries)))["rows"]
    assert rows[0]["objectness_less_spread"]["gt_known_loc"]["difference"] == 15.0
    assert rows[0]["judges"] == [
        {
            "seed": 0,
            "helps": True,
            "pictures": 125,
            "agreement_with_head": 0.6,
            "agreement_without": 0.5,
            "error": 0.02,
            "right": True,
        }
    ]
    assert rows[1]["default_maps"] == ["spread"]
    assert rows[1]["objectness_less_spread"] == {}
