"""What a file says of some pictures is what a viewer is shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from seekcam.export.compare_outputs import BATCH, look_all
from seekcam.localization.pipeline import localize
from seekcam.localization.settings import AnalysisSettings
from tests.helpers.exported import frames, open_file


def test_looks_are_what_the_pipeline_shows(small_model_path: Path) -> None:
    model = open_file(small_model_path)
    pictures = frames(BATCH + 2)
    held = [number % 5 for number in range(len(pictures))]
    for classes in (None, held):
        looks = look_all(model, pictures, classes)
        for index, (look, picture) in enumerate(zip(looks, pictures, strict=True)):
            top = localize(model, picture).top[0].index
            assert look.top == top
            shown = AnalysisSettings(classes=(top if classes is None else classes[index],))
            assert tuple(look.maps) == model.card.maps
            for kind in model.card.maps:
                seen = localize(model, picture, replace(shown, map=kind))
                np.testing.assert_allclose(look.maps[kind].grid, seen.maps[0].grid, atol=1e-5)
                assert look.maps[kind].box == (seen.boxes[0].box if seen.boxes else None)
