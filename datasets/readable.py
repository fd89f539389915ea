"""Which pictures can be read: the others are named and left out, so that one bad file never ends a training or a score.

Small sets are decoded whole, which finds truncated files too; of large ones only the headers are looked at, since to
decode ImageNet once more would take an hour. What breaks later is then met where it is read.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from seekcam.datasets.dataset import LabelledPicture
from seekcam.localization.errors import UserError
from seekcam.localization.pictures import picture_size, read_picture

Skipped = tuple[tuple[Path, str], ...]  # files that cannot be used, each with the reason as a sentence
OnProgress = Callable[[int, int], None]  # how many are done, of how many

MAX_PIXELS = 100_000_000  # of one picture: more is a mistake, and would take 300 MB
DECODE_AT_MOST = 20_000  # pictures; of a larger set only headers are checked

_QUEUED_PER_THREAD = 16  # tasks that wait, so that a million pictures are not a million futures

T = TypeVar("T")
R = TypeVar("R")


def readable(
    pictures: Sequence[LabelledPicture],
    on_progress: OnProgress | None = None,
    *,
    decode_at_most: int = DECODE_AT_MOST,
    threads: int | None = None,
) -> tuple[tuple[LabelledPicture, ...], Skipped]:
    """Those of `pictures` that can be read, in their order, and the files that cannot with the reason.

    Args:
        pictures: of any number; up to `decode_at_most` are decoded, of more only the header is read.
        on_progress: called with (done, total) after each picture, in this thread.
        decode_at_most: 0 checks headers only.
        threads: how many files are read at once; as many as there are CPU cores when None.
    """
    check = _decodes if len(pictures) <= decode_at_most else _has_header
    kept, skipped = [], []
    reasons = in_threads(check, (picture.path for picture in pictures), threads or available_cores())
    for done, (picture, reason) in enumerate(zip(pictures, reasons, strict=True), 1):
        if reason is None:
            kept.append(picture)
        else:
            skipped.append((picture.path, reason))
        if on_progress is not None:
            on_progress(done, len(pictures))
    return tuple(kept), tuple(skipped)


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """`map` over threads, results in order, without queueing more than a few items ahead."""
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= threads * _QUEUED_PER_THREAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _decodes(path: Path) -> str | None:
    try:
        read_picture(path, MAX_PIXELS)
    except UserError as error:
        return str(error)
    return None


def _has_header(path: Path) -> str | None:
    try:
        picture_size(path, MAX_PIXELS)
    except UserError as error:
        return str(error)
    return None
