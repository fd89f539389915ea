"""Eight bits: which nodes are quantised, how near the maps stay, and which convolutions are left in float32."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import nn

from seekcam.export import int8
from seekcam.export.int8 import QuantisedGraph, to_int8
from seekcam.export.onnx import describe_network, export_network
from tests.helpers.exported import frames
from tests.helpers.networks import SIDE, TinyNetwork


@pytest.fixture(scope="module")
def quantised(small_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> QuantisedGraph:
    return to_int8(small_model_path, frames(24), tmp_path_factory.mktemp("int8"))


def makers(model: ModelProto, node: NodeProto) -> list[str]:
    """The kinds of the nodes that make a node's inputs."""
    made = {output: maker.op_type for maker in model.graph.node for output in maker.output}
    return [made.get(name, "") for name in node.input]


def test_every_convolution_reads_and_writes_eight_bits(quantised: QuantisedGraph) -> None:
    graph = quantised.model.graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == quantised.convolutions == 3
    for node in convolutions:
        assert makers(quantised.model, node) == ["DequantizeLinear"] * 3
        readers = {reader.op_type for reader in graph.node if node.output[0] in reader.input}
        # No ReLU between: it is in the range of the quantised output.
        assert readers == {"QuantizeLinear"}
    for node in graph.node:
        if node.op_type == "MatMul":
            assert "DequantizeLinear" not in makers(quantised.model, node)


def test_weights_have_seven_bits_and_a_scale_for_each_channel(quantised: QuantisedGraph) -> None:
    weights = {w.name: numpy_helper.to_array(w) for w in quantised.model.graph.initializer}
    made = {node.output[0]: node for node in quantised.model.graph.node if node.op_type == "DequantizeLinear"}
    for node in quantised.model.graph.node:
        if node.op_type == "Conv":
            dequantise = made[node.input[1]]
            values, scales = (weights[name] for name in dequantise.input[:2])
            assert values.dtype == np.int8
            assert np.abs(values.astype(int)).max() <= 64
            assert scales.shape == values.shape[:1]


def test_nothing_stays_in_float_where_nothing_must(quantised: QuantisedGraph) -> None:
    assert quantised.in_float == ()
    assert quantised.report.passes(int8.MARGIN)
    assert quantised.report.pictures == 24


def test_too_little_room_is_told_before_the_work(
    small_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage(tmp_path)._replace(free=3 * small_model_path.stat().st_size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with pytest.raises(OSError, match=r"No space left on device: \d+ MB are needed"):
        to_int8(small_model_path, frames(1), tmp_path)
    assert not list(tmp_path.iterdir())


class Uneven(TinyNetwork):
    """The tiny network, with one channel a thousand times the others between two convolutions more."""

    def __init__(self) -> None:
        super().__init__(classes=3)
        first, rectified, second = self.fine
        grow, shrink = (nn.Conv2d(16, 16, 1, bias=False) for _ in range(2))
        for layer in (grow, shrink):
            nn.init.dirac_(layer.weight)
        with torch.no_grad():
            grow.weight[5] *= 1000
            shrink.weight[:, 5] /= 1000
        self.fine = nn.Sequential(first, rectified, grow, shrink, second)


def test_the_convolutions_that_do_the_harm_stay_in_float(tmp_path: Path) -> None:
    network, source = Uneven(), tmp_path / "uneven.onnx"
    card = describe_network(network, name="uneven", classes="abc", input_size=SIDE)
    export_network(network, card, source)
    steps: list[str] = []
    found = to_int8(source, frames(16), tmp_path, steps.append)
    # What is large lies between the second and the third convolution, and both would have to round it.
    second, third = [node.name for node in onnx.load(source).graph.node if node.op_type == "Conv"][1:3]
    assert set(found.in_float) == {second, third}
    assert found.report.passes(int8.MARGIN)
    for node in found.model.graph.node:
        if node.op_type == "Conv":
            assert makers(found.model, node)[1:2] == ([""] if node.name in found.in_float else ["DequantizeLinear"])
    assert [step for step in steps if "trying convolution" in step] == [
        f"not near enough yet: trying convolution {place} of 5 on its own" for place in range(1, 6)
    ]
