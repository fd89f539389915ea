"""A model file's trunk in half precision: fp16 tensors in the graph, which TensorRT and CUDA run as they stand.

The trunk is everything from the first convolution to the last features. Normalisation before it and the map head behind
it stay in float32: a logit is a sum over a thousand features, and the affinities of a spread map are powers of cosines.
ONNX Runtime has no fp16 convolution for most CPUs and computes them in float32 there, with casts round them; the file
is half as large, and on a CPU no faster.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from seekcam.export.onnx import ExportError

HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")  # the trunk begins at the first of these
FEATURES = "features"  # the graph's output where it ends

_ALWAYS_FLOAT32 = {"Resize": (1, 2)}  # inputs (region and scales) that have no fp16 form


def trunk_nodes(nodes: Iterable[NodeProto]) -> list[int]:
    """The places of the trunk's nodes among `nodes`, which are in the order of computation."""
    nodes = list(nodes)
    wanted, above = {FEATURES}, set[int]()
    for place in reversed(range(len(nodes))):
        if wanted.intersection(nodes[place].output):
            above.add(place)
            wanted.update(nodes[place].input)
    made: set[str] = set()
    trunk = []
    for place, node in enumerate(nodes):
        if place in above and (node.op_type in HEAVY or made.intersection(node.input)):
            trunk.append(place)
            made.update(node.output)
    return trunk


def to_fp16(model: ModelProto) -> ModelProto:
    """A copy of a file of Contract 1 with its trunk in fp16; inputs and outputs stay as they are.

    Raises:
        ExportError: a weight is larger than fp16 can hold.
    """
    half = onnx.shape_inference.infer_shapes(model)
    graph = half.graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    weights = {weight.name: weight for weight in graph.initializer}
    kinds |= {name: weight.data_type for name, weight in weights.items()}
    trunk = set(trunk_nodes(graph.node))
    made = {name for place in trunk for name in graph.node[place].output if kinds.get(name) == TensorProto.FLOAT}
    outside = {name for place, node in enumerate(graph.node) if place not in trunk for name in node.input}
    leaving = made & (outside | {output.name for output in graph.output})
    nodes: list[NodeProto] = []
    entered: set[str] = set()
    for place, node in enumerate(graph.node):
        if place not in trunk:
            nodes.append(node)
            continue
        for index, name in enumerate(node.input):
            if kinds.get(name) != TensorProto.FLOAT or index in _ALWAYS_FLOAT32.get(node.op_type, ()):
                continue
            node.input[index] = _half(name)
            if name in made or name in entered:
                continue
            entered.add(name)
            if name in weights:
                graph.initializer.append(_half_weight(weights[name]))
            else:
                nodes.append(_cast(name, _half(name), TensorProto.FLOAT16))
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
        nodes.append(node)
        for index, name in enumerate(node.output):
            if name in made:
                node.output[index] = _half(name)
            if name in leaving:
                nodes.append(_cast(_half(name), name, TensorProto.FLOAT))
    return _rebuilt(half, nodes)


def _half(name: str) -> str:
    return f"{name}.half"


def _cast(name: str, into: str, kind: int) -> NodeProto:
    return helper.make_node("Cast", [name], [into], name=f"cast_{into}", to=kind)


def _half_weight(weight: TensorProto) -> TensorProto:
    values = numpy_helper.to_array(weight)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= float(np.finfo(np.float16).max):
        raise ExportError(
            f"The weight {weight.name} reaches {largest:.3g}, more than fp16 holds (65504): keep the model in fp32."
        )
    return numpy_helper.from_array(values.astype(np.float16), _half(weight.name))


def _rebuilt(model: ModelProto, nodes: list[NodeProto]) -> ModelProto:
    """With these nodes, without weights that nothing reads, checked with all types inferred anew."""
    graph = model.graph
    used = {name for node in nodes for name in node.input} | {output.name for output in graph.output}
    kept = [weight for weight in graph.initializer if weight.name in used]
    for field, values in ((graph.node, nodes), (graph.initializer, kept)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model
