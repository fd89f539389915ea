"""Which of a model's classes is which class of a data set: by order where the lists are alike, else by id or name."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence

from seekcam.datasets.dataset import DatasetError, PictureSet
from seekcam.localization.card import ModelCard

ALIKE = 0.9  # share of names that must agree, place by place, for two lists of one length to be the same list (ours)
SHOWN = 5  # names in a message

# Of the 1000 WordNet ids of ILSVRC 2012 in their order, a line each; the list itself would be longer than this file.
_IMAGENET_IDS = "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"
_FIRST_OF_IMAGENET = "tench"

_SEPARATORS = re.compile(r"[\s_.,'’\"()/&-]+")  # others tell classes apart: C, C# and C++


def match_classes(card: ModelCard, pictures: PictureSet) -> tuple[int | None, ...]:
    """For each class of the data set the model's index, or None where the model has no such class.

    Two lists of equal length whose names agree nearly everywhere are one list, and a place where one of them only says
    more ("crane bird" for "crane") is the same class. All others are looked up by id, then by name: as they are
    written, then without case, spaces and punctuation, then by the first of several names. What two classes share is
    nobody's name, so that no class of the model stands for two of the data set.

    Raises:
        DatasetError: the model has none of the data set's classes.
    """
    own, theirs = _Lists(card.class_ids, card.classes), _Lists(pictures.class_ids, pictures.classes)
    found = _by_place(own, theirs) or _imagenet_folders(card, pictures)
    for ours, others in (
        (own.ids, theirs.ids),
        (own.names, theirs.names),
        (own.names, theirs.ids),
        (own.ids, theirs.names),
    ):
        for spelled in (str, _plain, _first):
            taken = set(found.values())
            index_of = _unshared({index: spelled(name) for index, name in enumerate(ours) if index not in taken})
            label_of = _unshared({label: spelled(name) for label, name in enumerate(others) if label not in found})
            found |= {label: index_of[name] for name, label in label_of.items() if name in index_of}
    if not found:
        raise DatasetError(
            f"{card.name} knows none of the classes in {pictures.root} ({named(pictures.classes)}): "
            f"its own are {named(card.classes)}. Give the model that was trained on them."
        )
    return tuple(found.get(label) for label in range(len(pictures.classes)))


def named(names: Sequence[str]) -> str:
    """The first few of `names`, for a sentence."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


class _Lists:
    """The ids and names of C classes; an id that only says the class's place in the list is left empty."""

    def __init__(self, ids: Sequence[str], names: Sequence[str]) -> None:
        self.names = tuple(map(_written, names))
        self.ids = tuple(
            "" if identity.isdecimal() and identity != name else identity
            for identity, name in zip(map(_written, ids), self.names, strict=True)
        )

    def forms(self, index: int) -> set[str]:
        """A class's id and name, and their parts between commas."""
        texts = (self.ids[index], self.names[index])
        return {_plain(part) for text in texts for part in (text, *text.split(","))} - {""}

    def words(self, index: int) -> set[str]:
        """The words of a class's name."""
        return set(re.findall(r"[^\W_]+", self.names[index].casefold()))


def _by_place(own: _Lists, theirs: _Lists) -> dict[int, int]:
    """Label to index where the lists are one list, else nothing."""
    places = range(len(own.names))
    if len(theirs.names) != len(places):
        return {}
    index_of, label_of = _unshared(dict(enumerate(own.names))), _unshared(dict(enumerate(theirs.names)))

    def stand_elsewhere(ours: str, other: str) -> bool:
        return ours != other and ours in label_of and other in index_of

    alike = {
        place
        for place in places
        if own.forms(place) & theirs.forms(place) and not stand_elsewhere(own.names[place], theirs.names[place])
    }
    if len(alike) < ALIKE * len(places):
        return {}
    return {place: place for place in places if place in alike or _one_says_more(own.words(place), theirs.words(place))}


def _imagenet_folders(card: ModelCard, pictures: PictureSet) -> dict[int, int]:
    """Label to index where a set has ImageNet's 1000 WordNet ids and no names, and the model only ImageNet's names.

    The ids in their order are the order of the logits; that is how all networks of ImageNet are trained.
    """
    if len(card.classes) != len(pictures.class_ids) or card.classes[0].casefold() != _FIRST_OF_IMAGENET:
        return {}
    listed = "\n".join(pictures.class_ids).encode()
    if hashlib.sha256(listed).hexdigest() != _IMAGENET_IDS:
        return {}
    return {place: place for place in range(len(card.classes))}


def _one_says_more(words: set[str], others: set[str]) -> bool:
    return bool(words and others) and (words <= others or others <= words)


def _unshared(names: Mapping[int, str]) -> dict[str, int]:
    """Name to index, without names that are empty or that several have."""
    indices: dict[str, list[int]] = {}
    for index, name in names.items():
        indices.setdefault(name, []).append(index)
    return {name: found[0] for name, found in indices.items() if name and len(found) == 1}


def _written(name: str) -> str:
    """As it stands, in one Unicode form: file systems differ in it."""
    return unicodedata.normalize("NFC", name)


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.casefold())


def _first(name: str) -> str:
    """WordNet's names are several with commas between them, of which other lists keep the first."""
    return _plain(name.split(",")[0])
