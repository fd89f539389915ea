"""The analysis and paint settings, parsed and checked once; stream, upload, annotate and evaluate use the same names.

A stream has one `AnalysisSettings`; every viewer of it has its own `PaintSettings`. `Settings.changed` takes a mapping
from any source (data channel JSON, query string, command line), so that each of them gives the same errors.
"""

import difflib
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, cast

from seekcam.localization.card import MAP_KINDS, METHODS, MapKind, ModelCard
from seekcam.localization.comparison import Comparison, parse_comparison
from seekcam.localization.errors import SettingsError

BoxMaker = Literal["largest", "components", "two_stage", "none"]
Threshold = float | Literal["otsu", "card"]

BOX_MAKERS: tuple[BoxMaker, ...] = ("largest", "components", "two_stage", "none")
COLORMAPS = ("turbo", "jet", "viridis", "inferno")
MAX_TOP_K = 5  # what one graph run maps at most
MAX_CLASS_NAME = 200  # characters; the longest of ImageNet has some 30


@dataclass(frozen=True)
class AnalysisSettings:
    """What is computed for a stream or picture; None leaves the choice to the model's card (or the server)."""

    model: str | None = None  # a name or a file
    classes: tuple[int | str, ...] = ()  # names or indices; empty follows the top prediction
    top_k: int = MAX_TOP_K  # length of the ranking
    method: str | None = None
    map: MapKind | None = None  # None: the objectness map where the model has one, else the spread map
    box: BoxMaker = "largest"
    threshold: Threshold | None = None  # None: the map's own, see `own_threshold`
    min_score: float | None = None
    compare: Comparison | None = None  # a second model or method on the same frames; its open choices are its card's


@dataclass(frozen=True)
class PaintSettings:
    """How a prediction is drawn for one viewer."""

    opacity: float = 0.5
    colormap: str = "turbo"
    boxes: bool = True
    labels: bool = True
    mirror: bool = False


PAINT_NAMES = frozenset(f.name for f in fields(PaintSettings))


@dataclass(frozen=True)
class Settings:
    """All settings of one viewer: its stream's analysis and its own paint."""

    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    paint: PaintSettings = field(default_factory=PaintSettings)

    def changed(self, changes: Mapping[str, object]) -> "Settings":
        """A copy with `changes` applied, each value parsed and checked; nothing is applied if one is wrong.

        Raises:
            SettingsError: an unknown name or an impossible value.
        """
        parsed: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in _PARSERS:
                raise SettingsError(f"There is no setting {reprlib.repr(name)}{_hint(name, _PARSERS)}.")
            parsed[name] = _PARSERS[name](name, value)
        analysis = {f.name: parsed[f.name] for f in fields(AnalysisSettings) if f.name in parsed}
        paint = {f.name: parsed[f.name] for f in fields(PaintSettings) if f.name in parsed}
        return Settings(replace(self.analysis, **analysis), replace(self.paint, **paint))

    def to_json(self) -> dict[str, Any]:
        """By the names of `changed`; `classes` is "top" or a list, `compare` null or {model, method}."""
        flat = {**asdict(self.analysis), **asdict(self.paint)}
        flat["classes"] = list(self.analysis.classes) or "top"
        return flat


@dataclass(frozen=True)
class Analysis:
    """`AnalysisSettings` resolved against one model's card: nothing left to look up or to check."""

    classes: tuple[int, ...]  # empty follows the top prediction
    top_k: int
    method: str
    method_index: int
    map: MapKind
    box: BoxMaker
    threshold: Threshold
    min_score: float


def resolve(settings: AnalysisSettings, card: ModelCard) -> Analysis:
    """Check `settings` against a model and fill in the card's defaults.

    Raises:
        SettingsError: a class or method that the model does not have, or more classes than one run maps.
    """
    method = settings.method or card.default_method
    if method not in card.methods and method in METHODS:
        raise SettingsError(f"The file of {card.name} is older than the map method {method!r}: export it again.")
    if method not in card.methods:
        raise SettingsError(
            f"{card.name} has no map method {reprlib.repr(method)}{_hint(method, card.methods)}: "
            f"choose one of {', '.join(card.methods)}."
        )
    classes = tuple(dict.fromkeys(class_index(card, c) for c in settings.classes))
    if len(classes) > card.mapped:
        raise SettingsError(f"{card.name} maps {card.mapped} classes at once and {len(classes)} were asked for.")
    kind = settings.map or card.maps[0]
    if kind not in card.maps:
        raise SettingsError(
            f"{card.name} has no {kind} map, as its file holds no objectness head: choose one of "
            f"{', '.join(card.maps)}, or export the model again with one."
        )
    return Analysis(
        classes=classes,
        top_k=min(settings.top_k, len(card.classes)),
        method=method,
        method_index=card.methods.index(method),
        map=kind,
        box=settings.box,
        threshold=own_threshold(kind, card) if settings.threshold is None else settings.threshold,
        min_score=card.min_score if settings.min_score is None else settings.min_score,
    )


def own_threshold(kind: MapKind, card: ModelCard) -> Threshold:
    """What cuts a map when nobody chose: the constant of its rule, Otsu's, or the card's calibrated one."""
    match kind:
        case "objectness" | "foreground":
            return card.cut
        case "spread":
            return "otsu"
        case "plain":
            return "card"


def resolve_second(settings: AnalysisSettings, card: ModelCard, second: ModelCard) -> Analysis:
    """The second side of `settings.compare`: the same settings fitted to the model `second`, with choices of its own.

    Classes were chosen for the first model, of `card`; here they are the second's of the same id, or else name. The
    map is the one that the comparison names, else that of `settings` where the second model has it, else its default.

    Raises:
        SettingsError: a class or method that the second model does not have.
    """
    classes = tuple(_counterpart(card, class_index(card, wanted), second) for wanted in settings.classes)
    method, kind = (None, None) if settings.compare is None else (settings.compare.method, settings.compare.map)
    if method is not None and method not in second.methods:
        known = (*second.methods, *second.maps)
        raise SettingsError(
            f"{second.name} has no map method {reprlib.repr(method)}{_hint(method, known)}: choose one of "
            f"{', '.join(second.methods)}, or a kind of map: {', '.join(second.maps)}."
        )
    if kind is None and settings.map in second.maps:
        kind = settings.map
    return resolve(replace(settings, classes=classes, method=method, map=kind, compare=None), second)


def _counterpart(card: ModelCard, index: int, second: ModelCard) -> int:
    if card.class_ids[index] in second.class_ids:
        return second.class_ids.index(card.class_ids[index])
    found = second.class_lookup.get(card.classes[index].casefold())
    if found is None:
        raise SettingsError(
            f"{second.name} has no class {reprlib.repr(card.classes[index])} to compare: choose one that both models "
            "have, or follow the top prediction."
        )
    return found


def class_index(card: ModelCard, wanted: int | str) -> int:
    """The index of a class given by index, name (any case) or id.

    Raises:
        SettingsError: the model has no such class; the message names the nearest ones.
    """
    if isinstance(wanted, int) or (wanted.isdecimal() and len(wanted) < 10):
        index = int(wanted)
        if 0 <= index < len(card.classes):
            return index
        raise SettingsError(f"{card.name} has classes 0 to {len(card.classes) - 1}, so there is no class {index}.")
    lowered = wanted.strip().casefold()
    known = card.class_lookup.get(lowered)
    if known is None:
        raise SettingsError(f"{card.name} has no class {reprlib.repr(wanted)}{_hint(lowered, card.classes)}.")
    return known


def _hint(wanted: str, known: Iterable[str]) -> str:
    by_lower = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(wanted.casefold(), by_lower, n=3, cutoff=0.5)
    near += [lower for lower in by_lower if wanted.casefold() in lower and lower not in near][: 3 - len(near)]
    return f" (did you mean {' or '.join(repr(by_lower[n]) for n in near)}?)" if near else ""


def _number(low: float, high: float) -> Callable[[str, object], float]:
    def parse(name: str, value: object) -> float:
        try:
            number = float(cast(Any, value))
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if isinstance(value, bool) or not low <= number <= high:  # a NaN fails the comparison too
            raise SettingsError(f"{name} must be a number from {low:g} to {high:g}, not {reprlib.repr(value)}.")
        return number

    return parse


def _integer(low: int, high: int) -> Callable[[str, object], int]:
    def parse(name: str, value: object) -> int:
        try:
            number = int(cast(Any, value)) if not isinstance(value, float) or value.is_integer() else low - 1
        except (TypeError, ValueError):
            number = low - 1
        if isinstance(value, bool) or not low <= number <= high:
            raise SettingsError(f"{name} must be a whole number from {low} to {high}, not {reprlib.repr(value)}.")
        return number

    return parse


def _optional_choice(options: tuple[str, ...]) -> Callable[[str, object], str | None]:
    parse = _choice(options)
    return lambda name, value: None if value is None or value == "" else parse(name, value)


def _choice(options: tuple[str, ...]) -> Callable[[str, object], str]:
    def parse(name: str, value: object) -> str:
        if not isinstance(value, str) or value not in options:
            raise SettingsError(f"{name} must be one of {', '.join(options)}, not {reprlib.repr(value)}.")
        return value

    return parse


def _flag(name: str, value: object) -> bool:
    words = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}
    known = value if isinstance(value, bool) else words.get(str(value).lower())
    if known is None:
        raise SettingsError(f"{name} must be true or false, not {reprlib.repr(value)}.")
    return known


def _text_or_none(name: str, value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise SettingsError(f"{name} must be a name, not {reprlib.repr(value)}.")
    return value


def _classes(name: str, value: object) -> tuple[int | str, ...]:
    if value is None or value in ("top", ""):
        return ()
    items: list[object]
    if isinstance(value, str):
        # A comma is what people type between names; a name that holds one can be sent in a list.
        items = [v.strip() for v in value.split(",")]
    else:
        items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | str) or item == "":
            raise SettingsError(
                f'{name} must be "top" or a list of class names and indices, not {reprlib.repr(value)}.'
            )
        if isinstance(item, str) and len(item) > MAX_CLASS_NAME:
            raise SettingsError(f"{name} must be names of at most {MAX_CLASS_NAME} characters, not {len(item)}.")
    distinct = tuple(dict.fromkeys(cast("list[int | str]", items)))
    if len(distinct) > MAX_TOP_K:
        raise SettingsError(f"{name} must be at most {MAX_TOP_K} different classes, not {len(distinct)}.")
    return distinct


def _threshold(name: str, value: object) -> Threshold | None:
    if value is None or value == "":
        return None
    if value in ("otsu", "card"):
        return cast(Threshold, value)
    try:
        return _number(0, 1)(name, value)
    except SettingsError:
        raise SettingsError(
            f'{name} must be a number from 0 to 1, "otsu" or "card", not {reprlib.repr(value)}.'
        ) from None


def _optional_score(name: str, value: object) -> float | None:
    return None if value is None or value == "" else _number(0, 1)(name, value)


_PARSERS: dict[str, Callable[[str, object], object]] = {
    "model": _text_or_none,
    "classes": _classes,
    "top_k": _integer(1, MAX_TOP_K),
    "method": _text_or_none,
    "map": _optional_choice(MAP_KINDS),
    "box": _choice(BOX_MAKERS),
    "threshold": _threshold,
    "min_score": _optional_score,
    "compare": parse_comparison,
    "opacity": _number(0, 1),
    "colormap": _choice(COLORMAPS),
    "boxes": _flag,
    "labels": _flag,
    "mirror": _flag,
}
