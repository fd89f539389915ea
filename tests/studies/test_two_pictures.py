"""Two pictures in one frame: who stands beside whom, and where."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seekcam.datasets.dataset import LabelledPicture
from seekcam.studies.two_pictures import LEFT, SIDE, frame_of, pairs_of


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_every_picture_is_asked_for_once_beside_one_of_another_class(labels: list[int], seed: int) -> None:
    known = [(LabelledPicture(Path(f"{number}.png"), label), label) for number, label in enumerate(labels)]
    pairs = pairs_of(known, seed)
    if len(set(labels)) < 2:
        assert pairs == []
        return
    assert sorted(pair.asked.path.name for pair in pairs) == sorted(picture.path.name for picture, _ in known)
    assert all(pair.beside.label != pair.label for pair in pairs)


def test_the_picture_that_is_asked_for_stands_where_it_is_said(tmp_path: Path) -> None:
    known = []
    for number, grey in enumerate((40, 200)):
        Image.fromarray(np.full((50, 70, 3), grey, np.uint8)).save(tmp_path / f"{number}.png")
        known.append((LabelledPicture(tmp_path / f"{number}.png", number), number))
    for pair in pairs_of(known, 0):
        frame = frame_of(pair)
        assert frame.shape == (SIDE, 2 * SIDE, 3)
        half = frame[:, :SIDE] if pair.place == LEFT else frame[:, SIDE:]
        assert (half == (40 if pair.label == 0 else 200)).all()
