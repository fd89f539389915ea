"""From a checkpoint to the network that trained and the card that goes with it."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from seekcam.export.onnx import describe_network
from seekcam.localization.card import ModelCard
from seekcam.localization.library import name_from
from seekcam.training.checkpoint import Checkpoint, CheckpointError
from seekcam.training.networks.catalogue import build_network
from seekcam.training.networks.masked_input import as_tested
from seekcam.training.networks.network import Network, NetworkError
from seekcam.training.recipe import Recipe
from seekcam.training.recipe_files import RecipeError, checked_recipe

CHECKPOINTS = ("best.pt", "last.pt")  # of a run folder, the one to export first
MIN_SCORE = ModelCard.min_score  # for the many classes of ImageNet
CHANCES = 1.5  # a top class must be this many times as probable as by chance
MOST_MIN_SCORE = 0.75  # what two classes are asked for


def find_checkpoint(path: Path) -> Path:
    """The checkpoint file that `path` names: itself, or the best one in a run folder.

    Raises:
        CheckpointError: there is none.
    """
    if not path.is_dir():
        return path
    for name in CHECKPOINTS:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(f"{path} holds no checkpoint ({' or '.join(CHECKPOINTS)}): give a training run's folder.")


def run_name(checkpoint_file: Path) -> str:
    """What a model from this file is called when nothing else is said: its run's folder, or the file's own name."""
    path = checkpoint_file.resolve()
    return name_from(path.parent.name if path.name in CHECKPOINTS else path.stem)


def rebuild(checkpoint: Checkpoint, file: Path) -> tuple[Network, Recipe]:
    """The network as it is tested, with the checkpoint's weights, and its recipe; `file` is for messages.

    Raises:
        CheckpointError: a recipe that this seekcam cannot read, or weights that are not the recipe's network's.
    """
    try:
        recipe = checked_recipe(checkpoint.recipe, str(file))
        network = build_network(recipe.network, len(checkpoint.classes), recipe.input.size, load=False)
    except (RecipeError, NetworkError) as error:
        raise CheckpointError(f"{file} cannot be exported by this seekcam: {error}") from error
    _check_weights(network, checkpoint, recipe.network.name, file)
    network.load_state_dict(dict(checkpoint.network))
    return as_tested(network, recipe.input, recipe.augment).train(False), recipe


def describe_trained(network: Network, checkpoint: Checkpoint, recipe: Recipe, name: str) -> ModelCard:
    """The card of a rebuilt network; its threshold is not calibrated yet."""
    card = describe_network(network, name=name, classes=checkpoint.classes, input_size=recipe.input.size)
    epochs = f"{checkpoint.epoch} epoch{'' if checkpoint.epoch == 1 else 's'}"
    start = f", from {checkpoint.source}" if checkpoint.source else ", from random weights"
    return replace(
        card,
        class_ids=tuple(checkpoint.class_ids),
        min_score=min_score(len(checkpoint.classes)),
        resize=recipe.input.resize_filter,
        network=recipe.network.name,
        dataset=checkpoint.dataset,
        recipe=checkpoint.recipe,
        recipe_hash=checkpoint.recipe_hash,
        metrics=dict(checkpoint.metrics),
        licence=checkpoint.licence,
        source=f"trained with seekcam for {epochs} by the recipe {recipe.name}{start}",
    )


def min_score(classes: int) -> float:
    """Below which top probability a model of C classes says "not sure".

    The 0.15 chosen on ImageNet holds from ten classes on. With fewer, chance alone comes near it, so the top class must
    be one and a half times as probable as chance: 0.75 of two classes, 0.3 of five.
    """
    return round(min(max(MIN_SCORE, CHANCES / classes), MOST_MIN_SCORE), 3)


def _check_weights(network: nn.Module, checkpoint: Checkpoint, name: str, file: Path) -> None:
    """Refuse weights that do not fit, in a sentence instead of torch's list."""
    wanted, found = network.state_dict(), checkpoint.network
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    unlike = [key for key in wanted.keys() & found.keys() if wanted[key].shape != found[key].shape]
    if not (missing or unknown or unlike):
        return
    parts = [f"{len(keys)} {what} ({keys[0]})" for keys, what in ((missing, "missing"), (unknown, "unknown")) if keys]
    if unlike:
        key = min(unlike)
        shapes = f"{key}: {tuple(found[key].shape)} for {tuple(wanted[key].shape)}"
        parts.append(f"{len(unlike)} of another shape ({shapes})")
    raise CheckpointError(
        f"The weights in {file} are not those of {name} with {len(checkpoint.classes)} classes, which its recipe "
        f"names: {', '.join(parts)}; export the checkpoint of the run that the recipe belongs to."
    )
