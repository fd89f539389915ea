"""Half precision: the trunk only, the same answers, and sums that stay exact in the map head."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from seekcam.export.fp16 import to_fp16, trunk_nodes
from seekcam.export.onnx import ExportError
from seekcam.localization.model import OUTPUTS
from tests.helpers.exported import frames, open_file
from tests.helpers.networks import TinyNetwork

NETWORK = TinyNetwork(classes=5, seed=3)  # what `small_model_path` was made from


@pytest.fixture(scope="module")
def half(small_model_path: Path) -> ModelProto:
    return to_fp16(onnx.load(small_model_path))


def test_the_trunk_and_nothing_else_is_fp16(small_model_path: Path, half: ModelProto) -> None:
    kinds = {weight.name: weight.data_type for weight in half.graph.initializer}
    convolutions = [node for node in half.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 3
    assert all(kinds[name] == TensorProto.FLOAT16 for node in convolutions for name in node.input[1:])
    weights = numpy_helper.to_array(next(w for w in half.graph.initializer if w.name == "weight"))
    np.testing.assert_array_equal(weights, NETWORK.head.weight.detach().numpy())
    assert [v.type for v in half.graph.output] == [v.type for v in onnx.load(small_model_path).graph.output]
    # In once; out where the map head reads the last and the finer features.
    casts = [node for node in half.graph.node if node.op_type == "Cast" and node.name.startswith("cast_")]
    assert sorted(node.attribute[0].i for node in casts) == [TensorProto.FLOAT] * 2 + [TensorProto.FLOAT16]


def test_the_source_is_left_as_it_was(small_model_path: Path) -> None:
    model = onnx.load(small_model_path)
    before = model.SerializeToString()
    to_fp16(model)
    assert model.SerializeToString() == before


def test_it_says_nearly_what_fp32_says_and_the_cam_identity_holds(
    small_model_path: Path, half: ModelProto, tmp_path: Path
) -> None:
    onnx.save(half, tmp_path / "half.onnx")
    pictures, any_rank = frames(4), np.full((4, 5), -1, np.int64)
    method = np.zeros(4, np.int64)
    wanted, found = (
        open_file(path).run(pictures, any_rank, method) for path in (small_model_path, tmp_path / "half.onnx")
    )
    for name in set(OUTPUTS) - {"chosen", "threshold"}:
        scale = float(np.abs(wanted[name]).max())
        np.testing.assert_allclose(found[name] / scale, wanted[name] / scale, atol=5e-3, err_msg=name)
    bias = NETWORK.head.bias.detach().numpy()
    own = np.take_along_axis(found["logits"], found["chosen"].astype(np.int64), axis=1).astype(np.float32)
    np.testing.assert_allclose(found["maps"].mean((2, 3)) + bias[found["chosen"]], own, rtol=1e-4, atol=1e-4)


def test_weights_that_fp16_cannot_hold_are_refused(small_model_path: Path) -> None:
    model = onnx.load(small_model_path)
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    weight = next(w for w in model.graph.initializer if w.name == convolution.input[1])
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1e8, weight.name))
    with pytest.raises(ExportError, match=rf"{weight.name} reaches .* more than fp16 holds"):
        to_fp16(model)


def test_the_trunk_runs_from_the_first_convolution_to_the_features() -> None:
    def node(kind: str, inputs: list[str], output: str) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output])

    nodes = [
        node("Cast", ["frames"], "float"),
        node("Div", ["float", "std"], "images"),
        node("Pad", ["images"], "padded"),  # before any convolution
        node("Conv", ["padded", "w1"], "a"),
        node("Relu", ["a"], "b"),
        node("Conv", ["b", "w2"], "c"),  # leads nowhere near the features
        node("Add", ["b", "images"], "features"),
        node("MatMul", ["weight", "features"], "maps"),
        node("Mul", ["c", "c"], "spread"),
    ]
    assert trunk_nodes(nodes) == [3, 4, 6]


def test_inputs_that_have_no_fp16_form_stay() -> None:
    size = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    kernel = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "kernel")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "kernel"], ["a"]),
            helper.make_node("Resize", ["a", "", "scales"], ["features"], mode="nearest"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 1, 4, 4])],
        [size, kernel],
    )
    half = to_fp16(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
    resize = next(node for node in half.graph.node if node.op_type == "Resize")
    assert resize.input[2] == "scales"
    assert half.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
