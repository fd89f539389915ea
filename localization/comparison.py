"""The setting `compare`: a second model, or another method or kind of map of the same one, beside the first."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from seekcam.localization.card import MAP_KINDS, MapKind
from seekcam.localization.errors import SettingsError

_FORMS = 'MODEL, MODEL:METHOD, MODEL:MAP, MODEL:METHOD:MAP or {"model": ..., "method": ..., "map": ...}'


@dataclass(frozen=True)
class Comparison:
    """What stands on the second side; at least one of the three is given.

    `model` None is the first side's own model, `method` None the one that the second model's card names, and `map` None
    what the setting `map` says, where the second model has that, else its own default.
    """

    model: str | None = None
    method: str | None = None
    map: MapKind | None = None


def parse_comparison(name: str, value: object) -> Comparison | None:
    """The setting called `name` from text or from JSON; None and "" switch it off.

    Text is MODEL, with :METHOD, :MAP or both behind it, or only these. No method is called like a kind of map. The
    model may be a file, so a colon with a path behind it is the path's.

    Raises:
        SettingsError: neither form, or nothing named.
    """
    if value is None or value == "":
        return None
    refusal = SettingsError(f"{name} must be {_FORMS}, not {reprlib.repr(value)}.")
    named: Mapping[Any, object]
    if isinstance(value, str):
        named = _parts(value)
    elif isinstance(value, Mapping) and value.keys() <= {"model", "method", "map"}:
        named = value
    else:
        raise refusal
    model, method, kind = (named.get(part) or None for part in ("model", "method", "map"))
    if (model, method, kind) == (None, None, None) or kind not in (None, *MAP_KINDS):
        raise refusal
    if not all(part is None or isinstance(part, str) for part in (model, method)):
        raise refusal
    return Comparison(cast("str | None", model), cast("str | None", method), kind)


def _parts(text: str) -> dict[str, object]:
    """MODEL:METHOD:MAP by their names, whichever of them are there."""
    found: dict[str, object] = {}
    for part in ("map", "method"):
        model, colon, last = text.rpartition(":")
        if not colon or _is_path(last) or (part == "map" and last not in MAP_KINDS):
            continue
        found[part] = last
        text = model
    return {"model": text, **found}


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.lower().endswith(".onnx")
