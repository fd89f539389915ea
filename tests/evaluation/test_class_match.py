"""Which class of a data set is which of a model."""

import hashlib
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from seekcam.datasets.dataset import DatasetError, PictureSet
from seekcam.evaluation import class_match
from seekcam.evaluation.class_match import match_classes, named
from seekcam.localization.card import ModelCard


def card(names: tuple[str, ...], ids: tuple[str, ...] = ()) -> ModelCard:
    return ModelCard("net", names, ids or names, input_size=8, map_size=1, spread_size=1, features=1, mapped=2)


def pictures(names: tuple[str, ...], ids: tuple[str, ...] = ()) -> PictureSet:
    return PictureSet("set", Path("set"), "folder", names, ids or names, {})


TEN = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibex", "jay")


def test_ids_go_before_names_and_spelling_does_not_count() -> None:
    model = card(("Black swan", "mute swan", "Goose"), ("n01", "n02", "n03"))
    assert match_classes(model, pictures(("goose", "BLACK_SWAN"))) == (2, 0)
    assert match_classes(model, pictures(("whatever", "black swan"), ("n03", "n02"))) == (2, 1)
    assert match_classes(model, pictures(("a", "Goose"), ("MUTE-swan", "b"))) == (1, 2)


def test_a_class_that_the_model_lacks_has_no_index() -> None:
    assert match_classes(card(("ant", "bee")), pictures(("bee", "yak", "ant"))) == (1, None, 0)


def test_a_model_that_knows_no_class_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"none of the classes in set \(yak, gnu\): its own are ant, bee"):
        match_classes(card(("ant", "bee")), pictures(("yak", "gnu")))


def test_the_first_of_several_names_is_enough() -> None:
    assert match_classes(card(("hen", "cock", "tench")), pictures(("tench, Tinca tinca", "hen"))) == (2, 0)


def test_lists_that_are_nearly_alike_are_one_list_even_when_a_name_stands_in_it_twice() -> None:
    ours = ("crane", *TEN[:7], "crane", "maillot")
    theirs = ("crane bird", *TEN[:7], "Crane", "maillot, tank suit")
    indices = tuple(str(index) for index in range(10))
    wordnet = tuple(f"n{index:08}" for index in range(10))
    assert match_classes(card(ours, indices), pictures(theirs, wordnet)) == tuple(range(10))


def test_lists_in_another_order_are_matched_name_by_name() -> None:
    assert match_classes(card(TEN), pictures(TEN[::-1])) == tuple(range(9, -1, -1))


def test_numbers_in_place_of_ids_say_nothing() -> None:
    model = card(("ant", "bee", "cat"), ("0", "1", "2"))
    assert match_classes(model, replace(pictures(("cat", "ant", "bee")), class_ids=("0", "1", "2"))) == (2, 0, 1)


def test_folders_named_by_numbers_are_classes_like_any_other() -> None:
    digits = tuple("0123456789")
    assert match_classes(card(digits), pictures(digits)) == tuple(range(10))
    assert match_classes(card(digits), pictures(("7", "3"))) == (7, 3)
    with pytest.raises(DatasetError, match="none of the classes"):
        match_classes(card(TEN, digits), pictures(digits))


def test_a_class_in_the_place_of_another_is_not_taken_for_it() -> None:
    for lost, instead in (("jay", "yak"), ("black swan", "black bear")):
        assert match_classes(card((*TEN[:9], lost)), pictures((*TEN[:9], instead))) == (*range(9), None)


@pytest.mark.parametrize(
    "names", [("C", "C#", "C++"), ("1.5V", "15V", "-15V"), ("\N{CAT FACE}", "\N{DOG FACE}", "?"), ("cat", "Cat", "CAT")]
)
def test_names_that_differ_in_a_sign_only_are_told_apart(names: tuple[str, ...]) -> None:
    assert match_classes(card(names), pictures(names[2:0:-1])) == (2, 1)
    assert match_classes(card(names[:2]), pictures(names[1::-1])) == (1, 0)
    assert match_classes(card((names[0], "else")), pictures((names[1], names[0], "else"))) == (None, 0, 1)


def test_what_several_classes_share_is_no_name() -> None:
    assert match_classes(card(("crane", "ant", "Crane")), pictures(("CRANE", "ant"))) == (None, 1)
    assert match_classes(card(("crane", "ant", "bee")), pictures(("CRANE", "Crane", "ant", "bee"))) == (
        None,
        None,
        1,
        2,
    )


def test_letters_with_accents_are_the_same_in_every_unicode_form() -> None:
    composed, split = (unicodedata.normalize(form, "B\u00e4r") for form in ("NFC", "NFD"))
    assert match_classes(card((composed, "ant", "bee")), pictures((split, "bee"))) == (0, 2)


def test_a_long_list_is_cut_in_a_sentence() -> None:
    assert named(("a", "b")) == "a, b"
    assert named(tuple("abcdefgh")) == "a, b, c, d, e and 3 more"


def test_folders_with_imagenets_ids_are_its_classes_in_their_order() -> None:
    names = ("tench", *(f"animal {number}" for number in range(999)))
    ids = tuple(f"n{number:08d}" for number in range(1000))
    numbers = tuple(map(str, range(1000)))
    folders = pictures(ids)
    with pytest.raises(DatasetError):  # a thousand ids, but not those
        match_classes(card(names, numbers), folders)
    listed = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_match, "_IMAGENET_IDS", listed)
        assert match_classes(card(names, numbers), folders) == tuple(range(1000))
        with pytest.raises(DatasetError):  # a thousand classes, but not those
            match_classes(card(tuple(f"thing {number}" for number in range(1000)), numbers), folders)
