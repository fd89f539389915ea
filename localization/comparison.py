"""The setting `compare`: a second model, or another map method of the same one, beside the first on every frame."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass

from localization.errors import SettingsError

_FORMS = 'MODEL, MODEL:METHOD or {"model": ..., "method": ...}'


@dataclass(frozen=True)
class Comparison:
    """What stands on the second side; at least one of the two is given.

    `model` None is the first side's own model, `method` None the one that the second model's card names.
    """

    model: str | None = None
    method: str | None = None


def parse_comparison(name: str, value: object) -> Comparison | None:
    """The setting called `name` from text or from JSON; None and "" switch it off.

    Text is MODEL, MODEL:METHOD or :METHOD. The model may be a file, so a colon with a path behind it is the path's.

    Raises:
        SettingsError: neither form, or nothing named.
    """
    if value is None or value == "":
        return None
    refusal = SettingsError(f"{name} must be {_FORMS}, not {reprlib.repr(value)}.")
    model: object
    method: object
    if isinstance(value, str):
        model, colon, method = value.rpartition(":")
        if not colon or _is_path(method):
            model, method = value, None
    elif isinstance(value, Mapping) and value.keys() <= {"model", "method"}:
        model, method = value.get("model"), value.get("method")
    else:
        raise refusal
    if not (model or method) or not all(part is None or isinstance(part, str) for part in (model, method)):
        raise refusal
    return Comparison(str(model) if model else None, str(method) if method else None)


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.lower().endswith(".onnx")
