"""A person's own network, exported in a few lines: name its layers and this room does the rest.

Example:
    >>> network = torchvision.models.resnet18()  # trained by you
    >>> export_cam_network(
    ...     network,
    ...     features=network.layer4,
    ...     head=network.fc,
    ...     stride16=network.layer3,
    ...     classes=["cat", "dog", ...],
    ...     path="pets.onnx",
    ... )
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from torch import Tensor, nn

from seekcam.export.objectness_head import head_from_folder
from seekcam.export.onnx import ExportError, describe_network, export_network, objectness_facts
from seekcam.localization.card import ModelCard
from seekcam.training.networks.network import Features
from seekcam.training.objectness.head import ObjectnessHead

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB in [0, 1], as torchvision's weights want it
IMAGENET_STD = (0.229, 0.224, 0.225)


class CapturedNetwork(nn.Module):
    """Any classifier as a `Network`: what its named layers put out is read while it runs.

    Args:
        network: (B, 3, S, S) images to (B, C) logits; left as it is.
        features, stride16: layers inside it whose outputs are the last and the stride-16 feature maps.
        head: its linear layer over the mean of the last feature map.
        mean, std: of RGB pixels in [0, 1], as the network was trained.
    """

    def __init__(
        self,
        network: nn.Module,
        features: nn.Module,
        head: nn.Linear,
        stride16: nn.Module,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        inside = list(network.modules())
        for layer, role in ((features, "features"), (head, "head"), (stride16, "stride16")):
            if not any(layer is module for module in inside):
                raise ExportError(f"`{role}` is no layer of the network: pass one, such as `network.layer4`.")
        if not isinstance(head, nn.Linear):
            raise ExportError(f"`head` must be the network's last nn.Linear, not a {type(head).__name__}.")
        if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
            raise ExportError("`mean` and `std` want three numbers each, for RGB in [0, 1], and std above 0.")
        self.network = network
        self._features, self._head, self._stride16 = features, head, stride16
        self.mean = cast("tuple[float, float, float]", tuple(255.0 * value for value in mean))
        self.std = cast("tuple[float, float, float]", tuple(255.0 * value for value in std))

    @property
    def head(self) -> nn.Linear:
        """The classifier: weight (C, K), bias (C)."""
        return self._head

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised images to the outputs of the two layers."""
        outputs: dict[str, Tensor] = {}

        def keep(role: str) -> Any:
            def hook(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
                outputs[role] = output

            return hook

        handles = [
            self._features.register_forward_hook(keep("features")),
            self._stride16.register_forward_hook(keep("stride16")),
        ]
        try:
            self.network(images)
        finally:
            for handle in handles:
                handle.remove()
        for role in ("features", "stride16"):
            if role not in outputs or not isinstance(outputs[role], Tensor):
                raise ExportError(f"The layer given as `{role}` puts out no tensor when the network runs.")
        return Features(last=outputs["features"], stride16=outputs["stride16"])

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised images to (B, C) logits, exactly as the network itself."""
        return cast(Tensor, self.network(images))


def export_cam_network(
    network: nn.Module,
    *,
    features: nn.Module,
    head: nn.Linear,
    classes: Sequence[str],
    path: Path | str,
    stride16: nn.Module | None = None,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    input_size: int = 224,
    objectness: ObjectnessHead | Path | str | None = None,
    **facts: Any,
) -> ModelCard:
    """Export a classifier with global average pooling and a linear head to an ONNX file with its maps and its card.

    Args:
        network: (B, 3, S, S) images to (B, C) logits, such as a torchvision ResNet; left as it is.
        features: the layer whose output global average pooling averages, such as `network.layer4`.
        head: the linear layer over that average, such as `network.fc`.
        classes: the C names, in logit order.
        path: where to write; its name without `.onnx` becomes the model's.
        stride16: a layer with a finer grid, S / 16 cells a side, such as `network.layer3`; it shapes the spread maps.
            Without one, `features` itself is taken, and the spread maps are as coarse as the plain ones.
        mean, std: of RGB pixels in [0, 1], as the network was trained; ImageNet's by default.
        input_size: S, the side in pixels that frames are resized to.
        objectness: a folder of pictures (in any layout that `seekcam train` reads) to fit an objectness head to, or a
            head that was fitted before. Where the head does not help (a warning says so), or without one, boxes
            follow the spread map; the card's `objectness` is empty then.
        facts: any further fields of the card, such as `class_ids`, `threshold`, `min_score`, `dataset` or `licence`.

    Returns:
        The card as it stands in the file.

    Raises:
        ExportError: a layer is not what it should be, or the class maps do not add up to the logits; says why.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ExportError(f"The file name {path.name} must end in .onnx.")
    captured = CapturedNetwork(network, features, head, features if stride16 is None else stride16, mean, std)
    facts = {"network": type(network).__name__, **facts}
    card = describe_network(captured, name=path.stem, classes=classes, input_size=input_size, **facts)
    if isinstance(objectness, Path | str):
        with Console(stderr=True).status("objectness head") as status:
            outcome = head_from_folder(
                captured, card, objectness, lambda *stage: status.update("objectness head, {}: {} of {}".format(*stage))
            )
        if outcome.head is None:
            warnings.warn(f"No objectness head ({outcome.reason}): boxes follow the spread map.", stacklevel=2)
        objectness = outcome.head
    export_network(captured, card, path, objectness)
    return card if objectness is None else replace(card, objectness=objectness_facts(objectness))
