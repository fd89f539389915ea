"""Two sides of one frame: what the second is asked for, and the form that both have as JSON."""

from dataclasses import replace

import pytest

from seekcam.localization.card import ModelCard
from seekcam.localization.comparison import Comparison
from seekcam.localization.errors import SettingsError
from seekcam.localization.prediction import Prediction, RankedClass
from seekcam.localization.settings import AnalysisSettings, Settings, resolve_second

FIRST = ModelCard(
    name="imagenet",
    classes=("tabby", "crane", "crane", "lynx"),
    class_ids=("n1", "n2", "n3", "n4"),
    input_size=224,
    map_size=7,
    spread_size=14,
    features=1280,
    mapped=4,
)
SECOND = ModelCard(
    name="birds",
    classes=("Lynx", "Crane bird", "sparrow"),
    class_ids=("lynx", "n3", "sparrow"),
    input_size=64,
    map_size=4,
    spread_size=8,
    features=24,
    mapped=3,
    threshold=0.4,
    min_score=0.3,
    default_method="recombined",
)


def settings(**changes: object) -> AnalysisSettings:
    return Settings().changed({"compare": "birds", **changes}).analysis


def test_the_second_side_takes_the_same_settings_and_its_own_cards_defaults() -> None:
    analysis = resolve_second(settings(method="layercam", map="plain", top_k=4), FIRST, SECOND)
    assert (analysis.method, analysis.min_score, analysis.threshold) == ("recombined", 0.3, "card")
    assert (analysis.map, analysis.top_k, analysis.classes) == ("plain", 3, ())
    assert resolve_second(settings(threshold=0.7, min_score=0), FIRST, SECOND).threshold == 0.7
    chosen = resolve_second(settings(compare=":finercam"), FIRST, FIRST)
    assert (chosen.method, chosen.min_score) == ("finercam", FIRST.min_score)


@pytest.mark.parametrize(("wanted", "index"), [(2, 1), ("n3", 1), (3, 0), ("LYNX", 0)])
def test_a_class_of_the_first_is_the_seconds_of_that_id_or_else_name(wanted: int | str, index: int) -> None:
    assert resolve_second(settings(classes=[wanted]), FIRST, SECOND).classes == (index,)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classes": ["lynx", "tabby"]}, "birds has no class 'tabby' to compare: choose one that both models have"),
        ({"classes": ["crane"]}, "birds has no class 'crane' to compare"),  # the first crane, which is no bird
        ({"classes": ["unicorn"]}, "imagenet has no class 'unicorn'"),
        ({"compare": "birds:sam"}, "birds has no map method 'sam'"),
        ({"compare": "birds:spraed"}, "'spraed' (did you mean 'spread'?): choose one of cam,"),
    ],
)
def test_what_the_second_side_does_not_have_is_said(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_second(settings(**changes), FIRST, SECOND)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def test_the_second_side_has_a_map_of_its_own_the_firsts_or_its_cards() -> None:
    with_head = replace(SECOND, objectness={"cut": 0.4})
    assert resolve_second(settings(compare="birds:spread"), FIRST, with_head).map == "spread"
    own = resolve_second(settings(), FIRST, with_head)
    assert (own.map, own.threshold) == ("objectness", 0.4)
    assert resolve_second(settings(map="plain"), FIRST, with_head).map == "plain"
    assert resolve_second(settings(map="objectness"), with_head, FIRST).map == "spread"  # which has no other
    with pytest.raises(SettingsError, match="birds has no foreground map"):
        resolve_second(settings(compare="birds:foreground"), FIRST, SECOND)


def test_all_sources_write_it_their_way_and_mean_the_same() -> None:
    whole = Comparison("birds", "cam", "spread")
    for form in ("birds:cam:spread", {"model": "birds", "method": "cam", "map": "spread"}):
        assert Settings().changed({"compare": form}).analysis.compare == whole
    for form, part in (
        (":spread", Comparison(map="spread")),
        (":cam:foreground", Comparison(None, "cam", "foreground")),
    ):
        assert Settings().changed({"compare": form}).analysis.compare == part
    assert Settings().changed({"compare": "C:/a.onnx:plain"}).analysis.compare == Comparison("C:/a.onnx", map="plain")
    wanted = Comparison("birds", "cam")
    for form in ("birds:cam", {"model": "birds", "method": "cam"}):
        assert Settings().changed({"compare": form}).analysis.compare == wanted
    document = Settings().changed({"compare": "birds:cam"}).to_json()
    assert document["compare"] == {"model": "birds", "method": "cam", "map": None}
    assert Settings().changed(document).changed({"compare": None}) == Settings()


def test_the_json_form_holds_both_sides_of_one_frame() -> None:
    one = Prediction("a", "cam", (RankedClass(1, "cat", 0.75),), ms={"queue": 1.0, "infer": 5.0})
    other = replace(one, model="b", method="gradcam", ms={"infer": 7.0, "boxes": 2.0})
    document = replace(one, compare=other).to_json(1.5, 3)
    assert document == {**one.to_json(1.5, 3), "compare": document["compare"]}
    assert document["compare"] == {
        name: value for name, value in other.to_json(1.5, 3).items() if name not in ("pts", "frame")
    }
    assert "compare" not in one.to_json(0, 0)
    assert replace(one, compare=other).stages == {"queue": 1.0, "infer": 12.0, "boxes": 2.0}
    assert one.stages == {"queue": 1.0, "infer": 5.0}
