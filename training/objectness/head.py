"""`ObjectnessHead`: which cells of a picture belong to a thing at all, whatever its class.

Two 1x1 convolutions on the unit-length stride-16 features u of a network that is trained already:

    p = sigmoid(w2 . relu(W1 u + b1) + b2)

It is fitted on the network's own class maps, without boxes (`seekcam.training.objectness.fit_head`), has some 7,300
weights and is a file of 30 kB. Ours; the idea that objectness is class-agnostic and can be learnt from class maps is
that of CAM-based pseudo masks (Ahn & Kwak, "Learning Pixel-level Semantic Affinity", CVPR 2018).
"""

import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from seekcam.localization.atomic import write_bytes
from seekcam.localization.errors import UserError
from seekcam.training.networks.network import Network

HIDDEN = 64  # 16 to 256 did not matter

FEATURES = "features"  # the fact that says which network's features it reads

_WEIGHTS = ("W1", "b1", "w2", "b2")
_FACTS = "facts"


class HeadError(UserError):
    """A file that holds no objectness head, or the head of another network."""

    code = "bad-head"


class ObjectnessHead(nn.Module):
    """The head of one network.

    Args:
        channels: K16 of the network's stride-16 features.
        facts: how it came about, for the card: pictures, seed, source, licence; and the `fingerprint` of its network.

    Shapes:
        cells float32 (B, n, K16) of length 1; the plane float32 (B, n) in [0, 1].

    Example:
        >>> head = ObjectnessHead.load(Path("export/heads/efficientnet-lite0.npz"))
        >>> head(torch.nn.functional.normalize(torch.rand(1, 196, 112), dim=2)).shape
        torch.Size([1, 196])
    """

    def __init__(self, channels: int, hidden: int = HIDDEN, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(channels, hidden)
        self.second = nn.Linear(hidden, 1)
        self.facts: Mapping[str, Any] = facts or {}

    @property
    def channels(self) -> int:
        """K16 of the features that it reads."""
        return self.first.in_features

    def forward(self, cells: Tensor) -> Tensor:
        """(B, n, K16) unit cells to the plane (B, n)."""
        return cast(Tensor, self.second(self.first(cells).relu()).squeeze(2).sigmoid())

    def frozen(self) -> Self:
        """A copy on the CPU that nothing done to it can reach this one through."""
        return copy.deepcopy(self).cpu().float().eval().requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write weights and facts as one `.npz` file; the same head is the same file, byte by byte."""
        first, second = self.first, self.second
        arrays = zip(_WEIGHTS, (first.weight, first.bias, second.weight[0], second.bias[0]), strict=True)
        values = {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in arrays}
        values[_FACTS] = np.array(json.dumps(dict(self.facts), ensure_ascii=False))
        buffer = io.BytesIO()
        np.savez(buffer, **cast("dict[str, Any]", values))
        write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "ObjectnessHead":
        """Read what `save` wrote; nothing in the file can run code.

        Raises:
            HeadError: no such file, or none of a head.
        """
        if not path.is_file():
            raise HeadError(f"There is no objectness head at {path}: fit one with `seekcam train-objectness`.")
        try:
            with np.load(path, allow_pickle=False) as file:
                W1, b1, w2, b2 = (torch.from_numpy(file[name].astype(np.float32)) for name in _WEIGHTS)
                facts = json.loads(str(file[_FACTS]))
            head = cls(W1.shape[1], W1.shape[0], facts)
            head.load_state_dict(
                {"first.weight": W1, "first.bias": b1, "second.weight": w2.unsqueeze(0), "second.bias": b2.reshape(1)}
            )
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            RuntimeError,
            zipfile.BadZipFile,
        ) as error:
            raise HeadError(f"{path} holds no objectness head: fit one with `seekcam train-objectness`.") from error
        return head.eval().requires_grad_(False)


def fingerprint(network: Network) -> str:
    """Which features a head reads: 16 hex digits over all weights of `network` but those of its linear head.

    The linear head may be trained on, or exchanged for one of other classes: the features stay what they are.
    """
    module = cast(nn.Module, network)
    beside = {id(weight) for weight in network.head.parameters()}
    kept: list[Tensor] = [weight for weight in module.parameters() if id(weight) not in beside]
    kept += [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    found = hashlib.sha256()
    for values in kept:
        found.update(values.detach().cpu().float().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
