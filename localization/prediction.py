"""What was seen in one frame, and where: the value every caller gets and its one JSON form (Contract 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seekcam.localization.card import MapKind

Rectangle = tuple[float, float, float, float]  # x0, y0, x1, y1 in [0, 1] of the frame


@dataclass(frozen=True)
class RankedClass:
    """A class and its softmax probability in this frame."""

    index: int
    name: str
    score: float


@dataclass(frozen=True, eq=False)
class ClassMap:
    """Where one class is.

    `grid` is float32 [h, w] in [0, 1], `threshold` in [0, 1] bounds its box, and `score` is the class's softmax
    probability, also of a class too improbable for the ranking. The largest value of an objectness map says how sure
    the map is; the other kinds are scaled so that it is 1.
    """

    index: int
    name: str
    grid: NDArray[np.float32]
    threshold: float
    score: float


@dataclass(frozen=True)
class Box:
    """A box of one class; `score` is the mean of the class's map inside it."""

    index: int
    name: str
    score: float
    box: Rectangle


@dataclass(frozen=True, eq=False)
class Prediction:
    """One frame's meaning.

    `top` is the frame's own ranking. `maps` holds the classes that are shown: those the person chose, or the held
    top class; it is empty when that class stays below `min_score`, and then nothing is asserted ("not sure").
    `others` holds the maps of further ranked classes, as far as the graph has made them anyway; they have no boxes.
    `compare` is what a second model, or another method, says of the same frame; it has no `compare` of its own.
    """

    model: str
    method: str
    top: tuple[RankedClass, ...]
    maps: tuple[ClassMap, ...] = ()
    boxes: tuple[Box, ...] = ()
    others: tuple[ClassMap, ...] = ()
    ms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # stage -> milliseconds
    compare: "Prediction | None" = None
    map: MapKind = "spread"  # the kind of all its maps

    @property
    def sure(self) -> bool:
        """Whether anything is asserted in this frame."""
        return bool(self.maps)

    @property
    def stages(self) -> dict[str, float]:
        """Milliseconds of each stage for the whole frame: what both sides took where two are compared."""
        both = dict(self.ms)
        for stage, value in self.compare.ms.items() if self.compare is not None else ():
            both[stage] = both.get(stage, 0.0) + value
        return both

    def to_json(self, pts: float, frame: int) -> dict[str, Any]:
        """The one JSON form, for a frame shown at `pts` seconds and numbered `frame` from 0.

        `shown` lists the indices of the classes that are mapped; an empty list is the answer "not sure". `compare` is
        there only where two sides are compared.
        """
        document = {"pts": round(pts, 6), "frame": frame, **self._side_json()}
        return document if self.compare is None else {**document, "compare": self.compare._side_json()}

    def _side_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "method": self.method,
            "map": self.map,
            "shown": [shown.index for shown in self.maps],
            "top": [{"class": c.index, "name": c.name, "score": round(c.score, 4)} for c in self.top],
            "boxes": [
                {"class": b.index, "score": round(b.score, 4), "box": [round(v, 4) for v in b.box]} for b in self.boxes
            ],
            "ms": {stage: round(value, 2) for stage, value in self.ms.items()},
        }
