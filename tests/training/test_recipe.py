"""Recipes as values: all of them come back from their dictionary, and the digest tells what matters."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from seekcam.training.recipe import HardwareTable, OptimiserTable, Recipe, ScheduleTable, Stage


def test_a_recipe_comes_back_from_its_dictionary() -> None:
    stages = (Stage(epochs=3, rate_factor=0.5),)
    recipe = Recipe(name="mine", seed=7, schedule=ScheduleTable(kind="stages", stages=stages))
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_the_digest_differs_with_what_is_learnt_and_with_nothing_else() -> None:
    recipe = Recipe()
    assert (
        replace(recipe, name="other", about="words", hardware=HardwareTable(device="cpu")).digest() == recipe.digest()
    )
    for change in (
        {"seed": 1},
        {"optimiser": OptimiserTable(learning_rate=0.02)},
        {"schedule": ScheduleTable(epochs=3)},
    ):
        assert replace(recipe, **change).digest() != recipe.digest()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"batch": 4, "accumulate": 5}, r"accumulate \(5\) must not be above batch \(4\)"),
        ({"kind": "stages"}, "needs a list"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"warmup": float("nan")}, "finite"),
    ],
)
def test_impossible_schedules_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.from_dict({"schedule": table})
