"""The pictures behind a model file: for the box threshold in its card, and to convert and gate other precisions.

The threshold is the best fixed one for plain maps on the validation part, which the training never saw (where pictures
of the training have to do, the card says so), found with the file itself by the path that streams. It is a setting of
plain maps only: spread maps find their own by Otsu's rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seekcam.datasets.dataset import TRAIN, VALIDATION, DatasetError, LabelledPicture, PictureSet
from seekcam.datasets.read_pictures import read_pictures
from seekcam.datasets.readable import MAX_PIXELS
from seekcam.evaluation.scoring import ALL, best_fixed_threshold, chosen_part
from seekcam.localization.card import ModelCard
from seekcam.localization.errors import UserError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture
from seekcam.localization.pipeline import fit_picture

QUANTISED_ON = 64  # pictures that the ranges of 8 bits are measured on
GATED_ON = 200  # pictures that a precision is compared on: a mean correlation to about .001

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Material:
    """Where pictures come from."""

    folder: Path
    given: bool  # by the person; else it is what the checkpoint was trained on
    annotations: Path | None = None
    validation: float = 0.1  # how the training split it
    seed: int = 0

    def read(self) -> PictureSet:
        """The pictures, in the parts that the training had.

        Raises:
            DatasetError: there are none to use.
        """
        return read_pictures(self.folder, validation=self.validation, seed=self.seed, annotations=self.annotations)


def material(
    data: Path | None, annotations: Path | None, trained_on: str, recipe: Mapping[str, Any] | None
) -> Material | None:
    """The person's folder, else the one that was trained on while it is still there; None without either."""
    split = {} if recipe is None else {key: recipe["data"][key] for key in ("validation", "seed")}
    if data is not None:
        return Material(data, True, annotations, **split)
    folder = Path(trained_on)
    return Material(folder, False, annotations, **split) if trained_on and folder.is_dir() else None


def calibrated(
    model: LocalizationModel, source: Material, on_progress: OnProgress | None = None
) -> tuple[ModelCard, str]:
    """The model's card with its threshold calibrated, or as it is and why it could not be.

    Of a folder that the person names and that has no validation part the test part is taken, else all pictures; the
    card names them.
    """
    card = model.card
    try:
        pictures = source.read()
        part = VALIDATION
        if not pictures.parts.get(VALIDATION):
            if not source.given:
                return card, f"{source.folder} has no validation part"
            part = chosen_part(pictures)[0]
        best = best_fixed_threshold(model, pictures, part=part, on_progress=on_progress)
    except DatasetError as error:
        if source.given:
            raise
        return card, str(error).rstrip(".")
    if best is None:
        return card, f"the {part} part of {source.folder} has no boxes"
    where = f"of the {part} part of {pictures.name}"
    if part == ALL:
        where = f"of all parts of {pictures.name}, which may have been trained on"
    split = f"{best.images} pictures {where}"
    return replace(card, threshold=round(best.threshold, 4), threshold_split=split), ""


def two_samples(pictures: PictureSet, card: ModelCard) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Fitted frames [N, S, S, 3] to measure ranges on, and others to compare precisions on; no picture is in both.

    They are drawn from the training and the validation part, or from all pictures where the set lacks one of these.

    Raises:
        DatasetError: fewer than two pictures can be read.
    """
    first, second = (list(pictures.parts.get(part, ())) for part in (TRAIN, VALIDATION))
    if not (first and second):
        everything = chosen_part(pictures)[1]
        order = _shuffled(everything)
        half = min(QUANTISED_ON, len(order) // 2)
        first, second = order[:half], order[half:]
    samples = tuple(_fitted(_shuffled(s), card, n) for s, n in ((first, QUANTISED_ON), (second, GATED_ON)))
    if not all(len(sample) for sample in samples):
        raise DatasetError(f"{pictures.root} has too few pictures that can be read to compare precisions: give more.")
    return samples[0], samples[1]


def _shuffled(pictures: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    """In an order that is the same each time, and not that of the classes."""
    order = np.random.default_rng(0).permutation(len(pictures))
    return [pictures[place] for place in order]


def _fitted(pictures: Sequence[LabelledPicture], card: ModelCard, count: int) -> NDArray[np.uint8]:
    """The first `count` that can be read."""
    frames: list[NDArray[np.uint8]] = []
    for picture in pictures:
        if len(frames) == count:
            break
        try:
            frames.append(fit_picture(read_picture(picture.path, MAX_PIXELS), card))
        except UserError:
            continue  # unreadable pictures are named by training and scoring; a sample can do without them
    return np.stack(frames) if frames else np.empty((0, card.input_size, card.input_size, 3), np.uint8)
