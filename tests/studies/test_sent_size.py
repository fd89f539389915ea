"""What the study of small cameras sends: the very frame, as large as asked, told by the number in its picture."""

from typing import get_args

import numpy as np
import pytest
from skimage import data

from seekcam.localization.pictures import squash
from seekcam.streamer.bench.moving_photograph import MovingPhotograph, frame_number
from seekcam.streamer.media.frames import to_rgb
from seekcam.studies.sent_size import FRAMES, Codec, sent

CLIP = MovingPhotograph(640, 480, data.chelsea())


@pytest.mark.parametrize("codec", get_args(Codec))
@pytest.mark.parametrize(("side", "size"), [(None, (640, 480)), (360, (480, 360)), (600, (640, 480))])
def test_the_last_frame_arrives_as_large_as_asked(side: int | None, size: tuple[int, int], codec: Codec) -> None:
    frames = [CLIP.frame(number) for number in range(FRAMES)]
    arrived = sent(frames, side, codec)
    assert (arrived.width, arrived.height) == size
    assert frame_number(arrived) == FRAMES - 1
    # And it is the same picture: both squashed to what a model takes, away from the number's hard edges.
    taken, seen = (squash(to_rgb(frame)[: frame.height * 11 // 12], 224, "area") for frame in (frames[-1], arrived))
    assert np.abs(taken.astype(int) - seen).mean() < 5
