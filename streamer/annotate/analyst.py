"""One model, or two that are compared, with settings fitted to their cards: what each kind of annotation runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from localization.model import LocalizationModel
from localization.pipeline import FrameRequest, fit_picture, localize_batch
from localization.prediction import Prediction
from localization.second_look import SecondLooks
from localization.settings import Analysis, Settings, resolve, resolve_second
from localization.temporal import ClassTracker
from streamer.closer import Picture, cut_of
from streamer.frames import fit_frame

Fitted = tuple[NDArray[np.uint8], ...]  # the same picture as each side's model wants it


@dataclass(frozen=True, eq=False)
class _Side:
    model: LocalizationModel
    analysis: Analysis


class Analyst:
    """Localizes in pictures one by one, or in the frames of one film in their order.

    Args:
        model: the first side's.
        second: the model of `settings.analysis.compare`; None where nothing is compared.

    Raises:
        SettingsError: a class or method that one of the models does not have.
    """

    def __init__(self, model: LocalizationModel, settings: Settings, second: LocalizationModel | None = None) -> None:
        self.settings = settings
        self._sides = [_Side(model, resolve(settings.analysis, model.card))]
        if second is not None:
            self._sides.append(_Side(second, resolve_second(settings.analysis, model.card, second.card)))
        self._trackers = [ClassTracker() for _ in self._sides]
        self._looks = [SecondLooks() for _ in self._sides]
        names = [side.model.card.name for side in self._sides]
        # Copies and precisions of one model may have one name in their cards.
        alike = second is not None and second is not model and names[0] == names[1]
        self._names = [side.model.path.stem for side in self._sides] if alike else names

    @property
    def models(self) -> tuple[LocalizationModel, ...]:
        """The model of each side."""
        return tuple(side.model for side in self._sides)

    def fit(self, picture: Picture) -> Fitted:
        """The picture in the size that each side's model takes."""
        cards = [side.model.card for side in self._sides]
        if isinstance(picture, av.VideoFrame):
            return tuple(fit_frame(picture, card.input_size, card.resize) for card in cards)
        return tuple(fit_picture(picture, card) for card in cards)

    def localize(self, picture: Picture) -> Prediction:
        """What is seen in one picture, whatever came before."""
        requests = [[FrameRequest(side.analysis)] for side in self._sides]
        return self._together([picture], [self.fit(picture)], requests)[0]

    def follow(self, frames: Sequence[Picture], fitted: Sequence[Fitted], pts: Sequence[float]) -> list[Prediction]:
        """What is seen in the next frames of a film, shown at `pts` seconds; each side holds its class steady.

        Args:
            fitted: of each frame, as `fit` gives it.
        """
        requests = [
            [
                FrameRequest(side.analysis, None if side.analysis.classes else tracker, seconds, looks=looks)
                for seconds in pts
            ]
            for side, tracker, looks in zip(self._sides, self._trackers, self._looks, strict=True)
        ]
        return self._together(frames, fitted, requests)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on exactly from here, as JSON."""
        return {
            "trackers": [tracker.state() for tracker in self._trackers],
            "looks": [looks.state() for looks in self._looks],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier `state`."""
        for tracker, kept in zip(self._trackers, state["trackers"], strict=True):
            tracker.restore(kept)
        for looks, kept in zip(self._looks, state["looks"], strict=True):
            looks.restore(kept)

    def _together(
        self, frames: Sequence[Picture], fitted: Sequence[Fitted], requests: Sequence[Sequence[FrameRequest]]
    ) -> list[Prediction]:
        """Each side's predictions of all frames, the second side's as the first's `compare`."""
        first, *others = (
            [
                replace(prediction, model=name)
                for prediction in localize_batch(
                    side.model, pictures, wanted, [cut_of(frame, side.model.card) for frame in frames]
                )
            ]
            for side, name, pictures, wanted in zip(
                self._sides, self._names, zip(*fitted, strict=True), requests, strict=True
            )
        )
        for compared in others:
            first = [replace(own, compare=other) for own, other in zip(first, compared, strict=True)]
        return first
