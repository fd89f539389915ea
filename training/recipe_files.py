"""Recipes on disk: found by name or file, changed on the command line, checked, and written out whole.

A recipe file may begin with `base = "plain"`: it then names only what it does otherwise than that recipe (whose own
file has no base). What a run used is written to its folder as one file with every number.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import tomli_w
from pydantic import ValidationError

from seekcam.localization.errors import UserError
from seekcam.training.recipe import Recipe

FOLDER = Path(__file__).parent / "recipes"

Values = dict[str, Any]


class RecipeError(UserError):
    """A recipe names something that there is not, or gives an impossible value."""

    code = "bad-recipe"


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with seekcam."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_recipe(name: str, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of that name or file, with `changes` of the form `table.name=value` made to it.

    Raises:
        RecipeError: no such recipe, unreadable TOML, an unknown name (the nearest one is given), an impossible value.
    """
    path = _find(name)
    values = _read(path)
    base = values.pop("base", None)
    if base is not None:
        if base not in recipe_names():
            raise RecipeError(f"{path}: base {base!r} is not a recipe{_nearest(str(base), recipe_names())}.")
        below = _read(FOLDER / f"{base}.toml")
        if "base" in below:
            raise RecipeError(f"{path}: base {base!r} has a base itself; name one without, such as 'plain'.")
        below = {key: value for key, value in below.items() if key not in ("name", "about")}
        values = _merged(below, values)
    values.setdefault("name", path.stem)
    return checked_recipe(values, str(path), changes)


def checked_recipe(values: Mapping[str, Any], where: str, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of `values`, which came from `where`, with `changes` made to it.

    Raises:
        RecipeError: as for `load_recipe`.
    """
    for key in _keys(values):
        _check_known(key, where)
    merged = dict(values)
    for change in changes:
        merged = _merged(merged, _parsed(change))
    try:
        return Recipe.from_dict(merged)
    except ValidationError as error:
        raise RecipeError(_sentence(error, where, changes)) from error


def recipe_text(recipe: Recipe) -> str:
    """The recipe as TOML with every number; loading it gives an equal recipe."""
    return tomli_w.dumps(_without_none(recipe.to_dict()))


def _find(name: str) -> Path:
    path = FOLDER / f"{name}.toml"
    if path.is_file():
        return path
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix == ".toml":
        raise RecipeError(f"There is no recipe file {path}.")
    raise RecipeError(
        f"There is no recipe {name!r}{_nearest(name, recipe_names())}: `seekcam train --recipes` lists them all."
    )


def _read(path: Path) -> Values:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no TOML file: {error}.") from error
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from error


def _parsed(change: str) -> Values:
    """`table.name=value` as nested tables; a value that is no TOML is taken as text."""
    key, equals, text = (part.strip() for part in change.partition("="))
    where = f"--set {change}"
    if not equals or not key:
        raise RecipeError(f"{where}: give table.name=value, for example --set optimiser.learning_rate=0.01.")
    _check_known(key, where)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for name in reversed(key.split(".")):
        value = {name: value}
    return dict(value)


def _keys(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The dotted names of all values, and of tables that are empty."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _keys(value, f"{before}{name}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for item in value:
                yield from _keys(item, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _check_known(key: str, where: str) -> None:
    """Refuse a dotted name that leads nowhere in `Recipe`, with the nearest one that leads somewhere."""
    table: Any = Recipe
    names = key.split(".")
    for depth, name in enumerate(names):
        known = [f.name for f in fields(table)] if is_dataclass(table) else []
        if name not in known:
            place = ".".join(names[:depth]) or "a recipe"
            what = f"has no {name!r}{_nearest(name, known)}" if known else "is a value, not a table"
            elsewhere = [other for other in _every_key(Recipe) if other.endswith(f".{name}")]
            hint = f" (there is {elsewhere[0]!r})" if elsewhere and not difflib.get_close_matches(name, known) else ""
            raise RecipeError(f"{where}: {place} {what}{hint}.")
        hint_of = get_type_hints(table)[name]
        table = next((kind for kind in (hint_of, *get_args(hint_of)) if is_dataclass(kind)), None)


def _every_key(table: Any, before: str = "") -> Iterator[str]:
    for name, kind in get_type_hints(table).items():
        yield f"{before}{name}"
        if is_dataclass(kind):
            yield from _every_key(kind, f"{before}{name}.")


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _sentence(error: ValidationError, where: str, changes: Sequence[str]) -> str:
    """The first thing that is wrong, in the person's terms."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not isinstance(part, int) and part != "function-after")
    changed = ((change.partition("=")[0].strip(), change) for change in changes)
    source = next((f"--set {change}" for name, change in changed if f"{name}.".startswith(f"{key}.")), where)
    if first["type"] in {"value_error", "assertion_error"}:
        said = first["msg"].partition(", ")[2].rstrip(".")
        return f"{source}: {key + ': ' if key else ''}{said}."
    expected = first["msg"].removeprefix("Input ").replace("should be", "must be")
    return f"{source}: {key} {expected}, not {first['input']!r}."


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """`below` with the values of `above` in their place, table by table."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _without_none(values: Mapping[str, Any]) -> Values:
    """TOML has no word for "none": what is left out takes its default, which is none."""
    return {
        name: _without_none(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not None
    }
