"""Pictures that say themselves what a network shall answer, and the network that does: scores known in advance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seekcam.datasets.dataset import LabelledPicture, PictureSet, PixelBox
from seekcam.localization.boxes import otsu
from seekcam.localization.card import ModelCard
from seekcam.localization.model import LocalizationModel, RawOutputs
from seekcam.localization.pictures import save_picture
from seekcam.localization.pipeline import normalised

SIDE = 56  # pixels, of pictures and of the network's input
CELLS = 14
STEP = SIDE // CELLS
NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")


class ObedientModel(LocalizationModel):
    """Reads its answer from the picture: red is the top class's map, blue every other class's.

    The first pixel's green is ten times the top class, the second's its logit; the others have -index / 100.
    """

    def __init__(self, names: Sequence[str] = NAMES, ids: Sequence[str] = ()) -> None:
        self.card = ModelCard(
            name="obedient",
            classes=tuple(names),
            class_ids=tuple(ids or names),
            input_size=SIDE,
            map_size=CELLS,
            spread_size=CELLS,
            features=1,
            mapped=min(5, len(names)),
            threshold=0.5,
        )
        self.provider = "cpu"
        self.batches: list[int] = []

    def run(
        self,
        frames: NDArray[np.uint8],
        classes: NDArray[np.int64],
        methods: NDArray[np.int64],
        outputs: Sequence[str] | None = None,
    ) -> RawOutputs:
        self.batches.append(len(frames))
        count = len(self.card.classes)
        logits = np.tile(-np.arange(count, dtype=np.float32) / 100, (len(frames), 1))
        tops = frames[:, 0, 0, 1] // 10
        logits[np.arange(len(frames)), tops] = frames[:, 0, 1, 1]
        ranking = np.argsort(-logits, axis=1, kind="stable")
        chosen = np.where(classes < 0, ranking[:, : self.card.mapped], classes)
        grids = frames[:, STEP // 2 :: STEP, STEP // 2 :: STEP].astype(np.float32)
        maps = np.stack(
            [[grids[b, ..., 0 if c == tops[b] else 2] for c in row] for b, row in enumerate(chosen)], dtype=np.float32
        )
        spread = np.array([[normalised(grid) for grid in row] for row in maps], np.float32)
        threshold = np.array([[otsu(grid) for grid in row] for row in spread], np.float32)
        known = {"logits": logits, "chosen": chosen, "maps": maps, "spread": spread, "threshold": threshold}
        return known if outputs is None else {name: known[name] for name in outputs}


@dataclass(frozen=True)
class Answer:
    """What the network shall say of a picture, and what is true."""

    label: int
    top: int
    top_box: PixelBox  # multiples of STEP look the same on the map
    other_box: PixelBox = (0, 0, SIDE, SIDE)
    boxes: tuple[PixelBox, ...] = ()
    logit: int = 9
    halo: int = 0  # value of the map outside the box, of 255


def paint(answer: Answer) -> NDArray[np.uint8]:
    """The picture that has `answer`, uint8 [SIDE, SIDE, 3]."""
    picture = np.full((SIDE, SIDE, 3), answer.halo, np.uint8)
    picture[..., 1] = 128  # which says nothing but that nowhere are black bars
    for channel, (x0, y0, x1, y1) in ((0, answer.top_box), (2, answer.other_box)):
        picture[int(y0) : int(y1), int(x0) : int(x1), channel] = 255
    picture[0, :2, 1] = 10 * answer.top, answer.logit
    return picture


def picture_set(
    folder: Path, answers: Sequence[Answer], names: Sequence[str] = NAMES, part: str = "test"
) -> PictureSet:
    """The answers as files in `folder`, all in one part."""
    listed = []
    for number, answer in enumerate(answers):
        path = folder / f"{number}.png"
        save_picture(paint(answer), path)
        listed.append(LabelledPicture(path, answer.label, answer.boxes))
    return PictureSet("drawn", folder, "folder", tuple(names), tuple(names), {part: tuple(listed)})
