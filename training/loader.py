"""From picture files to the batches of an epoch: `PictureStore` holds the pixels, `batches` deals them out.

What a step sees depends on (seed, epoch, step) only: not on the number of processes, threads, or on a restart.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seekcam.datasets.dataset import DatasetError, LabelledPicture
from seekcam.datasets.readable import (
    MAX_PIXELS,
    OnProgress,
    Skipped,
    available_cores,
    in_threads,
    readable,
)
from seekcam.localization.errors import UserError
from seekcam.localization.pictures import read_picture, squash

RAM_BUDGET = 4_000_000_000  # bytes of decoded pictures that are held at most
_RAM_SHARE = 4  # and no more than one part in so many of the memory that is free
_UNKNOWN_FREE = 4_000_000_000  # bytes taken as free where the system does not say
_AHEAD = 3  # batches that are prepared while one is worked on
_MAX_THREADS = 32

Numbers = NDArray[np.int64]


class Batch(NamedTuple):
    """Pictures of one step on this process, squashed but neither cropped nor normalised."""

    images: Tensor  # uint8 (b, 3, side, side), channels last in memory
    labels: Tensor  # int64 (b,)
    numbers: Tensor  # int64 (b,): which pictures of the store; keys of their random draws (`training.random_draws`)


class PictureStore:
    """n labelled pictures as RGB uint8 [side, side, 3], squashed as evaluation and live use squash them.

    Where they fit into memory they are all decoded once, here; else each is decoded when its batch is prepared.
    `numbers` 0 .. n - 1 name the pictures, in the order given, unreadable ones left out.

    Args:
        pictures: what to hold.
        side: in pixels.
        resize_filter: "area" or "linear".
        budget: bytes of decoded pictures to hold at most; None takes `memory_budget()`. Several processes of one run
            must be given the same, so that they number the pictures alike.
        processes: how many processes on this machine hold a store of their own; they share the budget and the cores.
        workers: threads that decode; -1 takes one for each CPU core.
        on_progress: called with (done, total) as pictures are read.

    Raises:
        DatasetError: none of the pictures can be read.
    """

    def __init__(
        self,
        pictures: Sequence[LabelledPicture],
        side: int,
        resize_filter: str = "area",
        *,
        budget: int | None = None,
        processes: int = 1,
        workers: int = -1,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.side = side
        self.threads = workers if workers > 0 else min(_MAX_THREADS, max(1, available_cores() // processes))
        self._filter = resize_filter
        self.pictures: tuple[LabelledPicture, ...]
        self.skipped: Skipped
        room = (memory_budget() if budget is None else budget) // processes
        self._pixels: NDArray[np.uint8] | None = None  # [rows, side, side, 3]; None: decoded on demand
        if len(pictures) * side * side * 3 <= room:
            self._fill(pictures, on_progress)
        else:
            self.pictures, self.skipped = readable(pictures, on_progress, threads=self.threads)
        if not pictures:
            raise DatasetError("There are no pictures to read: this part of the data set is empty.")
        if not self.pictures:
            first = f", first {self.skipped[0][0]}" if self.skipped else ""
            raise DatasetError(f"None of the {len(pictures)} pictures can be read{first}: check the files.")
        self.labels = torch.tensor([picture.label for picture in self.pictures])  # int64 (n,)
        self._broken: dict[int, str] = {}
        self._pool = ThreadPoolExecutor(1 if self.in_memory else self.threads, "pictures")

    def _fill(self, pictures: Sequence[LabelledPicture], on_progress: OnProgress | None) -> None:
        pixels = np.empty((len(pictures), self.side, self.side, 3), np.uint8)
        kept: list[int] = []
        skipped: list[tuple[Path, str]] = []

        def decode(row: int) -> str | None:
            try:
                pixels[row] = self._decoded(pictures[row].path)
            except UserError as error:
                return str(error)
            return None

        for row, reason in enumerate(in_threads(decode, range(len(pictures)), self.threads)):
            if reason is None:
                kept.append(row)
            else:
                skipped.append((pictures[row].path, reason))
            if on_progress is not None:
                on_progress(row + 1, len(pictures))
        self._pixels = pixels
        self._rows = np.array(kept, np.int64)
        self.pictures = tuple(pictures[row] for row in kept)
        self.skipped = tuple(skipped)

    def __len__(self) -> int:
        return len(self.pictures)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the threads; batches that are being prepared are given up."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def in_memory(self) -> bool:
        """Whether the pixels are held decoded."""
        return self._pixels is not None

    @property
    def broken(self) -> Skipped:
        """Files whose header was fine and that could not be decoded when their turn came."""
        return tuple((self.pictures[number].path, reason) for number, reason in sorted(self._broken.items()))

    def read_into(self, target: NDArray[np.uint8], numbers: Numbers) -> list[Future[Numbers]]:
        """Start writing the pictures `numbers` (b,) into `target` [b, side, side, 3].

        The results, in order and joined, are the numbers of the pictures that were written: on demand, the next
        readable picture takes the place of one that turns out broken, so that all processes keep the same steps.
        """
        if self._pixels is not None:
            return [self._pool.submit(self._copy, target, numbers)]
        return [self._pool.submit(self._decode_or_next, target[i], int(number)) for i, number in enumerate(numbers)]

    def _copy(self, target: NDArray[np.uint8], numbers: Numbers) -> Numbers:
        assert self._pixels is not None
        # With mode="raise" NumPy would write to a buffer first.
        np.take(self._pixels, self._rows[numbers], axis=0, out=target, mode="clip")
        return numbers

    def _decode_or_next(self, target: NDArray[np.uint8], number: int) -> Numbers:
        for candidate in chain(range(number, len(self)), range(number)):
            if candidate in self._broken:
                continue
            try:
                target[:] = self._decoded(self.pictures[candidate].path)
            except UserError as error:
                self._broken[candidate] = str(error)
            else:
                return np.array([candidate])
        raise DatasetError(f"None of the {len(self)} pictures can be read any more: check that the disk is there.")

    def _decoded(self, path: Path) -> NDArray[np.uint8]:
        return squash(read_picture(path, MAX_PIXELS), self.side, self._filter)


def memory_budget() -> int:
    """Bytes of decoded pictures that this machine has room for: 4 GB, or a quarter of what is free if that is less."""
    return min(RAM_BUDGET, _free_memory() // _RAM_SHARE)


def steps_per_epoch(pictures: int, batch: int, *, drop_last: bool = False) -> int:
    """Steps that `batches` makes of an epoch of so many pictures; `batch` counts over all processes."""
    whole, rest = divmod(pictures, batch)
    return whole if drop_last and whole else whole + (rest > 0)


def epoch_order(pictures: int, *, seed: int, epoch: int, shuffle: bool = True) -> Numbers:
    """int64 (pictures,): the picture numbers in the order that this epoch of the run with this seed takes them."""
    if not shuffle:
        return np.arange(pictures)
    return np.random.default_rng([seed % (1 << 64), epoch]).permutation(pictures)


def batches(
    store: PictureStore,
    *,
    batch: int,
    epoch: int = 0,
    seed: int = 0,
    rank: int = 0,
    world: int = 1,
    start_step: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    pin: bool = False,
) -> Iterator[Batch]:
    """This process's share of every batch of an epoch, in order; the next ones are prepared in the background.

    Args:
        store: the pictures.
        batch: pictures of a step over all processes.
        epoch, seed: what the order depends on, and nothing else.
        rank, world: this process and how many there are. It takes every `world`-th picture of each batch, beginning
            with the `rank`-th: together they have exactly the batch of one process. Shares differ by one picture at
            most, and in a last batch smaller than `world` some are empty.
        start_step: steps to leave out at the beginning, as a run that is taken up again does; nothing is read for them.
        shuffle: False takes the pictures in the store's order.
        drop_last: leave out an incomplete last batch, unless it is the only one.
        pin: into page-locked memory, from which copies to a CUDA device need not be waited for.
    """
    order = epoch_order(len(store), seed=seed, epoch=epoch, shuffle=shuffle)
    steps = range(start_step, steps_per_epoch(len(store), batch, drop_last=drop_last))
    shares = iter([order[step * batch : (step + 1) * batch][rank::world] for step in steps])
    waiting: deque[tuple[Tensor, list[Future[Numbers]]]] = deque()

    def start_next() -> None:
        if (numbers := next(shares, None)) is not None:
            images = torch.empty((len(numbers), store.side, store.side, 3), dtype=torch.uint8, pin_memory=pin)
            waiting.append((images, store.read_into(images.numpy(), numbers)))

    try:
        for _ in range(_AHEAD):
            start_next()
        while waiting:
            images, tasks = waiting[0]
            read = [task.result() for task in tasks]
            waiting.popleft()
            start_next()
            numbers = torch.from_numpy(np.concatenate([np.empty(0, np.int64), *read]))
            yield Batch(images.permute(0, 3, 1, 2), store.labels[numbers], numbers)
    finally:
        for _, tasks in waiting:
            for task in tasks:
                task.cancel()


def _free_memory() -> int:
    """Bytes that can be taken without swapping, as far as the system and the container say."""
    free = _UNKNOWN_FREE
    try:
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    try:
        limit, used, stat = (Path(f"/sys/fs/cgroup/memory.{name}").read_text() for name in ("max", "current", "stat"))
        # Files that were read count as used until something else needs the room.
        kept = int(dict(line.split() for line in stat.splitlines()).get("inactive_file", 0))
        return free if limit.strip() == "max" else max(0, min(free, int(limit) - int(used) + kept))
    except (OSError, ValueError):
        return free  # no container, or none that says
