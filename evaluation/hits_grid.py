"""A picture of hits and misses: each photograph, its map, and the predicted box beside the annotated ones.

The photographs are the data set's, so such a picture is for one's own eyes unless the data set's licence allows more.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from seekcam.datasets.readable import MAX_PIXELS
from seekcam.evaluation.scores import ImageScore, Scores
from seekcam.localization.model import LocalizationModel
from seekcam.localization.painting.labels import Colour, PlateStyle, plate, shortened
from seekcam.localization.painting.overlay import paint_rgb
from seekcam.localization.pictures import Pixels, read_picture, save_picture
from seekcam.localization.pipeline import localize
from seekcam.localization.prediction import Prediction, Rectangle
from seekcam.localization.settings import AnalysisSettings, PaintSettings

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
ROWS = 8  # a hit and a miss each
SIDE = 224  # pixels: a panel is at most so wide and high
GAP = 6  # pixels between panels
HEADING = 28  # pixels above the panels
EM = 13  # pixels of the text

WHITE: Colour = (255, 255, 255)
TRUTH: Colour = (64, 200, 96)
PREDICTED: Colour = (255, 196, 0)
INK: Colour = (16, 18, 22)


def write_grid(model: LocalizationModel, settings: AnalysisSettings, scores: Scores, file: Path) -> None:
    """Hits in the left half, misses in the right one, evenly spread over the pictures that were scored.

    A hit is a right class in a right box, as it streams; of pictures without annotated boxes a right class.

    Raises:
        UserError: the file cannot be written, or a picture has gone since it was scored.
    """
    hits = [image for image in scores.images if is_hit(image)]
    misses = [image for image in scores.images if not is_hit(image)]
    halves = [_chosen(hits), _chosen(misses)]
    height = max(len(half) for half in halves)
    step = SIDE + GAP
    sheet = np.full((HEADING + height * step - GAP, 6 * step + 2 * GAP, 3), WHITE, np.uint8)
    for side, half in enumerate(halves):
        heading = f"{('hits', 'misses')[side]}: {len((hits, misses)[side])} of {len(scores.images)} pictures"
        plate(heading, EM, PlateStyle(fill=WHITE, text=INK)).rgb.lay_on(sheet, side * 3 * (step + GAP), 3)
        for row, image in enumerate(half):
            for column, panel in enumerate(panels(model, settings, scores, image)):
                left = (3 * side + column) * step + side * 3 * GAP
                top = HEADING + row * step
                sheet[top : top + SIDE, left : left + SIDE] = _centred(panel)
    save_picture(sheet, file)


def is_hit(image: ImageScore) -> bool:
    """Whether everything that is known of the picture was answered rightly."""
    return image.top1_loc if image.truths else image.top1 and image.sure


def panels(
    model: LocalizationModel, settings: AnalysisSettings, scores: Scores, image: ImageScore
) -> tuple[Pixels, Pixels, Pixels]:
    """The photograph with its class, the map as it streams, and the boxes: predicted yellow, annotated green."""
    photograph = read_picture(image.picture.path, MAX_PIXELS)
    height, width = photograph.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(photograph, size, interpolation=cv2.INTER_AREA), np.uint8)
    prediction = localize(model, photograph, settings)
    first, boxes = small.copy(), small.copy()
    _write(first, scores.classes[image.picture.label], TRUTH, bottom=False)
    heat = paint_rgb(small, prediction, PaintSettings(boxes=False, labels=False))
    for truth in image.truths:
        _draw(boxes, truth, TRUTH)
    for box in prediction.boxes:
        _draw(boxes, box.box, PREDICTED)
    _write(boxes, _verdict(prediction, image), PREDICTED, bottom=True)
    return first, heat, boxes


def _verdict(prediction: Prediction, image: ImageScore) -> str:
    top = prediction.top[0]
    if not prediction.sure:
        return f"not sure ({top.name} {100 * top.score:.0f} %)"
    overlap = f", IoU {image.held_iou:.2f}" if image.truths and image.top1 else ""
    return f"{top.name} {100 * top.score:.0f} %{overlap}"


def _chosen(images: Sequence[ImageScore]) -> list[ImageScore]:
    count = min(ROWS, len(images))
    return [images[index * len(images) // count] for index in range(count)]


def _draw(panel: Pixels, box: Rectangle, colour: Colour) -> None:
    height, width = panel.shape[:2]
    x0, y0, x1, y1 = (round(v * side) for v, side in zip(box, (width, height, width, height), strict=True))
    for line, thickness in ((INK, 4), (colour, 2)):
        cv2.rectangle(panel, (x0, y0), (max(x0, x1 - 1), max(y0, y1 - 1)), line, thickness)


def _write(panel: Pixels, text: str, colour: Colour, *, bottom: bool) -> None:
    height, width = panel.shape[:2]
    label = plate(shortened(text, "", EM, width - 4), EM, PlateStyle(fill=colour, text=INK))
    label.rgb.lay_on(panel, 2, height - label.height - 2 if bottom else 2)


def _centred(panel: Pixels) -> Pixels:
    height, width = panel.shape[:2]
    square = np.full((SIDE, SIDE, 3), WHITE, np.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    square[top : top + height, left : left + width] = panel
    return square
