"""Which of a model's classes is which class of a data set: by order where the lists are alike, else by id or name."""

import re
from collections.abc import Mapping, Sequence

from localization.card import ModelCard
from localization.datasets.dataset import DatasetError, PictureSet

ALIKE = 0.9  # share of names that must agree, place by place, for two lists of one length to be the same list (ours)
SHOWN = 5  # names in a message


def match_classes(card: ModelCard, pictures: PictureSet) -> tuple[int | None, ...]:
    """For each class of the data set the model's index, or None where the model has no such class.

    Two lists of equal length whose names agree nearly everywhere are one list: published lists of the same classes
    differ in their punctuation, and some names stand in a list twice. Otherwise a class is looked up by its id, then by
    its name; case, spaces and punctuation do not count.

    Raises:
        DatasetError: the model has none of the data set's classes.
    """
    count = len(card.classes)
    if len(pictures.classes) == count:
        alike = sum(
            bool(_forms(a, b) & _forms(c, d))
            for a, b, c, d in zip(card.classes, card.class_ids, pictures.classes, pictures.class_ids, strict=True)
        )
        if alike >= ALIKE * count:
            return tuple(range(count))
    by_id, by_name = _lookup(card.class_ids), _lookup(card.classes)
    matched = tuple(
        _find(identity, name, by_id, by_name)
        for identity, name in zip(pictures.class_ids, pictures.classes, strict=True)
    )
    if all(index is None for index in matched):
        raise DatasetError(
            f"{card.name} knows none of the classes in {pictures.root} ({named(pictures.classes)}): "
            f"its own are {named(card.classes)}. Give the model that was trained on them."
        )
    return matched


def named(names: Sequence[str]) -> str:
    """The first few of `names`, for a sentence."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _find(identity: str, name: str, by_id: Mapping[str, int], by_name: Mapping[str, int]) -> int | None:
    for wanted, lookup in ((identity, by_id), (name, by_name), (identity, by_name), (name, by_id)):
        found = lookup.get(_plain(wanted))
        if found is not None:
            return found
    # WordNet's names are several with commas between them, of which other lists keep the first.
    return next((by_name[form] for form in sorted(_forms(name)) if form in by_name), None)


def _lookup(names: Sequence[str]) -> dict[str, int]:
    lookup: dict[str, int] = {}
    for index, name in enumerate(names):
        # A list without ids numbers its classes; the numbers of two lists say nothing of each other.
        if not name.isdecimal():
            lookup.setdefault(_plain(name), index)
    return lookup


def _forms(*names: str) -> set[str]:
    """A class's names, and their parts between commas, without numbers that only say its place."""
    parts = {part for name in names for part in (name, *name.split(","))}
    return {_plain(part) for part in parts if not part.strip().isdecimal()} - {""}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
