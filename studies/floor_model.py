"""A model that answers without looking: for measuring what everything but the model costs.

It has the shape of a real one (1,000 classes, 7 x 7 and 14 x 14 maps of a 224-pixel input) and says the same of every
frame: a leading class, and a map of one rounded hill for each of the five best, as most maps of photographs are. That
is a lower bound of what the rest costs: a real model's maps change, now and then have several parts, and leave the
caches cold. It maps those five whatever classes are asked for.
"""

from pathlib import Path
from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from seekcam.localization.card import METADATA_KEY, ModelCard

CLASSES = 1000
SIDE = 224  # pixels
MAP, SPREAD = 7, 14  # cells
MAPPED = 5
CHANNELS = 8
OPSET = 20

_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}


def write_floor_model(path: Path) -> Path:
    """Write the model file; returns `path`."""
    answers = _answers()
    nodes = [helper.make_node("Shape", ["method"], ["batch"])]
    constants: list[TensorProto] = []
    for name, answer in answers.items():
        constants += [
            numpy_helper.from_array(answer[np.newaxis], f"one_{name}"),
            numpy_helper.from_array(np.array(answer.shape, np.int64), f"dims_{name}"),
        ]
        nodes += [
            helper.make_node("Concat", ["batch", f"dims_{name}"], [f"shape_{name}"], axis=0),
            helper.make_node("Expand", [f"one_{name}", f"shape_{name}"], [name]),
        ]
    inputs = [
        helper.make_tensor_value_info("frames", TensorProto.UINT8, ["B", SIDE, SIDE, 3]),
        helper.make_tensor_value_info("classes", TensorProto.INT64, ["B", MAPPED]),
        helper.make_tensor_value_info("method", TensorProto.INT64, ["B"]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, _TYPES[answer.dtype], ["B", *answer.shape])
        for name, answer in answers.items()
    ]
    graph = helper.make_graph(nodes, "floor", inputs, outputs, constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=helper.find_min_ir_version_for(opset))
    helper.set_model_props(model, {METADATA_KEY: _card().to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _answers() -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    """What the graph answers for one frame, in the order of Contract 1."""
    logits = np.zeros(CLASSES, np.float32)
    logits[:MAPPED] = np.arange(MAPPED, 0, -1)
    return {
        "logits": logits,
        "chosen": np.arange(MAPPED, dtype=np.int64),
        "maps": _hills(MAP),
        "spread": _hills(SPREAD),
        "threshold": np.full(MAPPED, 0.5, np.float32),
        "features": np.zeros((CHANNELS, MAP, MAP), np.float32),
    }


def _hills(side: int) -> NDArray[np.float32]:
    """(MAPPED, side, side) maps in [0, 1], each with its top a little further to the right."""
    cells = (np.arange(side) + 0.5) / side
    across = np.linspace(0.3, 0.7, MAPPED)[:, np.newaxis, np.newaxis]
    distance = (cells[np.newaxis, np.newaxis, :] - across) ** 2 + (cells[np.newaxis, :, np.newaxis] - 0.5) ** 2
    hills = np.exp(-distance / 0.05)
    low, high = hills.min((1, 2), keepdims=True), hills.max((1, 2), keepdims=True)
    return cast("NDArray[np.float32]", ((hills - low) / (high - low)).astype(np.float32))


def _card() -> ModelCard:
    names = tuple(f"class {index}" for index in range(CLASSES))
    return ModelCard(
        name="floor",
        classes=names,
        class_ids=names,
        input_size=SIDE,
        map_size=MAP,
        spread_size=SPREAD,
        features=CHANNELS,
        mapped=MAPPED,
        min_score=0.0,  # always asserts something, as the dearer case is
    )
