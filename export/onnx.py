"""Write a network as one self-describing ONNX file, and prove that the file says what PyTorch says.

The file is written beside its final name, checked in ONNX Runtime against PyTorch, and only then moved into place:
under its name there is always either nothing, the previous file or a verified new one.
"""

import copy
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor

from seekcam.export.graph import INPUTS, MAPPED, CamGraph
from seekcam.localization.card import METADATA_KEY, METHODS, ModelCard
from seekcam.localization.errors import UserError
from seekcam.training.affinity import GUIDED_POWER, GUIDED_REPEATS
from seekcam.training.networks.network import Network
from seekcam.training.objectness.head import FEATURES, HeadError, ObjectnessHead, fingerprint
from seekcam.training.objectness.rule import CUT

OPSET = 20
BATCH = torch.export.Dim("batch", min=1, max=64)  # the bound is only the tracer's; the file has none
TOLERANCE = 2e-3  # of the largest value of each output; float32 convolutions in two runtimes differ by about 1e-5
# A spread map is scaled to its own range, which is next to nothing in a network that is not trained: there the same
# 1e-5 grew to 3e-3. A graph that spreads wrongly is off by tenths.
SPREAD_TOLERANCE = 2e-2
VERIFY_BATCH = 3  # more than one frame, so that a graph that mixes up its batch is found
_SPREAD = ("spread", "affinity")
VERSIONS_OF = ("torch", "onnx", "onnxscript", "onnxruntime-gpu", "onnxruntime")


class ExportError(UserError):
    """The network is not one whose maps this graph can make, or the written file does not agree with it."""

    code = "export-failed"


@dataclass(frozen=True)
class Agreement:
    """Largest differences found while verifying a file, each as a share of the largest value of its kind."""

    logits: float
    maps: float
    spread: float
    objectness: float  # of the plane; 0 without a head
    identity: float  # mean of a class's map plus its bias, against its logit

    @property
    def worst(self) -> float:
        """The largest of them."""
        return max(self.logits, self.maps, self.spread, self.objectness, self.identity)

    @property
    def holds(self) -> bool:
        """Whether each is within what is allowed; a NaN is not."""
        plain = all(value <= TOLERANCE for value in (self.logits, self.maps, self.identity))
        return plain and max(self.spread, self.objectness) <= SPREAD_TOLERANCE

    def __str__(self) -> str:
        parts = {"logits": self.logits, "maps": self.maps, "spread maps": self.spread, "CAM identity": self.identity}
        if self.objectness:
            parts["objectness"] = self.objectness
        return ", ".join(f"{name} {value:.2g}" for name, value in parts.items())


def describe_network(
    network: Network, /, *, name: str, classes: Sequence[str], input_size: int, **facts: Any
) -> ModelCard:
    """The card of a network, its sizes measured by one forward pass.

    Args:
        network: on the CPU or not; it is left as it was.
        name: what the model is called in settings and file names.
        classes: the C names, in logit order.
        input_size: S, the side in pixels of the frames it takes.
        facts: any further fields of `ModelCard`, such as `class_ids`, `threshold`, `dataset` or `licence`.

    Raises:
        ExportError: the number of names is not C, grids are not square, or `forward` is not GAP and `head`.
    """
    network = _still(network)
    count = network.head.out_features
    if len(classes) != count:
        raise ExportError(f"{name} has {count} logits but {len(classes)} class names were given: give one for each.")
    frames = torch.from_numpy(_example_frames(input_size))
    graph = CamGraph(network)
    with torch.no_grad():
        features = network.forward_features(graph.normalise(frames))
    for grid, which in ((features.last, "last features"), (features.stride16, "stride-16 features")):
        if grid.ndim != 4 or grid.shape[2] != grid.shape[3]:
            raise ExportError(
                f"The {which} of {name} have shape {tuple(grid.shape)}; a square grid (B, K, h, h) is needed. "
                "Name the layer whose output is a feature map of the whole frame."
            )
    _check_head(network, graph, frames, features.last, name)
    card = ModelCard(
        name=name,
        classes=tuple(classes),
        class_ids=tuple(classes),
        input_size=input_size,
        map_size=features.last.shape[3],
        spread_size=features.stride16.shape[3],
        features=features.last.shape[1],
        mapped=min(MAPPED, count),
        methods=METHODS,
        versions={package: version(package) for package in VERSIONS_OF if _installed(package)},
        revision=git_revision(),
    )
    return replace(card, **facts)


def export_network(
    network: Network, card: ModelCard, path: Path | str, objectness: ObjectnessHead | None = None
) -> Agreement:
    """Write `network` with its map head and `card` to `path`, verified against PyTorch before it gets that name.

    Args:
        network: any `seekcam.training.networks.network.Network`; a copy is exported, on the CPU, in `eval()` mode.
        card: from `describe_network`.
        path: ends in .onnx; its folder is made when it is missing.
        objectness: a head fitted to this network; the file then has the plane and its rule, and the card says so.

    Returns:
        How closely the file agrees with PyTorch.

    Raises:
        ExportError: the file disagrees with the network; nothing is left at `path` that was not there before.
        HeadError: the head was fitted to another network's features.
        OSError: the folder cannot be written.
    """
    path = Path(path)
    if objectness is not None:
        card = replace(card, objectness=objectness_facts(objectness))
    graph = CamGraph(_still(network), objectness).eval()
    _check_objectness(graph, card)
    any_size = torch.export.Dim.AUTO
    path.parent.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        graph,
        (
            torch.from_numpy(_example_frames(card.input_size)),
            torch.full((VERIFY_BATCH, card.mapped), -1),
            torch.zeros(VERIFY_BATCH, dtype=torch.int64),
        ),
        dynamo=True,
        opset_version=OPSET,
        input_names=INPUTS,
        output_names=graph.outputs,
        # Named once: the tracer finds that the three batches are one, and warns of a name given twice.
        dynamic_shapes={"frames": {0: BATCH}, "classes": {0: any_size}, "method": {0: any_size}},
        external_data=False,
        verbose=False,
    )
    assert program is not None  # the dynamo exporter always returns one
    program.model.metadata_props[METADATA_KEY] = card.to_json()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        program.save(str(temporary), external_data=False)
        agreement = verify(temporary, graph, card)
        temporary.chmod(0o644)  # mkstemp makes it private to this user
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return agreement


def verify(path: Path, graph: CamGraph, card: ModelCard) -> Agreement:
    """Compare the file at `path` with PyTorch on made-up frames, for every map method.

    Raises:
        ExportError: they differ by more than is allowed, or the CAM identity fails; the message has the numbers.
    """
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    frames = _example_frames(card.input_size)
    # One frame with every method, so that one run sees them all, and frames of its own for the batch.
    frames = np.concatenate([frames, np.repeat(frames[:1], len(METHODS), axis=0)])
    classes = np.full((len(frames), card.mapped), -1, dtype=np.int64)
    classes[0, -1] = 0
    method = np.concatenate([np.zeros(VERIFY_BATCH, dtype=np.int64), np.arange(len(METHODS))])
    values = session.run(list(graph.outputs), {"frames": frames, "classes": classes, "method": method})
    found = dict(zip(graph.outputs, cast("list[NDArray[Any]]", values), strict=True))
    with torch.no_grad():
        logits = graph.network.forward(graph.normalise(torch.from_numpy(frames))).float().numpy()
        wanted = graph(torch.from_numpy(frames), torch.from_numpy(found["chosen"]), torch.from_numpy(method))
    mean_plus_bias = found["maps"].mean((2, 3)) + cast(Tensor, graph.bias).numpy()[found["chosen"]]
    plain = method == METHODS.index("cam")
    own = np.take_along_axis(found["logits"], found["chosen"], axis=1)
    scale = float(np.abs(logits).max())
    agreement = Agreement(
        logits=_difference(found["logits"], logits),
        maps=_difference(found["maps"], wanted.maps.numpy()),
        spread=max(
            _difference(found[name], getattr(wanted, name).numpy()) for name in graph.outputs if name in _SPREAD
        ),
        objectness=0.0 if graph.objectness is None else _difference(found["objectness"], wanted.objectness.numpy()),
        identity=float(np.abs(mean_plus_bias - own)[plain].max()) / max(scale, 1e-6),
    )
    if not agreement.holds:
        raise ExportError(
            f"The exported file of {card.name} does not agree with the network (largest relative differences: "
            f"{agreement}; at most {TOLERANCE:g}, and {SPREAD_TOLERANCE:g} for the spread maps, is allowed), so "
            "nothing was written."
        )
    return agreement


def objectness_facts(head: ObjectnessHead) -> dict[str, Any]:
    """What the card says of a head: the rule it is used by, and how it came about."""
    rule = {
        "cut": CUT,
        "affinity_power": GUIDED_POWER,
        "walks": GUIDED_REPEATS,
        "hidden": head.first.out_features,
    }
    return {**rule, **head.facts, **rule}  # what the graph does, whatever a head's file says


def set_card(model: onnx.ModelProto, card: ModelCard) -> None:
    """Make `card` all that the graph's metadata holds."""
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=card.to_json())


def git_revision() -> str:
    """The revision of this checkout, with "-dirty" where it has changes; empty where there is none."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / "pyproject.toml").is_file():
        return ""  # installed: what git knows there is somebody else's
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match", "no-tag-wanted"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _check_head(network: Network, graph: CamGraph, frames: Tensor, last: Tensor, name: str) -> None:
    """Refuse a network whose logits are not its head over the plain mean of its last features."""
    if last.shape[1] != network.head.in_features:
        raise ExportError(
            f"The last features of {name} have {last.shape[1]} channels and its head takes {network.head.in_features}: "
            "name the layer whose output is averaged into the head."
        )
    with torch.no_grad():
        logits = network.forward(graph.normalise(frames))
        pooled = network.head(last.mean((2, 3)))
    off = _difference(pooled.float().numpy(), logits.float().numpy())
    if not off <= TOLERANCE:
        raise ExportError(
            f"The logits of {name} are not its linear head over the mean of its last features (they differ by "
            f"{off:.2g} of the largest logit, at most {TOLERANCE:g} is allowed): name the very layer that global "
            "average pooling averages, after its last activation; with another pooling, or layers between, class maps "
            "do not add up to the logits."
        )


def _check_objectness(graph: CamGraph, card: ModelCard) -> None:
    if graph.objectness is None:
        return
    with torch.no_grad():
        frames = torch.from_numpy(_example_frames(card.input_size))
        channels = graph.network.forward_features(graph.normalise(frames)).stride16.shape[1]
    if channels != graph.objectness.channels:
        raise HeadError(
            f"The objectness head reads {graph.objectness.channels} channels and the stride-16 features of {card.name} "
            f"have {channels}: it is another network's; fit one for this network."
        )
    if graph.objectness.facts.get(FEATURES) not in (None, fingerprint(graph.network)):
        raise HeadError(
            f"The objectness head was fitted to the features of other weights than those of {card.name}: it is another "
            "network's, or this one was trained on since; fit one for it with `seekcam train-objectness`."
        )


def _still(network: Network) -> Network:
    """A copy on the CPU, in float32 and in `eval()` mode, that nothing done here can reach the original through."""
    still = copy.deepcopy(cast(torch.nn.Module, network)).cpu().float().eval()
    return cast(Network, still.requires_grad_(False))


def _example_frames(side: int) -> NDArray[np.uint8]:
    """(VERIFY_BATCH, S, S, 3) frames with broad and fine structure, the same on every call."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (VERIFY_BATCH, 4, 4, 3))
    cell = -(-side // 4)
    broad = coarse.repeat(cell, axis=1).repeat(cell, axis=2)[:, :side, :side]
    return np.clip(broad + random.normal(0, 20, broad.shape), 0, 255).astype(np.uint8)


def _difference(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    return float(np.abs(found - wanted).max() / max(float(np.abs(wanted).max()), 1e-6))


def _installed(package: str) -> bool:
    try:
        version(package)
    except ModuleNotFoundError:  # importlib.metadata's PackageNotFoundError is one
        return False
    return True
