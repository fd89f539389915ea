"""Settings from any source: what is accepted, what is refused with which sentence, and how a card fills the gaps."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.card import MAP_KINDS, METHODS, ModelCard
from seekcam.localization.comparison import Comparison
from seekcam.localization.errors import SettingsError
from seekcam.localization.settings import (
    BOX_MAKERS,
    COLORMAPS,
    MAX_CLASS_NAME,
    AnalysisSettings,
    PaintSettings,
    Settings,
    class_index,
    resolve,
)

CARD = ModelCard(
    name="toy",
    classes=("Persian cat", "tabby", "Black Swan", "42", "crane", "crane bird"),
    class_ids=("n02123394", "n02123045", "n01860187", "n042", "n03126707", "n02012849"),
    input_size=224,
    map_size=7,
    spread_size=14,
    features=1280,
    mapped=5,
    threshold=0.28,
    min_score=0.15,
    default_method="cam",
)

ACCEPTED = [
    ("model", "other", "other"),
    ("model", None, None),
    ("model", "", None),
    ("classes", "top", ()),
    ("classes", None, ()),
    ("classes", [], ()),
    ("classes", "tabby", ("tabby",)),
    ("classes", "tabby, crane,3", ("tabby", "crane", "3")),
    ("classes", ["tabby", 3], ("tabby", 3)),
    ("classes", 3, (3,)),
    ("classes", ["tabby"] * 8000 + [3], ("tabby", 3)),
    ("classes", "x" * MAX_CLASS_NAME, ("x" * MAX_CLASS_NAME,)),
    ("top_k", 1, 1),
    ("top_k", "5", 5),
    ("top_k", 3.0, 3),
    ("method", "layercam", "layercam"),
    ("map", "plain", "plain"),
    ("box", "two_stage", "two_stage"),
    ("threshold", "otsu", "otsu"),
    ("threshold", "card", "card"),
    ("threshold", "0.25", 0.25),
    ("threshold", 0, 0.0),
    ("threshold", 1, 1.0),
    ("threshold", None, None),
    ("min_score", "0.4", 0.4),
    ("min_score", None, None),
    ("compare", None, None),
    ("compare", "", None),
    ("compare", "toy-has", Comparison("toy-has")),
    ("compare", "toy-has:", Comparison("toy-has")),
    ("compare", "toy-has:gradcam++", Comparison("toy-has", "gradcam++")),
    ("compare", ":finercam", Comparison(None, "finercam")),
    ("compare", "C:\\models\\has.onnx", Comparison("C:\\models\\has.onnx")),
    ("compare", "a:b/has.onnx:cam", Comparison("a:b/has.onnx", "cam")),
    ("compare", {"model": "toy-has"}, Comparison("toy-has")),
    ("compare", {"model": None, "method": "cam"}, Comparison(None, "cam")),
    ("compare", {"model": "toy-has", "method": ""}, Comparison("toy-has")),
    ("opacity", 0, 0.0),
    ("opacity", "1", 1.0),
    ("colormap", "inferno", "inferno"),
    ("boxes", "false", False),
    ("labels", "0", False),
    ("mirror", True, True),
    ("mirror", "ON", True),
]

REFUSED = [
    ("model", 3),
    ("classes", ["tabby", True]),
    ("classes", [None]),
    ("classes", "tabby,,crane"),
    ("classes", {"a": 1}),
    ("classes", 1.5),
    ("classes", [0, 1, 2, 3, 4, 5]),
    ("classes", ",".join(map(str, range(8000)))),
    ("classes", ["tabby", "x" * (MAX_CLASS_NAME + 1)]),
    ("top_k", 0),
    ("top_k", 6),
    ("top_k", 2.5),
    ("top_k", float("nan")),
    ("top_k", float("inf")),
    ("top_k", True),
    ("top_k", None),
    ("method", 1),
    ("map", "fine"),
    ("map", ["spread"]),
    ("box", "largest "),
    ("threshold", 1.01),
    ("threshold", -0.1),
    ("threshold", "nan"),
    ("threshold", float("nan")),
    ("threshold", "half"),
    ("threshold", True),
    ("threshold", [0.5]),
    ("min_score", 2),
    ("min_score", "much"),
    ("compare", ":"),
    ("compare", {}),
    ("compare", {"model": "", "method": None}),
    ("compare", {"model": 5}),
    ("compare", {"model": "a", "classes": [1]}),
    ("compare", ["a", "cam"]),
    ("compare", True),
    ("compare", 0),
    ("opacity", 10**400),
    ("opacity", "1e999"),
    ("opacity", None),
    ("opacity", False),
    ("colormap", "hot"),
    ("boxes", "maybe"),
    ("labels", None),
    ("mirror", 2),
]


@pytest.mark.parametrize(("name", "value", "expected"), ACCEPTED)
def test_a_value_is_parsed(name: str, value: object, expected: object) -> None:
    changed = Settings().changed({name: value})
    part = changed.analysis if hasattr(AnalysisSettings(), name) else changed.paint
    assert getattr(part, name) == expected
    assert type(getattr(part, name)) is type(expected)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_an_impossible_value_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} must be .*\.$"):
        Settings().changed({name: value})


@pytest.mark.parametrize(
    "changes", [{"opacity": "x" * 9999}, {"y" * 9999: 1}, {"classes": ["z" * 9999]}, {"method": "m" * 9999}]
)
def test_a_refusal_stays_short_whatever_was_sent(changes: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(Settings().changed(changes).analysis, CARD)
    assert len(str(caught.value)) < 250, "it has to fit into one data-channel message"


def test_one_wrong_value_leaves_all_as_it_was_and_the_rest_is_kept() -> None:
    before = Settings().changed({"opacity": 0.7, "map": "plain", "classes": ["tabby"]})
    with pytest.raises(SettingsError, match="colormap"):
        before.changed({"opacity": 0.1, "colormap": "hot"})
    after = before.changed({"mirror": True})
    assert after.paint == PaintSettings(opacity=0.7, mirror=True)
    assert after.analysis == AnalysisSettings(map="plain", classes=("tabby",))


def test_an_unknown_name_is_answered_with_its_neighbour() -> None:
    with pytest.raises(SettingsError, match=r"no setting 'opacty' \(did you mean 'opacity'\?\)"):
        Settings().changed({"opacty": 0.5})


@given(
    model=st.none() | st.text("abc.-/", min_size=1),
    classes=st.lists(st.integers(0, 5) | st.sampled_from(CARD.classes), max_size=5),
    map_kind=st.sampled_from(MAP_KINDS),
    box=st.sampled_from(BOX_MAKERS),
    threshold=st.none() | st.sampled_from(("otsu", "card")) | st.floats(0, 1),
    min_score=st.none() | st.floats(0, 1),
    compare=st.none() | st.builds(Comparison, st.text("ab.-", min_size=1), st.none() | st.sampled_from(METHODS)),
    opacity=st.floats(0, 1),
    colormap=st.sampled_from(COLORMAPS),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
@settings(deadline=None, max_examples=50)
def test_the_json_form_leads_back_to_the_same_settings(
    model: str | None,
    classes: list[int | str],
    map_kind: str,
    box: str,
    threshold: object,
    min_score: float | None,
    compare: Comparison | None,
    opacity: float,
    colormap: str,
    flags: tuple[bool, bool, bool],
) -> None:
    first = Settings().changed(
        {
            "model": model,
            "classes": classes,
            "map": map_kind,
            "box": box,
            "threshold": threshold,
            "min_score": min_score,
            "compare": None if compare is None else {"model": compare.model, "method": compare.method},
            "opacity": opacity,
            "colormap": colormap,
            "boxes": flags[0],
            "labels": flags[1],
            "mirror": flags[2],
        }
    )
    assert first.analysis.compare == compare
    assert Settings().changed(json.loads(json.dumps(first.to_json()))) == first


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(Settings().to_json())) | st.text(max_size=8), json_values, max_size=3))
@settings(deadline=None, max_examples=150)
def test_any_json_is_taken_or_refused_with_a_sentence(changes: dict[str, object]) -> None:
    try:
        changed = Settings().changed(changes)
        resolve(changed.analysis, CARD)
    except SettingsError as error:
        assert str(error).endswith(".")  # noqa: PT017 - either outcome is right
    else:
        assert 0 <= changed.paint.opacity <= 1


def test_the_card_fills_what_is_left_open() -> None:
    analysis = resolve(AnalysisSettings(), CARD)
    assert (analysis.method, analysis.method_index) == ("cam", CARD.methods.index("cam"))
    assert (analysis.map, analysis.threshold, analysis.min_score) == ("spread", "otsu", 0.15)
    assert (analysis.classes, analysis.top_k) == ((), 5)
    assert resolve(AnalysisSettings(map="plain"), CARD).threshold == "card"
    assert resolve(AnalysisSettings(map="plain", threshold=0.4), CARD).threshold == 0.4
    assert resolve(AnalysisSettings(min_score=0.0), CARD).min_score == 0.0
    small = ModelCard("two", ("a", "b"), ("a", "b"), 224, 7, 14, 8, 2)
    assert resolve(AnalysisSettings(), small).top_k == 2


def test_a_method_is_found_by_name_and_an_unknown_one_answered() -> None:
    for index, method in enumerate(CARD.methods):
        assert resolve(AnalysisSettings(method=method), CARD).method_index == index
    with pytest.raises(SettingsError, match=r"no map method 'gradcm' \(did you mean 'gradcam'"):
        resolve(AnalysisSettings(method="gradcm"), CARD)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [("Persian cat", 0), (" persian CAT ", 0), ("BLACK swan", 2), ("n01860187", 2), (1, 1), ("1", 1), ("crane", 4)],
)
def test_a_class_is_found_by_name_id_or_index(wanted: int | str, index: int) -> None:
    assert class_index(CARD, wanted) == index


@pytest.mark.parametrize("wanted", ["", " ", "persian", 6, -1, "6", "9" * 5000, "n0"])
def test_an_unknown_class_is_refused(wanted: int | str) -> None:
    with pytest.raises(SettingsError, match=r"^toy has .*\.$"):
        class_index(CARD, wanted)


def test_an_unknown_class_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match=r"did you mean 'tabby'"):
        class_index(CARD, "taby")
    with pytest.raises(SettingsError, match=r"did you mean 'Black Swan'"):
        class_index(CARD, "swan")


def test_classes_are_counted_once_and_not_above_what_one_run_maps() -> None:
    assert resolve(AnalysisSettings(classes=("tabby", 1, "TABBY", 0)), CARD).classes == (1, 0)
    with pytest.raises(SettingsError, match="maps 5 classes at once and 6 were asked for"):
        resolve(AnalysisSettings(classes=(0, 1, 2, 3, 4, 5)), CARD)


def test_too_many_or_too_long_classes_are_told_the_limit() -> None:
    with pytest.raises(SettingsError, match="at most 5 different classes, not 6"):
        Settings().changed({"classes": ["tabby", "tabby", 0, 1, 2, 3, 4]})
    with pytest.raises(SettingsError, match="at most 200 characters, not 201"):
        Settings().changed({"classes": "x" * 201})


def test_of_equal_names_the_first_counts_and_names_go_before_ids() -> None:
    names, ids = ("crane", "Crane", "b", "straße"), ("b", "c", "crane", "STRASSE")
    card = ModelCard("twins", names, ids, 224, 7, 14, 8, 4)
    assert [class_index(card, wanted) for wanted in ("CRANE", "b", "c", "strasse")] == [0, 2, 1, 3]
