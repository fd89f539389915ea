"""Fitting an objectness head: what is taught, that it is learnt, that a seed decides all, and who judges."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, LabelledPicture, PictureSet
from seekcam.datasets.splits import evenly
from seekcam.localization.boxes import otsu as host_otsu
from seekcam.training.networks.network import Features
from seekcam.training.objectness import step
from seekcam.training.objectness.collect import Input, collect
from seekcam.training.objectness.fit_head import TooFewViewsError, fit
from seekcam.training.objectness.head import HeadError, ObjectnessHead
from seekcam.training.objectness.judge import SHRUNK, judge, shrunk_copy
from seekcam.training.objectness.teacher import BAND, LEAST_TRUST, teach
from seekcam.training.objectness.views import picture_views, random_crop

SIDE = 64
CELLS = 8
torch.set_num_threads(1)


class Squares(nn.Module):
    """Sees red squares: class 0 is "a red square", whose class map sits on one corner of the square only.

    The stride-16 layer (here stride 8) tells red, green and blue apart, so the whole square is alike in it.
    """

    mean = (0.0, 0.0, 0.0)
    std = (255.0, 255.0, 255.0)

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(SIDE // CELLS)
        self.head = nn.Linear(4, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[1000.0, 0, 0, 0], [0, 0, 0, 0.001]]))
            self.head.bias.zero_()

    def forward_features(self, images: Tensor) -> Features:
        fine = self.pool(images)
        red = (fine[:, :1] - fine[:, 1:2]).relu()
        # Only cells whose left and upper neighbour are not red: a corner, as classifiers see the telling part.
        padded = nn.functional.pad(red, (1, 0, 1, 0))
        corner = (red - padded[:, :, :-1, 1:] - padded[:, :, 1:, :-1]).relu()
        return Features(last=torch.cat([corner, fine], 1), stride16=torch.cat([fine, 0.2 + 0 * red], 1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(images).last.mean((2, 3)))
        return logits


def square_picture(rng: np.random.Generator) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
    """A red square on a blue to green ground, and its box in pixels."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[..., 1] = np.linspace(30, 120, SIDE).astype(np.uint8)[None]
    picture[..., 2] = np.linspace(120, 30, SIDE).astype(np.uint8)[:, None]
    side = int(rng.integers(3, 6)) * 8
    x, y = (int(rng.integers(0, (SIDE - side) // 8 + 1)) * 8 for _ in range(2))
    picture[y : y + side, x : x + side] = (220, 20, 20)
    noise = rng.integers(-10, 11, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), (x, y, x + side, y + side)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    """120 pictures to learn from and 40 to judge by."""
    folder, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    pictures = []
    for number in range(160):
        path = folder / f"{number}.png"
        Image.fromarray(square_picture(rng)[0]).save(path)
        pictures.append(LabelledPicture(path, 0))
    parts = {TRAIN: tuple(pictures[:120]), VALIDATION: tuple(pictures[120:])}
    return PictureSet("squares", folder, "folder", ("square", "other"), ("square", "other"), parts)


def test_the_truth_is_the_spread_map_above_otsus_cut_and_trusted_away_from_it() -> None:
    torch.manual_seed(0)
    cam, guide = torch.rand(3, 4, 4), torch.randn(3, 5, 8, 8)
    truth = teach(cam, guide)
    for index in range(3):
        spread = spread_by_loops(cam[index].double().numpy(), guide[index].double().numpy())
        cut = host_otsu(spread.astype(np.float32))
        clear = np.abs(spread - cut) > 1e-5
        assert np.array_equal(truth.object[index].numpy()[clear.ravel()], (spread >= cut)[clear])
        wanted = np.clip(np.abs(spread - cut) * BAND, LEAST_TRUST, 1)
        np.testing.assert_allclose(truth.trust[index].numpy(), wanted.ravel(), atol=1e-4)


def spread_by_loops(cam: NDArray[np.float64], guide: NDArray[np.float64]) -> NDArray[np.float64]:
    """Six walks of relu(cosine)^3 over the map enlarged with OpenCV's own linear filter."""
    import cv2

    start = cv2.resize(cam.astype(np.float32), guide.shape[:0:-1], interpolation=cv2.INTER_LINEAR).astype(np.float64)
    cells = guide.reshape(len(guide), -1).T
    cosine = (cells @ cells.T) / np.outer(np.linalg.norm(cells, axis=1), np.linalg.norm(cells, axis=1))
    step_matrix = np.maximum(cosine, 0) ** 3
    step_matrix /= step_matrix.sum(1, keepdims=True)
    flow = ((start - start.min()) / np.ptp(start)).ravel()
    for _ in range(6):
        flow = step_matrix @ flow
    scaled: NDArray[np.float64] = ((flow - flow.min()) / np.ptp(flow)).reshape(guide.shape[1:])
    return scaled


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 1000))
def test_a_crop_is_a_part_of_the_picture_mirrored_or_not(height: int, width: int, seed: int) -> None:
    picture = np.arange(height * width * 3, dtype=np.int64).reshape(height, width, 3)
    crop = random_crop(picture, np.random.default_rng(seed))  # type: ignore[arg-type]
    assert min(crop.shape[:2]) >= 1
    y, x = np.argwhere(picture[..., 0] == crop[..., 0].min())[0]
    whole = picture[y : y + crop.shape[0], x : x + crop.shape[1]]
    assert np.array_equal(crop, whole) or np.array_equal(crop[:, ::-1], whole)


def test_views_are_the_whole_picture_and_so_many_crops_of_the_networks_size() -> None:
    picture = square_picture(np.random.default_rng(1))[0]
    views = picture_views(picture, 32, "area", 3, np.random.default_rng(0))
    assert [view.shape for view in views] == [(32, 32, 3)] * 4
    assert np.abs(views[0].astype(int) - picture.reshape(32, 2, 32, 2, 3).mean((1, 3))).max() <= 1


def test_only_views_in_which_the_network_knows_the_label_teach(squares: PictureSet) -> None:
    network = Squares().eval()
    listed = squares.parts[TRAIN][:20]
    known = collect(network, Input(SIDE), [(picture, 0) for picture in listed])
    unknown = collect(network, Input(SIDE), [(picture, 1) for picture in listed])
    by_rank = collect(network, Input(SIDE), [(picture, None) for picture in listed])
    assert known.pictures == unknown.pictures == 20
    assert known.views > 30
    assert unknown.views < known.views
    assert by_rank.views >= known.views
    assert known.cells.shape == (known.views * CELLS * CELLS, 4)
    torch.testing.assert_close(known.cells.float().norm(dim=1), torch.ones(len(known.cells)), atol=2e-3, rtol=0)


def test_pictures_that_cannot_be_read_are_passed_over(squares: PictureSet, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    items = [(squares.parts[TRAIN][0], 0), (LabelledPicture(broken, 0), 0)]
    assert collect(Squares().eval(), Input(SIDE), items).pictures == 1
    assert collect(Squares().eval(), Input(SIDE), items[1:]).views == 0


def test_the_head_learns_the_whole_thing_from_maps_of_its_corner(squares: PictureSet) -> None:
    network = Squares().eval()
    found = collect(network, Input(SIDE), [(picture, 0) for picture in squares.parts[TRAIN]])
    head = fit(found)
    rng = np.random.default_rng(7)
    inside, outside = [], []
    for _ in range(10):
        picture, (x0, y0, x1, y1) = square_picture(rng)
        image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        guide = network.forward_features(image).stride16
        cells = nn.functional.normalize(guide.flatten(2).transpose(1, 2), dim=2)
        plane = head(cells).reshape(CELLS, CELLS).numpy()
        mask = np.zeros((CELLS, CELLS), bool)
        mask[y0 // 8 : y1 // 8, x0 // 8 : x1 // 8] = True
        inside.append(plane[mask].mean())
        outside.append(plane[~mask].mean())
    assert np.mean(inside) > 0.8
    assert np.mean(outside) < 0.2


def test_the_same_seed_is_the_same_file_and_another_seed_another(squares: PictureSet, tmp_path: Path) -> None:
    files: list[bytes] = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        items = [(picture, 0) for picture in squares.parts[TRAIN][:40]]
        torch.manual_seed(len(files))  # whatever the process drew before
        head = fit(collect(Squares().eval(), Input(SIDE), items, seed=seed), seed)
        head.facts = {"seed": seed}
        head.save(tmp_path / f"{name}.npz")
        files.append((tmp_path / f"{name}.npz").read_bytes())
    assert files[0] == files[1] != files[2]


def test_the_callers_random_numbers_are_left_alone(squares: PictureSet) -> None:
    found = collect(Squares().eval(), Input(SIDE), [(picture, 0) for picture in squares.parts[TRAIN][:40]])
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    fit(found)
    assert torch.equal(torch.rand(3), wanted)


def test_too_few_views_teach_nothing(squares: PictureSet) -> None:
    found = collect(Squares().eval(), Input(SIDE), [(picture, 0) for picture in squares.parts[TRAIN][:5]])
    with pytest.raises(TooFewViewsError, match="of only 10 views of these pictures, and 40 are needed"):
        fit(found)


def test_a_saved_head_says_the_same(tmp_path: Path) -> None:
    head = ObjectnessHead(6, 4, {"pictures": 12, "licence": "MIT"}).eval()
    head.save(tmp_path / "head.npz")
    back = ObjectnessHead.load(tmp_path / "head.npz")
    cells = torch.rand(2, 9, 6)
    torch.testing.assert_close(back(cells), head(cells))
    assert back.facts == {"pictures": 12, "licence": "MIT"}
    assert back.channels == 6


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"plain text"])
def test_a_file_that_holds_no_head_is_said_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "head.npz"
    path.write_bytes(content)
    with pytest.raises(HeadError, match="holds no objectness head: fit one"):
        ObjectnessHead.load(path)
    with pytest.raises(HeadError, match="There is no objectness head at"):
        ObjectnessHead.load(tmp_path / "none.npz")
    np.savez(path, W1=np.zeros((4, 6)), b1=np.zeros(4), w2=np.zeros(3), b2=np.zeros(()), facts=np.array("{}"))
    with pytest.raises(HeadError, match="holds no objectness head"):
        ObjectnessHead.load(path)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), side=st.integers(8, 96))
def test_the_smaller_copy_stands_where_it_is_said_and_the_rest_is_the_scene(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    frame = rng.integers(100, 256, (side, side, 3)).astype(np.uint8)
    scene = np.full_like(frame, 7)
    copy, (x0, y0, x1, y1) = shrunk_copy(frame, scene, rng)
    left, top, right, bottom = (round(v * side) for v in (x0, y0, x1, y1))
    assert right - left == bottom - top == round(SHRUNK * side)
    outside = np.ones((side, side), bool)
    outside[top:bottom, left:right] = False
    assert (copy[outside] == 7).all()
    assert (scene == 7).all()
    assert (copy[~outside] >= 99).all()


def test_a_head_that_holds_the_thing_is_kept_and_one_that_knows_nothing_is_not(squares: PictureSet) -> None:
    network = Squares().eval()
    found = collect(network, Input(SIDE), [(picture, 0) for picture in squares.parts[TRAIN]])
    judging = [(picture, 0) for picture in squares.parts[VALIDATION]]
    good = judge(network, fit(found), Input(SIDE), judging)
    nothing = ObjectnessHead(4)
    nn.init.zeros_(nothing.second.weight)
    for bias in (-9.0, 0.4, 9.0):  # nothing is a thing, everything is a little, everything is
        nn.init.constant_(nothing.second.bias, bias)
        bad = judge(network, nothing, Input(SIDE), judging)
        assert good.pictures == bad.pictures >= 30
        assert good.without == pytest.approx(bad.without)
        assert good.blind == pytest.approx(bad.blind)
        assert not bad.helps
    assert bad.with_head == pytest.approx(bad.blind)


def test_the_step_tells_its_stages_and_what_the_card_says(squares: PictureSet) -> None:
    told: list[tuple[str, int, int]] = []
    outcome = step.train_objectness(
        Squares().eval(),
        Input(SIDE),
        squares,
        (0, None),
        seed=2,
        facts={"licence": "MIT"},
        progress=lambda stage, done, total: told.append((stage, done, total)),
    )
    assert outcome.verdict is not None
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["reading features", "fitting", "judging"]
    assert all(0 < done <= total for _, done, total in told)
    if outcome.head is None:
        assert not outcome.verdict.helps
    else:
        facts = outcome.head.facts
        assert (facts["dataset"], facts["pictures"], facts["seed"], facts["licence"]) == ("squares", 120, 2, "MIT")
        assert facts["judged"]["pictures"] == outcome.verdict.pictures


def test_a_set_without_a_validation_part_is_judged_on_pictures_that_did_not_teach(squares: PictureSet) -> None:
    whole = PictureSet(
        "squares", squares.root, "folder", squares.classes, squares.class_ids, {TRAIN: squares.parts[TRAIN]}
    )
    teaching, judging, held_out = step._parts(whole, (0, None))
    assert held_out
    assert len(judging) == 15
    assert not {picture.path for picture, _ in teaching} & {picture.path for picture, _ in judging}
    teaching, judging, held_out = step._parts(squares, (0, None))
    assert not held_out
    assert (len(teaching), len(judging)) == (120, 40)


@pytest.mark.parametrize("others", [{}, {VALIDATION: 24}, {TRAIN: 24}, {TRAIN: 24, VALIDATION: 8}])
def test_a_test_part_neither_teaches_nor_judges(squares: PictureSet, others: dict[str, int]) -> None:
    pictures = squares.parts[TRAIN]
    parts = {TEST: pictures[100:], **{name: pictures[:count] for name, count in others.items()}}
    teaching, judging, _ = step._parts(replace(squares, parts=parts), (0, 1))
    assert not {picture for picture, _ in teaching + judging} & set(parts[TEST])
    assert bool(teaching) == bool(others)


def test_a_network_that_knows_none_of_the_pictures_gets_no_head(squares: PictureSet) -> None:
    network = Squares().eval()
    nn.init.constant_(network.head.bias, 0)
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([-30.0, 30.0]))
    outcome = step.train_objectness(network, Input(SIDE), squares, (0, None))
    assert outcome.head is None
    assert "knows the class of only 0 views" in outcome.reason


@given(count=st.integers(0, 50), limit=st.integers(1, 60))
def test_even_choices_keep_order_and_never_exceed_the_limit(count: int, limit: int) -> None:
    chosen = evenly(range(count), limit)
    assert len(chosen) == min(count, limit)
    assert chosen == sorted(set(chosen))
