"""The objectness rule in the graph: against NumPy, against the graph without a head, and its properties."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray

from seekcam.export.gate import GateReport
from seekcam.export.graph import OBJECTNESS_OUTPUTS, OUTPUTS, CamGraph, CamOutputs, ObjectnessOutputs
from seekcam.export.onnx import describe_network, export_network
from seekcam.export.precision import Precision, convert
from seekcam.localization.boxes import find_boxes
from seekcam.localization.card import METHODS
from seekcam.localization.model import LocalizationModel, read_card
from seekcam.localization.pipeline import localize
from seekcam.localization.settings import AnalysisSettings
from seekcam.training.objectness.head import FEATURES, HeadError, ObjectnessHead, fingerprint
from tests.helpers.networks import SIDE, TinyNetwork, random_frames

Floats = NDArray[np.float64]


def random_head(channels: int = 16, seed: int = 0) -> ObjectnessHead:
    """A head with random weights, wide enough to make a plane with structure."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = ObjectnessHead(channels)
        for layer in (head.first, head.second):
            torch.nn.init.normal_(layer.weight, std=3.0 if layer is head.first else 0.6)
    return head


def outputs(
    network: TinyNetwork, head: ObjectnessHead, frames: torch.Tensor, **given: torch.Tensor
) -> ObjectnessOutputs:
    """All that a graph with a head says."""
    found = answer(network, head, frames, **given)
    assert isinstance(found, ObjectnessOutputs)
    return found


def answer(
    network: TinyNetwork, head: ObjectnessHead | None, frames: torch.Tensor, **given: torch.Tensor
) -> CamOutputs | ObjectnessOutputs:
    graph = CamGraph(network.eval(), head).eval()
    classes = given.get("classes", torch.full((len(frames), graph.mapped), -1))
    with torch.no_grad():
        found: CamOutputs | ObjectnessOutputs = graph(
            frames, classes, given.get("method", torch.zeros(len(frames), dtype=torch.int64))
        )
    return found


def by_numpy(guide: Floats, cam: Floats, head: ObjectnessHead) -> tuple[Floats, Floats]:
    """Plane [h16, w16] and map of one frame and class, cell by cell, as METHODS writes the rule."""
    W1, b1 = (t.detach().double().numpy() for t in (head.first.weight, head.first.bias))
    w2, b2 = (t.detach().double().numpy() for t in (head.second.weight[0], head.second.bias[0]))
    channels, rows, columns = guide.shape
    cells = guide.reshape(channels, -1).T
    u = cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-12)
    p = 1 / (1 + np.exp(-(np.maximum(u @ W1.T + b1, 0) @ w2 + b2)))
    A = np.zeros((len(u), len(u)))
    for i in range(len(u)):
        for j in range(len(u)):
            A[i, j] = max(u[i] @ u[j], 0.0) ** 4 * (1 - abs(p[i] - p[j]))
    A /= np.maximum(A.sum(1, keepdims=True), 1e-12)
    start = np.zeros((rows, columns))
    for y in range(rows):
        for x in range(columns):
            start[y, x] = bilinear(cam, (y + 0.5) * cam.shape[0] / rows - 0.5, (x + 0.5) * cam.shape[1] / columns - 0.5)
    flow = unit(start).ravel()
    for _ in range(6):
        flow = A @ flow
    return p.reshape(rows, columns), np.sqrt(unit(flow) * p).reshape(rows, columns)


def bilinear(grid: Floats, y: float, x: float) -> float:
    y, x = (min(max(at, 0.0), side - 1.0) for at, side in zip((y, x), grid.shape, strict=True))
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, grid.shape[0] - 1), min(x0 + 1, grid.shape[1] - 1)
    top = grid[y0, x0] * (1 - (x - x0)) + grid[y0, x1] * (x - x0)
    below = grid[y1, x0] * (1 - (x - x0)) + grid[y1, x1] * (x - x0)
    return float(top * (1 - (y - y0)) + below * (y - y0))


def unit(values: Floats) -> Floats:
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 1e-5 * np.abs(values).max() else np.zeros_like(values)


def test_plane_and_map_are_those_of_numpy() -> None:
    network, head, frames = TinyNetwork(seed=1), random_head(), random_frames(3, seed=1)
    found = outputs(network, head, frames)
    graph = CamGraph(network, head)
    with torch.no_grad():
        guide = network.forward_features(graph.normalise(frames)).stride16.double().numpy()
    for frame in range(3):
        for position in range(5):
            plane, wanted = by_numpy(guide[frame], found.maps[frame, position].double().numpy(), head)
            np.testing.assert_allclose(found.objectness[frame, 0].numpy(), plane, atol=1e-4)
            np.testing.assert_allclose(found.spread[frame, position].numpy(), wanted, atol=1e-4)
    assert found.threshold.eq(0.5).all()


def test_the_plane_is_the_same_whatever_class_and_method_are_mapped() -> None:
    network, head, frames = TinyNetwork(seed=2), random_head(seed=2), random_frames(2, seed=2)
    planes = [
        outputs(network, head, frames, classes=torch.full((2, 5), wanted), method=torch.full((2,), method)).objectness
        for wanted in range(7)
        for method in range(len(METHODS))
    ]
    assert float(planes[0].std()) > 0.01
    assert all(torch.equal(plane, planes[0]) for plane in planes)


def test_what_a_head_does_not_touch_is_bit_for_bit_as_without_one() -> None:
    network, frames = TinyNetwork(seed=3), random_frames(4, seed=3)
    method = torch.tensor([0, 1, 3, 5])
    without = answer(network, None, frames, method=method)
    found = outputs(network, random_head(), frames, method=method)
    assert isinstance(without, CamOutputs)
    assert torch.equal(found.affinity, without.spread)
    assert torch.equal(found.affinity_threshold, without.threshold)
    for name in ("logits", "chosen", "maps", "features"):
        assert torch.equal(getattr(found, name), getattr(without, name))


def test_a_constant_class_map_makes_an_empty_map_and_no_box() -> None:
    network, head = TinyNetwork(), random_head()
    torch.nn.init.zeros_(network.head.weight)
    found = outputs(network, head, random_frames(2))
    assert not found.spread.any()
    assert find_boxes(found.spread[0, 0].numpy(), "largest", 0.5) == ()


@pytest.fixture(scope="module")
def with_head(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same network as a file with a head and as one without."""
    folder = tmp_path_factory.mktemp("heads")
    network = TinyNetwork(classes=5, seed=4).eval()
    paths = []
    for name, head in (("with", random_head(seed=4)), ("without", None)):
        card = describe_network(network, name=name, classes=list("abcde"), input_size=SIDE, min_score=0.0)
        export_network(network, card, folder / f"{name}.onnx", head)
        paths.append(folder / f"{name}.onnx")
    return paths[0], paths[1]


def test_the_file_has_the_plane_and_its_card_says_where_the_head_comes_from(with_head: tuple[Path, Path]) -> None:
    model, without = (LocalizationModel(path, "cpu") for path in with_head)
    assert model.card.maps == ("objectness", "spread", "plain", "foreground")
    assert model.card.objectness["cut"] == model.card.cut == 0.5
    assert model.card.objectness["walks"] == 6
    assert without.card.maps == ("spread", "plain")
    assert without.card.objectness == {}
    for path, names in zip(with_head, (OUTPUTS + OBJECTNESS_OUTPUTS, OUTPUTS), strict=True):
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        assert tuple(output.name for output in session.get_outputs()) == names


def test_the_file_without_a_head_says_what_the_other_says_by_its_old_rule(with_head: tuple[Path, Path]) -> None:
    model, without = (LocalizationModel(path, "cpu", threads=1) for path in with_head)
    for picture in random_frames(4, seed=9).numpy():
        for kind in ("spread", "plain"):
            settings = AnalysisSettings(map=kind)
            one, other = (localize(each, picture, settings) for each in (model, without))
            np.testing.assert_allclose(one.maps[0].grid, other.maps[0].grid, atol=1e-6)
            assert one.maps[0].threshold == pytest.approx(other.maps[0].threshold, abs=1e-6)


def test_the_operators_are_those_that_tensorrt_builds(with_head: tuple[Path, Path]) -> None:
    graphs = [onnx.load(path).graph for path in with_head]
    added = {node.op_type for node in graphs[0].node} - {node.op_type for node in graphs[1].node}
    assert added <= {
        "Sigmoid",
        "Sqrt",
        "Abs",
        "Gemm",
        "MatMul",
        "Add",
        "Relu",
        "Squeeze",
        "Expand",
        "ConstantOfShape",
        "Shape",
    }
    assert not {"NonZero", "If", "Loop", "Scan", "Einsum", "ScatterND"} & {node.op_type for node in graphs[0].node}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_in_other_precisions_the_head_stays_in_float32_and_the_gate_looks_at_its_maps(
    with_head: tuple[Path, Path], tmp_path: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GateReport, "passes", lambda *_: True)  # random maps have boxes that hang on a hair
    samples = (random_frames(16, seed=1).numpy(), random_frames(12, seed=2).numpy())
    done = convert(with_head[0], tmp_path / "small.onnx", precision, "small", samples)
    assert tuple(done.report.correlation) == ("objectness", "spread", "plain", "foreground")
    assert tuple(done.report.box_iou) == ("objectness", "spread", "plain", "foreground")
    assert min(figure.mean for figure in done.report.correlation.values()) > 0.98
    graph = onnx.load(tmp_path / "small.onnx").graph
    kinds = {weight.name: weight.data_type for weight in graph.initializer}
    sides = {weight.name: sorted(weight.dims) for weight in graph.initializer}
    of_head = [name for name, dims in sides.items() if dims == [16, 64]]
    assert of_head
    assert all(kinds[name] == onnx.TensorProto.FLOAT for name in of_head)
    readers = [node for node in graph.node if set(node.input) & set(of_head)]
    assert {node.op_type for node in readers} <= {"MatMul", "Gemm", "Transpose"}
    assert read_card(tmp_path / "small.onnx").objectness == read_card(with_head[0]).objectness


def test_a_head_of_another_network_is_refused_in_words(tmp_path: Path) -> None:
    network = TinyNetwork(classes=5).eval()
    card = describe_network(network, name="x", classes=list("abcde"), input_size=SIDE)
    with pytest.raises(HeadError, match="reads 24 channels and the stride-16 features of x have 16"):
        export_network(network, card, tmp_path / "x.onnx", random_head(channels=24))
    assert list(tmp_path.iterdir()) == []
    ours = random_head()
    ours.facts = {FEATURES: fingerprint(TinyNetwork(classes=5, seed=1))}  # as wide, and of other weights
    with pytest.raises(HeadError, match="fitted to the features of other weights than those of x: it is another"):
        export_network(network, card, tmp_path / "x.onnx", ours)
    assert list(tmp_path.iterdir()) == []


def test_the_fingerprint_is_that_of_the_features_alone() -> None:
    network = TinyNetwork(classes=5)
    other = TinyNetwork(classes=9, seed=1)
    other.fine.load_state_dict(network.fine.state_dict())
    other.coarse.load_state_dict(network.coarse.state_dict())
    assert fingerprint(other) == fingerprint(network)  # another linear head reads the same features
    assert fingerprint(network.to(memory_format=torch.channels_last)) == fingerprint(other)
    with torch.no_grad():
        next(network.fine.parameters())[0, 0, 0, 0] += 1e-3
    assert fingerprint(other) != fingerprint(network)


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (255, 255, 255), (200, 30, 30), (40, 90, 200)])
def test_a_constant_picture_gives_no_box_whatever_class_is_asked_for(
    default_model_path: Path, colour: tuple[int, int, int]
) -> None:
    model = LocalizationModel(default_model_path, "cpu")
    picture = np.full((120, 160, 3), colour, np.uint8)
    for wanted in ((), (281,), (0, 7, 999)):
        prediction = localize(model, picture, AnalysisSettings(classes=wanted, min_score=0.0))
        assert prediction.boxes == ()
