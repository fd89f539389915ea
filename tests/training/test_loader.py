"""The store holds what evaluation would see; batches are complete, repeatable, and the same however they are dealt."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.datasets.dataset import DatasetError, LabelledPicture
from seekcam.localization.card import ModelCard
from seekcam.localization.pictures import read_picture
from seekcam.localization.pipeline import fit_picture
from seekcam.training.loader import Batch, PictureStore, batches, epoch_order, memory_budget, steps_per_epoch
from tests.helpers.picture_folders import save_photographs

SIDE = 24
IN_MEMORY, ON_DEMAND = None, 0  # budgets


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return save_photographs(tmp_path_factory.mktemp("photographs"), 11)


@pytest.fixture(params=[IN_MEMORY, ON_DEMAND], ids=["in memory", "on demand"])
def budget(request: pytest.FixtureRequest) -> int | None:
    value: int | None = request.param
    return value


def labelled(paths: list[Path]) -> list[LabelledPicture]:
    return [LabelledPicture(path, 100 + index) for index, path in enumerate(paths)]


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("resize_filter", ["area", "linear"])
def test_pictures_are_what_the_pipeline_would_see(paths: list[Path], budget: int | None, resize_filter: str) -> None:
    card = ModelCard("m", ("a", "b"), ("a", "b"), SIDE, 7, 14, 8, 2, resize=resize_filter)
    with PictureStore(labelled(paths), SIDE, resize_filter, budget=budget) as store:
        assert store.in_memory == (budget is IN_MEMORY)
        found = list(batches(store, batch=4, shuffle=False))
    assert [len(batch.labels) for batch in found] == [4, 4, 3]
    images = torch.cat([batch.images for batch in found])
    assert (images.dtype, images.shape) == (torch.uint8, (11, 3, SIDE, SIDE))
    assert images.is_contiguous(memory_format=torch.channels_last)
    expected = np.stack([fit_picture(read_picture(path, 10**6), card) for path in paths])
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), expected)
    assert torch.cat([batch.numbers for batch in found]).tolist() == list(range(11))
    assert torch.cat([batch.labels for batch in found]).tolist() == list(range(100, 111))


def test_both_ways_give_the_same_batches(paths: list[Path]) -> None:
    with (
        PictureStore(labelled(paths), SIDE, budget=IN_MEMORY) as held,
        PictureStore(labelled(paths), SIDE, budget=ON_DEMAND, workers=3) as read,
    ):
        one, other = (list(batches(store, batch=3, epoch=2, seed=5)) for store in (held, read))
        assert same(one, other)


@pytest.fixture(scope="module")
def stores(paths: list[Path]) -> list[PictureStore]:
    """Of 1, 2, ... pictures."""
    return [PictureStore(labelled(paths[:count]), 4) for count in range(1, len(paths) + 1)]


@settings(deadline=None, max_examples=40)
@given(
    pictures=st.integers(1, 11),
    batch=st.integers(1, 13),
    world=st.integers(1, 4),
    drop_last=st.booleans(),
    seed=st.integers(-3, 2**64),
    data=st.data(),
)
def test_processes_and_restarts_deal_out_the_batches_of_one_process(
    stores: list[PictureStore], pictures: int, batch: int, world: int, drop_last: bool, seed: int, data: st.DataObject
) -> None:
    epoch = data.draw(st.integers(0, 1000))

    def dealt(rank: int = 0, world: int = 1, start: int = 0) -> list[Batch]:
        store = stores[pictures - 1]
        return list(
            batches(
                store,
                batch=batch,
                epoch=epoch,
                seed=seed,
                rank=rank,
                world=world,
                start_step=start,
                drop_last=drop_last,
            )
        )

    whole = dealt()
    steps = steps_per_epoch(pictures, batch, drop_last=drop_last)
    assert len(whole) == steps >= 1
    numbers = torch.cat([part.numbers for part in whole]).tolist()
    assert numbers == epoch_order(pictures, seed=seed, epoch=epoch)[: len(numbers)].tolist()
    if drop_last and pictures >= batch:
        assert {len(part.numbers) for part in whole} == {batch}
        assert pictures - len(numbers) < batch
    else:
        assert sorted(numbers) == list(range(pictures))

    start = data.draw(st.integers(0, steps))
    assert same(dealt(start=start), whole[start:])

    shares = [dealt(rank, world) for rank in range(world)]
    for step, together in enumerate(whole):
        parts = [share[step] for share in shares]
        sizes = [len(part.numbers) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == len(together.numbers)
        merged = {int(n): image for part in parts for n, image in zip(part.numbers, part.images, strict=True)}
        assert all(
            torch.equal(merged[int(n)], image) for n, image in zip(together.numbers, together.images, strict=True)
        )


def test_every_epoch_and_seed_has_its_own_order() -> None:
    orders = {tuple(epoch_order(50, seed=seed, epoch=epoch)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_unreadable_pictures_are_left_out_and_named(paths: list[Path], tmp_path: Path, budget: int | None) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "short.png").write_bytes(paths[0].read_bytes()[:-2000])
    given_paths = [paths[0], tmp_path / "broken.jpg", paths[1], tmp_path / "short.png", paths[2]]
    calls: list[tuple[int, int]] = []
    pictures = labelled(given_paths)
    with PictureStore(pictures, SIDE, budget=budget, on_progress=lambda *call: calls.append(call)) as store:
        assert store.pictures == (pictures[0], pictures[2], pictures[4])
        assert [path.name for path, _ in store.skipped] == ["broken.jpg", "short.png"]
        assert store.labels.tolist() == [100, 102, 104]
        (batch,) = batches(store, batch=8, shuffle=False)
    assert batch.labels.tolist() == [100, 102, 104]
    expected = cv2.resize(read_picture(paths[2], 10**6), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.array_equal(batch.images[2].permute(1, 2, 0).numpy(), expected)
    assert calls == [(done, 5) for done in range(1, 6)]


def test_a_picture_that_breaks_later_is_replaced_by_the_next(tmp_path: Path) -> None:
    own = save_photographs(tmp_path, 4)
    with PictureStore(labelled(own), SIDE, budget=ON_DEMAND) as store:
        own[1].write_bytes(b"gone bad")
        own[3].unlink()
        (batch,) = batches(store, batch=4, shuffle=False)
        assert batch.numbers.tolist() == [0, 2, 2, 0]
        assert batch.labels.tolist() == [100, 102, 102, 100]
        assert torch.equal(batch.images[1], batch.images[2])
        assert [path.name for path, _ in store.broken] == ["001.png", "003.png"]
        for path in (own[0], own[2]):
            path.unlink()
        with pytest.raises(DatasetError, match="None of the 4 pictures"):
            list(batches(store, batch=4))


def test_nothing_to_read_is_refused(tmp_path: Path, budget: int | None) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"None of the 1 pictures can be read, first .*a\.jpg"):
        PictureStore([LabelledPicture(tmp_path / "a.jpg", 0)], SIDE, budget=budget)
    with pytest.raises(DatasetError, match="no pictures"):
        PictureStore([], SIDE, budget=budget)


def test_a_batch_that_was_handed_out_is_not_written_to_again(paths: list[Path], budget: int | None) -> None:
    with PictureStore(labelled(paths), SIDE, budget=budget) as store:
        first = next(dealt := batches(store, batch=2, shuffle=False))
        copy = first.images.clone()
        first.images.zero_()
        assert len(list(dealt)) == 5
        assert torch.equal(next(batches(store, batch=2, shuffle=False)).images, copy)


def test_skipped_steps_are_not_read(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with PictureStore(labelled(paths), SIDE, budget=ON_DEMAND) as store:
        read: list[Path] = []

        def noted(path: Path, max_pixels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
            read.append(path)
            return read_picture(path, max_pixels)

        monkeypatch.setattr("seekcam.training.loader.read_picture", noted)
        list(batches(store, batch=2, shuffle=False, start_step=4))
    assert sorted(read) == paths[8:]


def test_an_epoch_can_be_left_in_the_middle(paths: list[Path], budget: int | None) -> None:
    with PictureStore(labelled(paths), SIDE, budget=budget) as store:
        dealt = batches(store, batch=1)
        next(dealt)
        dealt.close()  # type: ignore[attr-defined]
        assert len(list(batches(store, batch=1))) == len(paths)


def test_processes_share_the_budget(paths: list[Path]) -> None:
    room = len(paths) * SIDE * SIDE * 3
    for budget, processes, held in ((room, 1, True), (room - 1, 1, False), (room, 2, False), (2 * room, 2, True)):
        with PictureStore(labelled(paths), SIDE, budget=budget, processes=processes) as store:
            assert store.in_memory == held


def test_there_is_room_for_some_pictures_here() -> None:
    assert 0 < memory_budget() <= 4_000_000_000
