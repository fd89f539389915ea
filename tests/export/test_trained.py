"""A checkpoint becomes the network that was trained, or a sentence; and its card tells where it comes from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seekcam.export.trained import describe_trained, find_checkpoint, min_score, rebuild, run_name
from seekcam.training.augment.input_dropout import InputDropoutConfig, fixed_mask
from seekcam.training.checkpoint import Checkpoint, CheckpointError
from seekcam.training.networks.catalogue import build_network
from seekcam.training.networks.gap import batchnorm_layers
from seekcam.training.networks.network import Network
from tests.helpers.exported import NAMES, tiny_checkpoint, tiny_recipe
from tests.helpers.networks import TinyNetwork, random_frames

FILE = Path("run/best.pt")
SIZE = 64


@pytest.fixture(scope="module")
def lite() -> tuple[Network, Checkpoint]:
    """A network of the catalogue with random weights whose answers depend on the picture, and its checkpoint."""
    recipe = tiny_recipe()
    network = build_network(recipe.network, len(NAMES), recipe.input.size, load=False)
    for layer in batchnorm_layers(network):
        layer.momentum = 1.0
    with torch.no_grad():
        network.train()(images())
    network.eval()
    return network, tiny_checkpoint(Path("gone"), network=network)  # type: ignore[arg-type]


def images() -> Tensor:
    return (random_frames(2).permute(0, 3, 1, 2).float() - 127) / 128


@torch.no_grad()
def test_the_network_is_rebuilt_with_its_weights(lite: tuple[Network, Checkpoint]) -> None:
    network, checkpoint = lite
    rebuilt, recipe = rebuild(checkpoint, FILE)
    assert recipe == tiny_recipe()
    assert not rebuilt.training
    torch.testing.assert_close(rebuilt.forward(images()), network.forward(images()))


@torch.no_grad()
def test_input_dropped_at_test_is_dropped_in_the_export_too(lite: tuple[Network, Checkpoint]) -> None:
    network, checkpoint = lite
    plain = tiny_recipe()
    augment = replace(plain.augment, steps=("input_dropout",), input_dropout=InputDropoutConfig(0.5, at_test=True))
    rebuilt, _ = rebuild(replace(checkpoint, recipe=replace(plain, augment=augment).to_dict()), FILE)
    wanted = network.forward(images() * fixed_mask(SIZE, 0.5))
    torch.testing.assert_close(rebuilt.forward(images()), wanted)
    assert not torch.allclose(wanted, network.forward(images()), rtol=0.1)


def changed(recipe: dict[str, Any], **network: Any) -> dict[str, Any]:
    return {**recipe, "network": {**recipe["network"], **network}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"classes": ("a", "b")},
            r"not those of efficientnet-lite0 with 2 classes.* 2 of another shape \(head\.bias: ",
        ),
        ({"network": {}}, r"\d+ missing \(head\.bias\)"),
        ({"network": TinyNetwork(classes=3).state_dict()}, r"missing .*, 6 unknown .*, 1 of another shape"),
        ({"recipe": changed(tiny_recipe().to_dict(), name="resnet-18000")}, "cannot be exported .* no network"),
        ({"recipe": {**tiny_recipe().to_dict(), "colour": 1}}, "cannot be exported by this seekcam: .*colour"),
        ({"recipe": changed(tiny_recipe().to_dict(), name=7)}, "cannot be exported"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_told_in_a_sentence(
    lite: tuple[Network, Checkpoint], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CheckpointError, match=sentence) as caught:
        rebuild(replace(lite[1], **changes), FILE)
    assert str(caught.value).startswith(("run/best.pt cannot", "The weights in run/best.pt"))
    assert "\n" not in str(caught.value)


def test_the_card_tells_where_the_model_comes_from() -> None:
    network, recipe = TinyNetwork(classes=3), tiny_recipe()
    checkpoint = tiny_checkpoint(Path("gone"), network)
    card = describe_trained(network, checkpoint, recipe, "animals")
    assert (card.name, card.classes, card.class_ids) == ("animals", NAMES, ("AUKLET", "BUNTING", "TABBY"))
    assert (card.input_size, card.resize, card.map_size, card.spread_size) == (SIZE, "area", 4, 8)
    assert (card.network, card.dataset, card.licence) == ("efficientnet-lite0", "animals", "MIT")
    assert (card.recipe, card.recipe_hash) == (recipe.to_dict(), recipe.digest())
    assert card.metrics == {"top1_clas": 50.0}
    assert card.source == "trained with seekcam for 2 epochs by the recipe tiny-run, from the tests"
    assert (card.threshold_split, card.min_score) == ("not calibrated", 0.5)
    scratch = describe_trained(network, replace(checkpoint, source="", epoch=1), recipe, "animals")
    assert scratch.source == "trained with seekcam for 1 epoch by the recipe tiny-run, from random weights"


def test_not_sure_is_above_chance_for_any_number_of_classes() -> None:
    assert [min_score(classes) for classes in (2, 3, 5, 10, 50, 1000)] == [0.75, 0.5, 0.3, 0.15, 0.15, 0.15]
    assert all(1 / classes < min_score(classes) < 1 for classes in range(2, 8))


def test_a_run_folder_stands_for_its_best_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "birds-2"
    run.mkdir()
    with pytest.raises(CheckpointError, match=r"holds no checkpoint \(best.pt or last.pt\)"):
        find_checkpoint(run)
    (run / "last.pt").touch()
    assert find_checkpoint(run) == run / "last.pt"
    (run / "best.pt").touch()
    assert find_checkpoint(run) == run / "best.pt"
    assert find_checkpoint(run / "last.pt") == run / "last.pt"


def test_a_model_is_called_like_its_run_or_else_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_name(tmp_path / "birds" / "best.pt") == "birds"
    assert run_name(tmp_path / "birds" / "epoch-3.pt") == "epoch-3"
    assert run_name(tmp_path / "my birds (2)" / "best.pt") == "my-birds-2"  # a name that the library takes
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run_name(Path("last.pt")) == "here"
