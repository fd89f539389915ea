"""The README's picture: photographs as they are, with the plain class map, and as seekcam shows them.

`python -m seekcam.studies.readme_picture docs/picture.jpg` makes it with the default model, by the way that streams.
The photographs ship with scikit-image, which the tests depend on; their licences are named in its documentation.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.painting.overlay import paint_rgb
from seekcam.localization.pipeline import localize
from seekcam.localization.settings import AnalysisSettings, PaintSettings
from seekcam.studies.study import run

Picture = NDArray[np.uint8]

PHOTOGRAPHS: tuple[Callable[[], Picture], ...] = (data.chelsea, data.coffee)
HEIGHT = 260  # pixels of one panel
GAP = 8  # pixels between panels
QUALITY = 88  # of the JPEG

VIEWS: tuple[AnalysisSettings | None, ...] = (
    None,  # the photograph
    AnalysisSettings(map="plain", box="none"),
    AnalysisSettings(),  # what a person sees who touches nothing
)


def panel(model: LocalizationModel, photograph: Picture, view: AnalysisSettings | None) -> Picture:
    """One photograph, uint8 [H, W, 3] RGB, at the panel's height and painted as `view` says."""
    width = round(photograph.shape[1] * HEIGHT / photograph.shape[0])
    # The prediction is made on the whole photograph; only the painting is done at the panel's size.
    small = cv2.resize(photograph, (width, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return small if view is None else paint_rgb(small, localize(model, photograph, view), PaintSettings(opacity=0.55))


def sheet(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Panels in rows, those of a row of one height, white between them; uint8 [H, W, 3]."""
    width = max(sum(p.shape[1] for p in row) + GAP * (len(row) - 1) for row in rows)
    height = sum(row[0].shape[0] for row in rows) + GAP * (len(rows) - 1)
    canvas = np.full((height, width, 3), 255, np.uint8)
    top = 0
    for row in rows:
        left = 0
        for picture in row:
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            left += picture.shape[1] + GAP
        top += row[0].shape[0] + GAP
    return canvas


def make(file: Path) -> None:
    """Write the picture to `file`, a JPEG.

    Raises:
        UserError: the file cannot be written.
    """
    model = LocalizationModel(ModelLibrary().ensure(DEFAULT_MODEL), "cpu")
    rows = [[panel(model, take(), view) for view in VIEWS] for take in PHOTOGRAPHS]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(sheet(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    try:
        file.write_bytes(encoded.tobytes())
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}.") from error


if __name__ == "__main__":
    run("picture", make)
