"""A validation part split off the training part: the same share of every class, the same pictures every time."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from seekcam.datasets.dataset import DatasetError, LabelledPicture

T = TypeVar("T")


def evenly(items: Sequence[T], limit: int | None) -> list[T]:
    """At most `limit` of them at even distances: the first ones of a set are often of one class."""
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]


def split_off(
    pictures: Sequence[LabelledPicture], class_ids: Sequence[str], share: float, seed: int
) -> tuple[tuple[LabelledPicture, ...], tuple[LabelledPicture, ...]]:
    """What stays and what is split off, each in the order given.

    Every class gives `share` of its pictures, rounded, but at least one and never all; a class of one picture gives
    none. Which ones depends on the seed and each picture's own class and name, so that another picture or class leaves
    the others where they were, up to one at the border.

    Raises:
        DatasetError: a share that is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise DatasetError(f"The validation share {share:g} must be at least 0 and below 1, such as 0.1.")
    of_class: dict[int, list[int]] = {}
    for index, picture in enumerate(pictures):
        of_class.setdefault(picture.label, []).append(index)
    chosen: set[int] = set()
    for label, indices in of_class.items():
        count = min(len(indices) - 1, max(1, int(share * len(indices) + 0.5))) if share else 0
        ranked = sorted(indices, key=lambda index: (_rank(seed, class_ids[label], pictures[index].path.name), index))
        chosen.update(ranked[:count])
    kept = tuple(picture for index, picture in enumerate(pictures) if index not in chosen)
    return kept, tuple(picture for index, picture in enumerate(pictures) if index in chosen)


def _rank(seed: int, class_id: str, name: str) -> bytes:
    return hashlib.blake2b(
        "\0".join((str(seed), class_id, name)).encode("utf-8", "surrogateescape"), digest_size=8
    ).digest()
