"""One model, or two that are compared, with settings fitted to their cards: what each kind of annotation runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.bars import BarTracker, find_bars
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pipeline import FrameRequest, fit_picture, localize_batch
from seekcam.localization.prediction import Prediction
from seekcam.localization.region import WHOLE, Region
from seekcam.localization.settings import Analysis, Settings, resolve, resolve_second
from seekcam.localization.stream_memory import Following
from seekcam.streamer.media.closer import Picture, cut_of
from seekcam.streamer.media.frames import fit_frame, luma


@dataclass(frozen=True, eq=False)
class FittedFrame:
    """A picture as each side's model wants it."""

    pictures: tuple[NDArray[np.uint8], ...]
    region: Region = WHOLE  # the part of it that they show
    bars: Mapping[str, Any] = field(default_factory=dict)  # the state of a film's bars after it


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
        self._followings = [Following() for _ in self._sides]
        self._bars = BarTracker()  # of the frames that were fitted, which are ahead of those that were localized in
        self._bars_followed = self._bars.state()
        names = [side.model.card.name for side in self._sides]
        # Copies and precisions of one model may have one name in their cards.
        alike = second is not None and second is not model and names[0] == names[1]
        self._names = [side.model.path.stem for side in self._sides] if alike else names

    @property
    def models(self) -> tuple[LocalizationModel, ...]:
        """The model of each side."""
        return tuple(side.model for side in self._sides)

    def fit(self, frame: av.VideoFrame, pts: float) -> FittedFrame:
        """The next frame of a film, shown at `pts` seconds, without its black bars, as `follow` takes it."""
        region = self._bars.update(luma(frame), pts)
        return FittedFrame(self._fitted(frame, region), region, self._bars.state())

    def localize(self, picture: Picture) -> Prediction:
        """What is seen in one picture, whatever came before."""
        region = find_bars(luma(picture) if isinstance(picture, av.VideoFrame) else picture)
        requests = [[FrameRequest(side.analysis, region=region)] for side in self._sides]
        return self._together([picture], [FittedFrame(self._fitted(picture, region), region)], requests)[0]

    def follow(
        self, frames: Sequence[Picture], fitted: Sequence[FittedFrame], pts: Sequence[float]
    ) -> list[Prediction]:
        """What is seen in the next frames of a film, shown at `pts` seconds; each side holds class and box steady.

        Args:
            fitted: of each frame, as `fit` gives it.
        """
        requests = [
            [following.request(side.analysis, seconds, each.region) for each, seconds in zip(fitted, pts, strict=True)]
            for side, following in zip(self._sides, self._followings, strict=True)
        ]
        self._bars_followed = dict(fitted[-1].bars)
        return self._together(frames, fitted, requests)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on exactly from here, as JSON."""
        return {"sides": [following.state() for following in self._followings], "bars": self._bars_followed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier `state`."""
        for following, kept in zip(self._followings, state["sides"], strict=True):
            following.restore(kept)
        self._bars.restore(state["bars"])
        self._bars_followed = dict(state["bars"])

    def _fitted(self, picture: Picture, region: Region) -> tuple[NDArray[np.uint8], ...]:
        cards = [side.model.card for side in self._sides]
        if isinstance(picture, av.VideoFrame):
            return tuple(fit_frame(picture, card.input_size, card.resize, region) for card in cards)
        return tuple(fit_picture(picture, card, region) for card in cards)

    def _together(
        self, frames: Sequence[Picture], fitted: Sequence[FittedFrame], requests: Sequence[Sequence[FrameRequest]]
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
                self._sides, self._names, zip(*(each.pictures for each in fitted), strict=True), requests, strict=True
            )
        )
        for compared in others:
            first = [replace(own, compare=other) for own, other in zip(first, compared, strict=True)]
        return first
