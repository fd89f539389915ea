"""The model of "without inference" gives the pipeline what a real one does, or the studies measure something else."""

from pathlib import Path

import numpy as np
import pytest

from seekcam.localization.model import LocalizationModel
from seekcam.localization.pipeline import FrameRequest, localize_batch
from seekcam.localization.settings import AnalysisSettings, resolve
from seekcam.studies.floor_model import MAP, MAPPED, SPREAD, write_floor_model


@pytest.mark.parametrize(
    ("asked", "side"),
    [
        (AnalysisSettings(), SPREAD),
        (AnalysisSettings(map="plain", threshold=0.5), MAP),
        (AnalysisSettings(box="components"), SPREAD),
    ],
)
def test_every_frame_has_a_box_round_the_leading_class_and_maps_of_the_others(
    tmp_path: Path, asked: AnalysisSettings, side: int
) -> None:
    model = LocalizationModel(write_floor_model(tmp_path / "floor.onnx"), "cpu")
    request = FrameRequest(resolve(asked, model.card))
    frames = [np.full((224, 224, 3), grey, np.uint8) for grey in (0, 200)]
    for prediction in localize_batch(model, frames, [request, request]):
        assert prediction.maps[0].name == "class 0"
        assert len(prediction.others) == MAPPED - 1
        grids = [each.grid for each in (*prediction.maps, *prediction.others)]
        assert all(grid.shape == (side, side) and grid.min() == 0 and grid.max() == 1 for grid in grids)
        (box,) = prediction.boxes
        left, top, right, bottom = box.box
        # A hill exp(-d^2 / .05) is half as high at .186 from its top, which stands at (.3, .5).
        assert (left, top, right, bottom) == pytest.approx((0.114, 0.314, 0.486, 0.686), abs=0.04)
