"""A head that its judge speaks against is given out only to who asks for it, and is then fitted as any other."""

from pathlib import Path
from typing import Any

import pytest
import torch

from seekcam.datasets.dataset import TRAIN, LabelledPicture, PictureSet
from seekcam.training.networks.network import Network
from seekcam.training.objectness import step
from seekcam.training.objectness.collect import Cells, Input, Item
from seekcam.training.objectness.head import ObjectnessHead
from seekcam.training.objectness.judge import Verdict
from seekcam.training.objectness.step import Outcome, train_objectness
from tests.helpers.networks import TinyNetwork

SHAPE = Input(64)


def outcome(monkeypatch: pytest.MonkeyPatch, verdict: Verdict, *, regardless: bool) -> tuple[Outcome, list[int]]:
    """What comes of 104 pictures, and of how many pictures the cells of each fit were."""
    fitted: list[int] = []

    def collect(_network: Network, _shape: Input, items: list[Item], **_: Any) -> Cells:
        count = len(items)
        return Cells(torch.zeros(count, 4).half(), torch.ones(count).bool(), torch.ones(count).half(), count, count)

    def fit(found: Cells, *_: Any) -> ObjectnessHead:
        fitted.append(found.pictures)
        return ObjectnessHead(4)

    monkeypatch.setattr(step, "collect", collect)
    monkeypatch.setattr(step, "fit", fit)
    monkeypatch.setattr(step, "judge", lambda *_, **__: verdict)
    pictures = tuple(LabelledPicture(Path(f"{i}.jpg"), 0) for i in range(104))
    made = PictureSet("birds", Path(), "folder", ("bird",), ("bird",), {TRAIN: pictures})
    return train_objectness(TinyNetwork(1), SHAPE, made, [0], regardless=regardless), fitted


def test_a_head_that_does_not_help_is_not_given_out_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    worse = Verdict(100, 0.4, 0.5, 0.02)
    left_out, fitted = outcome(monkeypatch, worse, regardless=False)
    assert left_out.head is None
    assert fitted == [91]
    given, fitted = outcome(monkeypatch, worse, regardless=True)
    assert given.head is not None
    assert fitted == [91, 104]  # judged on 13 that it was not fitted to, then fitted to all
    assert given.head.facts["judged"]["agreement_without"] == 0.5
    assert given.reason == left_out.reason == str(worse)
    assert given.verdict == left_out.verdict == worse


@pytest.mark.parametrize("regardless", [False, True])
def test_a_head_that_helps_comes_without_a_reason_against_it(regardless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found, fitted = outcome(monkeypatch, Verdict(100, 0.6, 0.5, 0.02), regardless=regardless)
    assert found.head is not None
    assert found.reason == ""
    assert fitted == [91, 104]
