"""The rows of a run as a table and as a picture."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from seekcam.training.curves import EpochRow, curves_png, rows_csv

ROWS = [
    EpochRow(
        epoch=epoch,
        step=10 * epoch,
        learning_rate=0.1 / epoch,
        loss=1 / epoch,
        validation_loss=1.5 / epoch,
        validation_top1=50 + epoch,
        validation_top5=None,
        seconds=1.25,
        validation_seconds=0.5,
    )
    for epoch in (1, 2, 3)
]


def test_the_table_holds_every_value_to_the_last_digit() -> None:
    lines = list(csv.DictReader(io.StringIO(rows_csv(ROWS))))
    assert [float(line["loss"]) for line in lines] == [row.loss for row in ROWS]
    assert {line["validation_top5"] for line in lines} == {""}


@pytest.mark.parametrize(("rows", "panels"), [(ROWS, 3), (ROWS[:1], 3)])
def test_the_picture_has_a_panel_for_each_curve(rows: list[EpochRow], panels: int) -> None:
    with Image.open(io.BytesIO(curves_png(rows))) as picture:
        assert picture.size == (400 * panels, 300)
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 2


def test_without_a_validation_part_there_is_no_panel_for_accuracy() -> None:
    rows = [EpochRow(1, 10, 0.1, 0.7, None, None, None, 1.0, 0.0)]
    with Image.open(io.BytesIO(curves_png(rows))) as picture:
        assert picture.size == (800, 300)
