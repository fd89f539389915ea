"""An objectness head for a network that is to be exported: from which pictures, with which labels, and for whom."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from seekcam.datasets.dataset import DatasetError, PictureSet
from seekcam.evaluation.class_match import match_classes
from seekcam.export.calibrate import Material
from seekcam.localization.card import ModelCard
from seekcam.training.networks.network import Network
from seekcam.training.objectness.collect import Input
from seekcam.training.objectness.step import Outcome, Progress, silent, train_objectness


def head_for(
    network: Network,
    card: ModelCard,
    pictures: PictureSet,
    *,
    seed: int = 0,
    facts: Mapping[str, Any] | None = None,
    regardless: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Fit and judge a head for the network that `card` describes, on any labelled pictures.

    Classes are matched with the network's; pictures of classes that it does not have teach by its own top class. One
    that does not help is given out only if it is asked for `regardless`.
    """
    try:
        labels = match_classes(card, pictures)
    except DatasetError:
        labels = (None,) * len(pictures.classes)
    shape = Input(card.input_size, card.resize)
    # A copy: the original may be in training, and a layout that suits convolutions on a CPU is none of its business.
    still = copy.deepcopy(cast(nn.Module, network)).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return train_objectness(
        cast(Network, still),
        shape,
        pictures,
        labels,
        seed=seed,
        facts=facts,
        regardless=regardless,
        progress=progress,
    )


def head_from_training(
    network: Network,
    card: ModelCard,
    material: Material,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Outcome:
    """The head of a network that was trained here, from its own training pictures; without a head, why."""
    try:
        pictures = material.read()
    except DatasetError as error:
        if material.given:
            raise
        return Outcome(None, None, str(error).rstrip("."))
    facts = {"source": f"fitted at export to class maps of {pictures.name}, without boxes", "licence": card.licence}
    return head_for(network, card, pictures, seed=seed, facts=facts, progress=progress)


def head_from_folder(network: Network, card: ModelCard, folder: Path | str, progress: Progress = silent) -> Outcome:
    """The head of a person's own network, from a folder of pictures in any layout that `seekcam train` reads."""
    material = Material(Path(folder), True)
    return head_from_training(network, card, material, progress=progress)
