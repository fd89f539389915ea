"""Recipe files: all that come with seekcam load, hold what their papers say, and every mistake is one sentence."""

import tomllib
from pathlib import Path

import pytest

from seekcam.training.networks.catalogue import NETWORKS
from seekcam.training.recipe_files import FOLDER, RecipeError, load_recipe, recipe_names, recipe_text


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_its_text_gives_it_again(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert recipe.network.name in NETWORKS
    assert recipe.network.map_stride in (0, *NETWORKS[recipe.network.name].map_strides)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_text(recipe), "utf-8")
    assert load_recipe(str(path)) == recipe


@pytest.mark.parametrize(
    "name", [n for n in recipe_names() if "base" not in tomllib.loads((FOLDER / f"{n}.toml").read_text())]
)
def test_a_recipe_without_a_base_names_every_number(name: str) -> None:
    """But for the network's own dropout, tables of steps it does not take, and values of other kinds of schedule."""
    recipe = load_recipe(name)
    written = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    unused = {"steps", "hide_and_seek", "googlenet_resize", "cutmix", "input_dropout"} - {
        "steps",
        *recipe.augment.steps,
    }
    of_kind = {"cosine": set[str](), "step": {"step_epochs", "step_factor"}, "stages": {"stages"}}
    others = set[str]().union(*of_kind.values()) - of_kind[recipe.schedule.kind]
    for table, values in recipe.to_dict().items():
        if isinstance(values, dict):
            assert values.keys() - written[table].keys() <= {"weights", "dropout", *unused, *others}, table


def test_what_the_papers_say_is_in_their_recipes() -> None:
    paper = load_recipe("has-alexnet-imagenet")
    assert sum(stage.epochs for stage in paper.schedule.stages) == paper.schedule.epochs == 55
    assert paper.augment.hide_and_seek.sizes == (0, 16, 32, 44, 56)
    tiny = load_recipe("tiny-imagenet-preact-resnet18")
    assert (tiny.schedule.epochs, tiny.schedule.step_epochs, tiny.schedule.batch) == (1500, 250, 256)
    assert (tiny.optimiser.learning_rate, tiny.optimiser.weight_decay) == (0.1, 1e-4)
    assert load_recipe("has-after-gr").augment.steps == tuple(reversed(load_recipe("gr-after-has").augment.steps))


def test_changes_are_made_in_their_order_and_text_needs_no_quotes() -> None:
    recipe = load_recipe(
        "plain", ["schedule.epochs=3", "network.name=resnet18", "schedule.epochs=4", "augment.steps=['cutmix']"]
    )
    assert recipe.schedule.epochs == 4
    assert recipe.network.name == "resnet18"
    assert recipe.augment.steps == ("cutmix",)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("optimizer.learning_rate=1", "a recipe has no 'optimizer' (did you mean 'optimiser'?)"),
        ("optimiser.learning_rat=1", "optimiser has no 'learning_rat' (did you mean 'learning_rate'?)"),
        ("learning_rate=1", "a recipe has no 'learning_rate' (there is 'optimiser.learning_rate')"),
        ("augment.hide_and_seek.size=[1]", "augment.hide_and_seek has no 'size' (did you mean 'sizes'?)"),
        ("schedule.epochs.more=1", "schedule.epochs is a value, not a table"),
        ("schedule.epochs=-1", "schedule.epochs must be greater than or equal to 1, not -1"),
        ("schedule.epochs=many", "schedule.epochs must be a valid integer"),
        ("schedule.kind=linear", "schedule.kind must be 'cosine', 'step' or 'stages', not 'linear'"),
        ("schedule=3", "schedule must be a dictionary"),
        ("augment.hide_and_seek.hide_probability=3", "hide_probability must lie in [0, 1]"),
        ("schedule.epochs", "give table.name=value"),
    ],
)
def test_a_wrong_change_is_one_sentence_that_names_it(change: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("plain", [change])
    assert str(caught.value).startswith(f"--set {change}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "plain"\n[schedule]\nepoch = 3\n')
    with pytest.raises(RecipeError, match=r"mine\.toml: schedule has no 'epoch' \(did you mean 'epochs'\?\)"):
        load_recipe(str(path))
    path.write_text("[[schedule.stages]]\nepochs = 3\nrate_facto = 1\n")
    with pytest.raises(RecipeError, match=r"schedule\.stages has no 'rate_facto' \(did you mean 'rate_factor'\?\)"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epochs = = 3", "is no TOML file"),
        ('base = "plane"', r"base 'plane' is not a recipe \(did you mean 'plain'\?\)"),
        ('base = "has-mixed"', "has a base itself"),
        ("base = 3", "base 3 is not a recipe"),
        ("network = 3", "network must be a dictionary"),
    ],
)
def test_a_broken_file_is_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(str(path))


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'has_mixed' \(did you mean 'has-mixed'\?\)"):
        load_recipe("has_mixed")
    with pytest.raises(RecipeError, match=r"no recipe file nowhere\.toml"):
        load_recipe("nowhere.toml")
