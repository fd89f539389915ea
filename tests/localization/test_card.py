"""The card through JSON and back, and a sentence for each way a file can lack one."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.card import METADATA_KEY, ModelCard
from seekcam.localization.errors import ModelFileError

CARD = ModelCard("pets", ("cat", "dog"), ("n1", "n2"), 224, 7, 14, 512, 2, recipe={"epochs": 3}, metrics={"top1": 75.1})

WRONG_KINDS: tuple[dict[str, object], ...] = (
    {"classes": None},
    {"classes": []},
    {"classes": ["cat"]},
    {"class_ids": [1, 2]},
    {"methods": "cam"},
    {"default_method": "sam"},
    {"input_size": "224"},
    {"mapped": 0},
    {"min_score": None},
    {"dataset": 5},
    {"threshold_split": None},
    {"recipe": None},
    {"metrics": [1]},
    {"resize": "bicubic"},
)


def test_metadata_gives_the_card_back() -> None:
    assert ModelCard.from_metadata({METADATA_KEY: CARD.to_json(), "other": "x"}, "pets.onnx") == CARD


@given(names=st.lists(st.text(), min_size=1, max_size=4).map(tuple), threshold=st.floats(0, 1), licence=st.text())
@settings(deadline=None, max_examples=30)
def test_any_text_survives_the_file(names: tuple[str, ...], threshold: float, licence: str) -> None:
    card = ModelCard("m", names, names, 64, 2, 4, 8, 1, threshold=threshold, licence=licence)
    assert ModelCard.from_metadata({METADATA_KEY: card.to_json()}, "m.onnx") == card


def test_names_are_kept_readable_in_the_file() -> None:
    assert "鸟" in ModelCard("m", ("鸟",), ("b",), 64, 2, 4, 8, 1).to_json()


def test_a_field_from_a_later_version_of_the_same_schema_is_passed_over() -> None:
    document = {**asdict(CARD), "colour": "blue"}
    assert ModelCard.from_metadata({METADATA_KEY: json.dumps(document)}, "pets.onnx") == CARD


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({}, "x.onnx has no seekcam card: write it again with `seekcam.export_cam_network`"),
        ({METADATA_KEY: "{"}, "is not JSON"),
        ({METADATA_KEY: "[1]"}, "has schema none"),
        ({METADATA_KEY: '{"schema": 99}'}, "has schema 99 and this seekcam reads 1"),
        ({METADATA_KEY: '{"schema": 1, "name": "x"}'}, "is incomplete"),
        *(({METADATA_KEY: json.dumps({**asdict(CARD), **wrong})}, "fields of the wrong kind") for wrong in WRONG_KINDS),
    ],
)
def test_a_file_without_a_usable_card_is_answered_with_a_sentence(metadata: dict[str, str], sentence: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        ModelCard.from_metadata(metadata, "x.onnx")
    assert sentence in str(caught.value)
    assert "again" in str(caught.value)


def test_classes_are_looked_up_by_name_and_id_and_that_is_no_part_of_the_document() -> None:
    before = CARD.to_json()
    assert CARD.class_lookup == {"cat": 0, "dog": 1, "n1": 0, "n2": 1}
    assert CARD.to_json() == before
    assert ModelCard.from_metadata({METADATA_KEY: before}, "pets.onnx") == CARD
