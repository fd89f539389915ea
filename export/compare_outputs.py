"""What a model file says of some pictures, by the path that streams: the maps and boxes that the gate compares."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seekcam.export.gate import Look, LookMap
from seekcam.localization.card import MapKind
from seekcam.localization.model import LocalizationModel, RawOutputs
from seekcam.localization.pipeline import FrameRequest, interpret
from seekcam.localization.settings import AnalysisSettings, resolve

BATCH = 8  # pictures of one run


def look_all(model: LocalizationModel, frames: NDArray[np.uint8], classes: Sequence[int] | None = None) -> list[Look]:
    """Look at fitted frames [N, S, S, 3] with the card's default method.

    Args:
        classes: the class to map in each frame; without them the one that this model ranks first.
    """
    looks = []
    for start in range(0, len(frames), BATCH):
        batch = frames[start : start + BATCH]
        rows = np.full((len(batch), model.card.mapped), -1, np.int64)
        if classes is not None:
            rows[:, -1] = classes[start : start + BATCH]
        methods = np.full(len(batch), model.card.methods.index(model.card.default_method), np.int64)
        raw = model.run(batch, rows, methods)
        tops = raw["chosen"][:, 0] if classes is None else raw["logits"].argmax(axis=1)
        mapped = tops if classes is None else rows[:, -1]
        looks += [_look(model, raw, index, int(tops[index]), int(mapped[index])) for index in range(len(batch))]
    return looks


def _look(model: LocalizationModel, raw: RawOutputs, index: int, top: int, mapped: int) -> Look:
    return Look(top, {kind: _mapped(model, raw, index, mapped, kind) for kind in model.card.maps})


def _mapped(model: LocalizationModel, raw: RawOutputs, index: int, mapped: int, kind: MapKind) -> LookMap:
    analysis = resolve(AnalysisSettings(classes=(mapped,), map=kind), model.card)
    prediction = interpret(model.card, raw, index, FrameRequest(analysis))
    return LookMap(prediction.maps[0].grid, prediction.boxes[0].box if prediction.boxes else None)
