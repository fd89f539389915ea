"""Where the boxes and labels of a prediction stand on a picture, in pixels: for RGB and video painting alike."""

import itertools
from dataclasses import dataclass

from seekcam.localization.painting.fonts import coverage
from seekcam.localization.painting.labels import INK, Colour, Plate, PlateStyle, plate, shortened
from seekcam.localization.prediction import Prediction, Rectangle
from seekcam.localization.settings import PaintSettings

# One colour a class, in the order of `prediction.maps`: light, so that dark text reads on the plates.
COLOURS: tuple[Colour, ...] = ((250, 250, 250), (110, 205, 255), (255, 205, 90), (130, 235, 170), (255, 165, 215))
CALM = PlateStyle(fill=(24, 26, 30), text=(225, 228, 232), opacity=0.62)
CAPTION = PlateStyle(CALM.fill, CALM.text, opacity=0.85)  # a box's line may lie under it
NOT_SURE = "not sure"
WIDEST = 30  # em: a longer label is cut

InclusiveBox = tuple[int, int, int, int]  # x0, y0, x1, y1; x1 and y1 are the last pixels


@dataclass(frozen=True)
class PlacedBox:
    """A box to draw: corner pixels, both inclusive, of the middle of its line."""

    corners: InclusiveBox
    colour: Colour


@dataclass(frozen=True, eq=False)
class PlacedLabel:
    """A plate and its top left pixel, which is even in both directions (chroma is half as fine)."""

    text: str
    plate: Plate
    x: int
    y: int


@dataclass(frozen=True)
class Layout:
    """What stands on the picture; `thickness` of the box lines is in pixels."""

    boxes: tuple[PlacedBox, ...]
    labels: tuple[PlacedLabel, ...]
    thickness: int


def captions(first: Prediction, second: Prediction) -> tuple[str, str]:
    """Who says it, for two compared sides: of model, map method and kind of map only what tells them apart.

    Half a picture has little room. Two that differ in nothing are both called by their model.
    """
    sides = [(side.model, side.method, side.map) for side in (first, second)]
    differs = [one != other for one, other in zip(*sides, strict=True)]
    if not any(differs):
        return first.model, second.model
    left, right = (" · ".join(itertools.compress(side, differs)) for side in sides)
    return left, right


def lay_out(prediction: Prediction, paint: PaintSettings, width: int, height: int, name: str = "") -> Layout:
    """Place boxes and labels on a picture of `width` x `height` pixels; mirroring moves boxes, never turns text.

    A class is labelled at its first box, or in the corner when it has none. Labels stay inside the picture and clear
    of each other; one that finds no room is left out. `name` is a caption for the bottom left corner, which stands
    even where labels are switched off.
    """
    side = min(width, height)
    thickness = max(1, round(side / 240))
    colours = {shown.index: COLOURS[i % len(COLOURS)] for i, shown in enumerate(prediction.maps)}
    first: dict[int, InclusiveBox] = {}
    boxes = []
    for box in prediction.boxes if paint.boxes else ():
        corners = _pixels(box.box, width, height, thickness, paint.mirror)
        first.setdefault(box.index, corners)
        boxes.append(PlacedBox(corners, colours.get(box.index, COLOURS[0])))
    size = max(9, round(side * (0.048 if name else 0.037)))  # a half is shown smaller than a whole picture
    placed: list[PlacedLabel] = []
    if name:
        margin = max(2, 2 * thickness)
        label = plate(shortened(name, "", size, min(width - 2 * margin, WIDEST * size)), size, CAPTION)
        if label.height + 2 * margin <= height and label.width + 2 * margin <= width:
            placed.append(PlacedLabel(name, label, margin & ~1, (height - margin - label.height) & ~1))
    if not paint.labels:
        return Layout(tuple(boxes), tuple(placed), thickness)
    for text, suffix, style, corners_or_none in _texts(prediction, colours, first):
        label = plate(shortened(text, suffix, size, min(width, WIDEST * size)), size, style)
        spot = _free_spot(label, corners_or_none, placed, width, height, thickness)
        if spot is not None:
            placed.append(PlacedLabel(text + suffix, label, *spot))
    return Layout(tuple(boxes), tuple(placed), thickness)


def _texts(
    prediction: Prediction, colours: dict[int, Colour], first: dict[int, InclusiveBox]
) -> list[tuple[str, str, PlateStyle, InclusiveBox | None]]:
    """Name, percentage, style and box of each label."""
    if not prediction.sure:
        return [(NOT_SURE, "", CALM, None)]
    texts = []
    for shown in prediction.maps:
        # A name in a script that no font of this machine has would be a row of boxes: its number says more.
        name = shown.name if shown.name.strip() and coverage(shown.name) > 0.5 else f"(#{shown.index})"
        suffix = f" {_percent(shown.score)}"
        texts.append((name, suffix, PlateStyle(colours[shown.index], INK), first.get(shown.index)))
    return texts


def _percent(score: float) -> str:
    return "< 1 %" if score < 0.005 else f"{100 * score:.0f} %"


def _pixels(rectangle: Rectangle, width: int, height: int, thickness: int, mirror: bool) -> InclusiveBox:
    x0, y0, x1, y1 = rectangle
    if mirror:
        x0, x1 = 1 - x1, 1 - x0
    left, right = _line(x0 * width, x1 * width, width, thickness)
    top, bottom = _line(y0 * height, y1 * height, height, thickness)
    return left, top, right, bottom


def _line(start: float, end: float, length: int, thickness: int) -> tuple[int, int]:
    """First and last pixel of one side of a box, so far inside that line and outline stay in the picture."""
    inset = min(thickness // 2 + 1, (length - 1) // 2)
    first = min(max(round(start), inset), length - 1 - inset)
    return first, min(max(round(end) - 1, first), length - 1 - inset)


def _free_spot(
    label: Plate, corners: InclusiveBox | None, placed: list[PlacedLabel], width: int, height: int, thickness: int
) -> tuple[int, int] | None:
    """An even pixel for the plate: above its box, else inside it, below it, else down the picture's left edge."""
    if label.height > height or label.width > width + 1:
        return None
    margin = max(2, 2 * thickness)
    candidates: list[tuple[int, int]] = []
    if corners is not None:
        left, top, right, bottom = corners
        line = thickness // 2 + 1
        start = left - line
        candidates = [
            (start, top - line - label.height),
            (start, top - line),
            (start, bottom + line + 1),
            (start, bottom + line + 1 - label.height),
            (right + line + 1 - label.width, top - line),
        ]
        # A plate above a box near the top edge would be pushed over the box: inside is the better place then.
        candidates = [c for c in candidates if 0 <= c[1] <= height - label.height] or candidates[1:2]
    candidates += [(margin, y) for y in range(margin, height - label.height + 1, label.height + margin)]
    candidates.append((0, 0))
    for x, y in candidates:
        x = min(max(0, x), max(0, width - label.width)) & ~1
        y = min(max(0, y), max(0, height - label.height)) & ~1
        if not any(_overlap(label, x, y, other) for other in placed):
            return x, y
    return None


def _overlap(label: Plate, x: int, y: int, other: PlacedLabel) -> bool:
    return (
        x < other.x + other.plate.width
        and other.x < x + label.width
        and y < other.y + other.plate.height
        and other.y < y + label.height
    )
