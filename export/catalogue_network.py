"""A network of the catalogue with weights from elsewhere: published ones, or a state dict in a file."""

from pathlib import Path

from seekcam.export.onnx import describe_network
from seekcam.export.zoo import imagenet_classes
from seekcam.localization.card import ModelCard
from seekcam.training.networks.catalogue import NETWORKS, build_network, find_network
from seekcam.training.networks.network import Network, NetworkError
from seekcam.training.networks.weights import read_weights
from seekcam.training.recipe import NetworkTable


def catalogue_network(name: str, weights: Path | None = None) -> tuple[Network, ModelCard]:
    """The network and its card; its classes are ImageNet's where there are 1000 of them, and numbered elsewhere.

    Args:
        weights: a state dict with its head; None takes the ImageNet weights that the catalogue knows.

    Raises:
        NetworkError: no such network, no published weights, or weights that are not its own.
    """
    if name not in NETWORKS:
        raise NetworkError(
            f"There is no run, checkpoint or network {name}: give a training run's folder, a .pt file, or one of "
            f"{', '.join(NETWORKS)}."
        )
    entry = find_network(name)
    if weights is None and entry.published is None:
        raise NetworkError(f"There are no published weights of {name}: give a state dict with --weights.")
    imagenet = imagenet_classes()
    count = len(imagenet) if weights is None else _classes_in(weights, name)
    table = NetworkTable(name=name, weights="" if weights is None else str(weights))
    network = build_network(table, count, entry.input_size).eval()
    card = describe_network(
        network,
        name=name,
        classes=imagenet if count == len(imagenet) else tuple(f"class {index}" for index in range(count)),
        input_size=entry.input_size,
        class_ids=tuple(map(str, range(count))),
        network=name,
        dataset="ImageNet (ILSVRC 2012)" if weights is None else "",
        licence=entry.licence if weights is None else "",
        source=entry.source if weights is None else f"the file {weights.name}",
    )
    return network, card


def _classes_in(weights: Path, name: str) -> int:
    """C of a state dict: the rows of its last matrix."""
    matrices = [value for key, value in read_weights(weights).items() if key.endswith(".weight") and value.ndim == 2]
    if not matrices:
        raise NetworkError(f"{weights} has no linear head, so that it cannot say what {name} sees.")
    return int(matrices[-1].shape[0])
