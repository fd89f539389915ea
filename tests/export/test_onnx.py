"""The written file: what it holds, that ONNX Runtime and PyTorch agree on it, that nothing half-made stays behind."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from seekcam.export.graph import INPUTS, OUTPUTS, CamGraph
from seekcam.export.onnx import ExportError, describe_network, export_network, git_revision, verify
from seekcam.localization.card import METHODS, ModelCard
from seekcam.localization.model import read_card
from tests.helpers.networks import SIDE, TinyNetwork, random_frames

# What TensorRT builds no engine from, or only with shapes known from data.
UNWANTED = {"NonZero", "If", "Loop", "Scan", "GatherND", "ScatterND", "Einsum", "Shape", "Resize", "Unique"}


def card_of(network: TinyNetwork, **facts: Any) -> ModelCard:
    """A card with a name for each class."""
    names = [f"class {i}" for i in range(network.head.out_features)]
    return describe_network(network, name="tiny", classes=names, input_size=SIDE, **facts)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyNetwork, Path]:
    """A tiny network and its file, with Finer-CAM's neighbours among few classes."""
    network, path = TinyNetwork(classes=3).train(), tmp_path_factory.mktemp("models") / "new" / "tiny.onnx"
    agreement = export_network(network, card_of(network, licence="MIT", class_ids=("a", "b", "c")), path)
    assert agreement.worst < 1e-4
    assert network.training, "a copy is exported; the network stays as it was"
    assert all(parameter.requires_grad for parameter in network.parameters())
    return network, path


def run_file(path: Path, frames: Tensor, classes: Tensor, method: Tensor) -> dict[str, NDArray[Any]]:
    """All outputs of a file on the CPU."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {"frames": frames.numpy(), "classes": classes.numpy(), "method": method.numpy()}
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), feed), strict=True))


@pytest.mark.parametrize("batch", [1, 6])
def test_the_file_says_what_the_network_says(exported: tuple[TinyNetwork, Path], batch: int) -> None:
    network, path = exported
    frames, method = random_frames(batch, seed=9), torch.arange(batch) % len(METHODS)
    classes = torch.tensor([[-1, 2, -1]]).repeat(batch, 1)
    found = run_file(path, frames, classes, method)
    with torch.no_grad():
        wanted = CamGraph(network.eval())(frames, classes, method)
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], getattr(wanted, name).numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
    plain = found["maps"][method.numpy() == 0].mean((2, 3))
    bias = network.head.bias.detach().numpy()[found["chosen"]][method.numpy() == 0]
    own = np.take_along_axis(found["logits"], found["chosen"], 1)[method.numpy() == 0]
    np.testing.assert_allclose(plain + bias, own, rtol=1e-4, atol=1e-5)


def test_only_the_batch_is_dynamic_and_every_operator_is_one_tensorrt_builds(
    exported: tuple[TinyNetwork, Path],
) -> None:
    model = onnx.load(exported[1])
    onnx.checker.check_model(model)
    assert [value.name for value in model.graph.input] == list(INPUTS)
    assert [value.name for value in model.graph.output] == list(OUTPUTS)
    for value in [*model.graph.input, *model.graph.output]:
        first, *others = value.type.tensor_type.shape.dim
        assert first.dim_param == "batch"
        assert all(d.dim_value > 0 for d in others)
    assert not UNWANTED & {node.op_type for node in model.graph.node}
    assert {"TopK", "Gather", "MatMul", "CumSum"} <= {node.op_type for node in model.graph.node}
    assert next(o.version for o in model.opset_import if not o.domain) >= 20
    assert all(not initializer.external_data for initializer in model.graph.initializer)


def test_the_card_is_in_the_file_with_the_sizes_as_they_are(exported: tuple[TinyNetwork, Path]) -> None:
    network, path = exported
    card = read_card(path)
    features = network.forward_features(torch.zeros(1, 3, SIDE, SIDE))
    assert card.features == features.last.shape[1]
    assert (card.map_size, card.spread_size) == (features.last.shape[2], features.stride16.shape[2]) == (4, 8)
    assert card.classes == ("class 0", "class 1", "class 2")
    assert (card.class_ids, card.licence, card.mapped, card.methods) == (("a", "b", "c"), "MIT", 3, METHODS)
    assert card.versions["torch"] == torch.__version__.split("+")[0]
    assert card.revision == git_revision()


def test_a_single_class_without_bias_is_exported(tmp_path: Path) -> None:
    network, path = TinyNetwork(classes=1, bias=False), tmp_path / "one.onnx"
    export_network(network, card_of(network), path)
    found = run_file(path, random_frames(2), torch.full((2, 1), -1), torch.tensor([0, 5]))
    assert found["maps"].shape == (2, 1, 4, 4)
    np.testing.assert_allclose(found["maps"].mean((2, 3)), found["logits"], rtol=1e-4, atol=1e-5)


def test_a_file_that_disagrees_is_refused_with_numbers(exported: tuple[TinyNetwork, Path]) -> None:
    network, path = exported
    other = copy.deepcopy(network).requires_grad_(False).eval()
    other.head.bias.add_(0.1)
    with pytest.raises(
        ExportError,
        match=r"logits [\d.]+, maps .*CAM identity [\d.]+; at most 0\.002, and 0\.02 for the spread maps, is allowed",
    ):
        verify(path, CamGraph(other), read_card(path))
    other.head.bias[0] = float("nan")
    with pytest.raises(ExportError, match="logits nan"):
        verify(path, CamGraph(other), read_card(path))


def test_an_interrupted_export_leaves_the_previous_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, path = TinyNetwork(classes=2), tmp_path / "tiny.onnx"
    path.write_bytes(b"the previous file")
    written: list[Path] = []

    class Interrupted:
        """An exported program that is interrupted half-way through being saved."""

        model = SimpleNamespace(metadata_props={})

        def save(self, destination: str, **_: object) -> None:
            Path(destination).write_bytes(b"half a fi")
            written.extend(tmp_path.glob(".tiny-*.part"))
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        export_network(network, card_of(network), path)
    assert len(written) == 1
    assert path.read_bytes() == b"the previous file"
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.onnx"]


def test_names_must_be_as_many_as_logits() -> None:
    with pytest.raises(ExportError, match="7 logits but 2 class names"):
        describe_network(TinyNetwork(), name="tiny", classes=["a", "b"], input_size=SIDE)


def test_grids_must_be_square() -> None:
    class Wide(TinyNetwork):
        def forward_features(self, images: Tensor) -> Any:
            features = super().forward_features(images)
            return features._replace(stride16=features.stride16[:, :, 1:])

    with pytest.raises(ExportError, match="stride-16 features of tiny have shape"):
        card_of(Wide())


def test_the_logits_must_be_the_head_over_the_mean() -> None:
    class MaxPooled(TinyNetwork):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.forward_features(images).last.amax((2, 3)))
            return logits

    with pytest.raises(ExportError, match=r"differ by 0\.\d+ of the largest logit"):
        card_of(MaxPooled())
