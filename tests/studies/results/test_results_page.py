"""The page, the JSON and the plot from made-up records: they say what the records say and no more."""

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from seekcam.evaluation.paired import Difference, Spread
from seekcam.studies.results.markdown import markdown_table, signed, with_error, with_spread
from seekcam.studies.results.page import NOT_RUN, report
from seekcam.studies.results.plots import write_plot
from seekcam.studies.results.published import PUBLISHED
from seekcam.studies.results.rows import ROWS
from seekcam.studies.results.sentences import overview, verdicts
from seekcam.studies.results.stock_models import ilsvrc_report
from seekcam.studies.results.table import RowSummary, summarise, to_json
from tests.helpers.result_records import record


def cells(page: str, title: str, label: str) -> list[str]:
    """The cells of the row `label` in the table under the heading that begins with `title`."""
    section = page.split(f"## {title}", 1)[1].split("\n## ", 1)[0]
    line = next(line for line in section.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def found_for(summaries: list[RowSummary], name: str) -> RowSummary:
    return next(summary for summary in summaries if summary.row.name == name)


def test_a_table_of_nothing_lists_every_row_as_not_run() -> None:
    page = report(summarise([]), "small")
    assert "Not complete: 0 of 20 runs" in page
    assert all(row.label in page for row in ROWS)
    assert "What came out" not in page
    assert to_json(summarise([]), "small")["not_run"][:2] == ["plain-seed0", "plain-seed1"]


def test_percentages_are_those_of_the_outcomes() -> None:
    # Top-1 Loc asks for both: of 200 pictures the first 140 are classified, the first 100 (or 120) located.
    page = report(summarise([record("plain"), record("has-44", right=90, plain=130, spread=80)]), "small")
    assert cells(page, "Plain class map", "plain training")[1:] == ["50.0", "50.0", "70.0", "50.0", "1 of 3", "40"]
    assert cells(page, "Plain class map", "Hide-and-Seek 44")[1:4] == ["65.0", "45.0", "45.0"]
    assert cells(page, "Spread map", "Hide-and-Seek 44")[1:4] == ["40.0", "40.0", "45.0"]
    assert cells(page, "Plain class map", "CutMix")[1] == NOT_RUN


def test_seeds_are_averaged_with_their_deviation_and_paired_seed_by_seed() -> None:
    records = [record("plain", seed, plain=100 + 10 * seed) for seed in range(3)]
    records += [record("has-32", seed, plain=108 + 10 * seed) for seed in range(3)]
    summaries = summarise(records)
    hide = found_for(summaries, "has-32")
    assert hide.complete
    over_seeds = hide.metrics["plain", "gt_known_loc"]
    assert (over_seeds.mean, over_seeds.deviation, over_seeds.seeds) == pytest.approx((59.0, 5.0, 3))
    difference = hide.differences["plain", "gt_known_loc"]
    assert difference.mean == pytest.approx(4.0)
    assert difference.by_seed == pytest.approx((4.0, 4.0, 4.0))
    page = report(summaries, "small")
    assert cells(page, "Plain class map", "Hide-and-Seek 32")[1] == "59.0 ± 5.0"
    assert cells(page, "Differences", "Hide-and-Seek 32")[1].startswith("**+4.0 ± ")


def test_a_row_is_compared_over_the_seeds_that_plain_has_too() -> None:
    records = [record("plain", 0), *(record("gr", seed, plain=100 + 20 * seed) for seed in range(3))]
    difference = found_for(summarise(records), "gr").differences["plain", "gt_known_loc"]
    assert difference.by_seed == (0.0,)


def test_other_test_pictures_are_never_compared() -> None:
    records = [record("plain"), replace(record("gr"), pictures="0" * 16)]
    assert not found_for(summarise(records), "gr").differences


@pytest.mark.parametrize(
    ("located", "words"),
    [
        (100, r"changes GT-known Loc by \+0\.0 ± 0\.0 points \(one seed\): no difference beyond noise"),
        (99, r"changes GT-known Loc by −0\.5 ± 0\.5 points \(one seed\): no difference beyond noise"),
        (130, r"changes GT-known Loc by \+15\.0 ± 2\.5 points \(one seed\): better, beyond two standard errors"),
        (60, r"changes GT-known Loc by −20\.0 ± 2\.8 points \(one seed\): worse, beyond two standard errors"),
    ],
)
def test_the_verdict_follows_the_numbers_also_when_hide_and_seek_loses(located: int, words: str) -> None:
    said = verdicts(summarise([record("plain"), record("has-mixed", plain=located)]), "plain")
    assert re.search(f"Hide-and-Seek mixed {words}", said[-1])


def test_seeds_that_disagree_are_no_clear_difference() -> None:
    records = [record("plain", seed) for seed in range(3)]
    records += [record("has-mixed", 0, plain=160), record("has-mixed", 1, plain=160), record("has-mixed", 2, plain=95)]
    assert "the seeds disagree in sign, so no clear difference" in verdicts(summarise(records), "plain")[-1]


def test_the_overview_counts_what_is_beyond_noise_for_each_metric() -> None:
    records = [
        record("plain"),
        record("has-16", plain=150, right=100),
        record("has-44", plain=60, right=139),
        record("cutmix"),
    ]
    text = overview(summarise(records), "plain")
    assert text.startswith("3 methods compared")
    assert "GT-known Loc better in 1 and worse in 1" in text
    assert "Top-1 Clas better in 0 and worse in 1" in text


def test_the_page_names_command_machine_schedule_and_dates() -> None:
    page = report(summarise([record("plain", seed) for seed in range(3)]), "small")
    facts = ("`make results`", "Machine: a test", "2025-01-01 to 2025-01-03", "torch 2.0", "`data.validation=0.0`")
    for fact in facts:
        assert fact in page
    assert 'make results ARGS="--full"' in report(summarise([record("plain")]), "full")


def test_no_picture_of_the_data_is_shown_and_the_page_says_why() -> None:
    page = report(summarise([record("plain")]), "small")
    assert re.findall(r"!\[[^]]*\]\(([^)]*)\)", page) == ["cub50.png"]
    assert "must not be published" in page


def test_the_papers_numbers_are_labelled_as_theirs() -> None:
    page = report(summarise([]), "small")
    theirs = page.split("## The papers' numbers", 1)[1]
    assert "none of it was measured here" in theirs
    assert all(title in theirs for title in PUBLISHED)
    assert "| Hide-and-Seek mixed | 58.68 | 37.65 | 58.68 |" in theirs  # Singh & Lee 2017, AlexNet-GAP


def test_the_json_holds_the_same_numbers_and_survives_json() -> None:
    summaries = summarise([record("plain"), record("cutmix", plain=130)])
    document = json.loads(json.dumps(to_json(summaries, "small")))
    cutmix = next(row for row in document["rows"] if row["row"] == "cutmix")
    plain_map = cutmix["plain_map_at_best_threshold"]["gt_known_loc"]
    assert plain_map["mean"] == 65.0
    assert plain_map["difference_to_plain"] == 15.0
    assert "difference_to_plain" not in document["rows"][0]["plain_map_at_best_threshold"]["gt_known_loc"]
    assert "cutmix-seed0" not in document["not_run"]
    assert "plain-seed1" in document["not_run"]


@pytest.mark.parametrize("names", [["plain"], ["cutmix"], ["plain", "has-32", "gr"]])
def test_the_plot_is_a_picture_whatever_rows_there_are(names: list[str], tmp_path: Path) -> None:
    write_plot(summarise([record(name, plain=90 + len(name)) for name in names]), tmp_path / "plot.png")
    pixels = cv2.imread(str(tmp_path / "plot.png"))
    assert pixels is not None
    assert len({tuple(colour) for colour in pixels.reshape(-1, 3)[::7].tolist()}) > 10


def test_numbers_are_written_as_people_read_them() -> None:
    assert signed(-0.04) == "+0.0"
    assert signed(-1.25) == "−1.2"
    assert with_spread(Spread(71.26, None, 1)) == "71.3"
    assert with_spread(None) == ""
    assert with_error(Difference(-3.0, 1.0, (-3.0,))) == "**−3.0 ± 1.0**"
    assert with_error(Difference(1.0, 1.0, (1.0,))) == "+1.0 ± 1.0"
    assert markdown_table(("a", "b"), [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"


def test_the_page_of_the_stock_models_has_a_command_for_each_line() -> None:
    numbers = dict.fromkeys(
        (
            "top1_clas",
            "top5_clas",
            "gt_known_loc",
            "gt_known_loc_iou_70",
            "mean_iou",
            "top1_loc",
            "gt_known_loc_at_best_threshold",
            "top1_loc_at_best_threshold",
            "max_box_acc_v2",
        ),
        71.84,
    )
    sizes = [{"name": "under 15 %", "images": 101, "gt_known_loc": 27.8}]
    command = "seekcam evaluate lite --data $SEEKCAM_DATA/ilsvrc_val"
    page = ilsvrc_report(
        {
            "machine": "a test",
            "date": "2025-01-01",
            "scores": [
                {"model": "lite", "map": "spread", "images": 650, "command": command, **numbers, "by_size": sizes}
            ],
            "gains": [
                {"model": "lite", "map": "spread", "against": "plain", "measure": "mean IoU", "mean": 5.9, "error": 1.2}
            ],
        }
    )
    assert f"    {command}\n" in page
    assert "| lite, spread | 71.8 |" in page
    assert "the spread map changes mean IoU by +5.9 ± 1.2 points against the plain map" in page
    assert "| model and map | under 15 % (101) |" in page
    assert "| lite, spread | 27.8 |" in page
