"""Where a second look comes from: the whole picture that a frame was fitted from, whatever kind it is."""

from functools import partial

import av
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.card import ModelCard
from seekcam.localization.pipeline import Cut, cut_picture
from seekcam.localization.region import Region
from seekcam.streamer.media.frames import cut_frame

Picture = av.VideoFrame | NDArray[np.uint8]  # a decoded video frame, or RGB uint8 [H, W, 3]


def cut_of(picture: Picture, card: ModelCard) -> Cut:
    """Cuts regions out of `picture`, fitted for the model of `card`."""
    if isinstance(picture, av.VideoFrame):
        return partial(_cut_frame, picture, card)
    return partial(cut_picture, picture, card)


def _cut_frame(frame: av.VideoFrame, card: ModelCard, region: Region) -> tuple[NDArray[np.uint8], Region]:
    return cut_frame(frame, region, card.input_size, card.resize)
