"""`grid.jpg`: test pictures as plain training and as Hide-and-Seek sees them; for one's own eyes only."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from seekcam.datasets.dataset import LabelledPicture, PictureSet
from seekcam.datasets.readable import MAX_PIXELS
from seekcam.localization.model import LocalizationModel
from seekcam.localization.painting.overlay import paint_rgb
from seekcam.localization.pictures import Pixels, read_picture, save_picture
from seekcam.localization.pipeline import localize
from seekcam.localization.settings import AnalysisSettings, PaintSettings

SIDE = 224  # pixels of one panel
GAP = 6
COUNT = 12  # pictures, evenly spread over the test part: chosen by nobody
TRUTH = (64, 224, 96)  # colour of the true box


def write_grid(models: Sequence[tuple[Path, float]], pictures: PictureSet, part: str, file: Path) -> None:
    """One row a picture: the picture, then for each model its plain map of the true class with its box.

    Args:
        models: exported files, each with the fixed threshold of its boxes.

    Raises:
        UserError: a model or a picture cannot be read, or the file cannot be written.
    """
    listed = pictures.parts[part]
    chosen = [listed[index * len(listed) // COUNT] for index in range(min(COUNT, len(listed)))]
    loaded = [(LocalizationModel(path, "cpu"), threshold) for path, threshold in models]
    rows = []
    for picture in chosen:
        pixels = read_picture(picture.path, MAX_PIXELS)
        rows.append([_panel(pixels, picture), *(_panel(pixels, picture, *view) for view in loaded)])
    save_picture(_sheet(rows), file)


def _panel(
    pixels: Pixels, picture: LabelledPicture, model: LocalizationModel | None = None, threshold: float = 0.0
) -> Pixels:
    """uint8 [SIDE, SIDE, 3]: the squashed picture, its map and box if there is a model, and the true boxes."""
    panel = np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    if model is not None:
        settings = AnalysisSettings(classes=(picture.label,), map="plain", threshold=threshold)
        panel = paint_rgb(panel, localize(model, pixels, settings), PaintSettings(labels=False))
    width, height = picture.size or (pixels.shape[1], pixels.shape[0])
    panel = np.ascontiguousarray(panel)
    for x0, y0, x1, y1 in picture.boxes:
        corners = [round(v * SIDE / side) for v, side in zip((x0, y0, x1, y1), (width, height) * 2, strict=True)]
        cv2.rectangle(panel, (corners[0], corners[1]), (corners[2] - 1, corners[3] - 1), TRUTH, 2)
    return panel


def _sheet(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    step = SIDE + GAP
    sheet = np.full((len(rows) * step - GAP, len(rows[0]) * step - GAP, 3), 255, np.uint8)
    for down, row in enumerate(rows):
        for across, panel in enumerate(row):
            sheet[down * step : down * step + SIDE, across * step : across * step + SIDE] = panel
    return sheet
