"""A model file's convolutions in 8 bits, by explicit quantise and dequantise (QDQ) nodes; the map head stays float32.

Activations take 8 bits without a sign, one scale and zero point a tensor; weights take 7 bits and one scale for each
output channel. The eighth bit would overflow the 16-bit sums of x86 processors without VNNI: on EfficientNet-Lite0 it
costs more than it brings. A Clip or ReLU behind a convolution goes into the range of the quantised output. Quantised on
its own, what stands before a ReLU6 spends most of its steps on values that are cut off: the maps of EfficientNet-Lite0
then correlate to .95 with fp32 instead of .99.

Where all convolutions together cost too much, each is measured on its own, and those that do the most harm stay in
float32, as few as bring the maps and boxes back.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018. Made
for ONNX Runtime: TensorRT takes 8 bits with a sign and without zero points only, and is best given fp16.
"""

import errno
import os
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from seekcam.export.compare_outputs import BATCH, look_all
from seekcam.export.gate import GateReport, compare
from seekcam.localization.card import ModelCard
from seekcam.localization.model import LocalizationModel

MARGIN = 0.25  # of what the gate leaves open: it is tried on other pictures than these, which are a little harder
SENSITIVITY_FRAMES = 16  # each convolution is tried on its own, so few have to do
AT_MOST_FLOAT = 0.5  # of all convolutions; with more in float32 the file is hardly a quantised one

FILES_BETWEEN = 4  # of the source's size at most, in the work folder: prepared, with shapes, quantised, finished

_FOLDED = ("Clip", "Relu")
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")  # spares a warning: the exporter has folded what there is


@dataclass(frozen=True, eq=False)
class QuantisedGraph:
    """A graph in 8 bits."""

    model: ModelProto
    in_float: tuple[str, ...]  # convolutions left in float32, the most sensitive first
    convolutions: int  # all there are
    report: GateReport  # on the calibration pictures


def to_int8(
    source: Path, frames: NDArray[np.uint8], work: Path, progress: Callable[[str], None] = lambda _: None
) -> QuantisedGraph:
    """Quantise a file of Contract 1.

    Args:
        source: an fp32 file.
        frames: calibration pictures, [N, S, S, 3] RGB.
        work: a folder for files in between.
        progress: called with a few words as each step begins.

    Raises:
        OSError: `work` has no room for files some times the source's size.
    """
    quantiser = _Quantiser(source, frames, work)
    names = quantiser.convolutions
    progress(f"quantising {len(names)} convolutions on {len(frames)} pictures")
    model, report = quantiser.tried(())
    found = QuantisedGraph(model, (), len(names), report)
    if found.report.passes(MARGIN):
        return found
    harm = []
    for place, name in enumerate(names, 1):
        progress(f"not near enough yet: trying convolution {place} of {len(names)} on its own")
        alone = quantiser.tried([other for other in names if other != name], SENSITIVITY_FRAMES)[1]
        harm.append(sum(1 - figure.mean for figure in alone.correlation.values()))
    worst_first = [names[place] for place in np.argsort(harm, kind="stable")[::-1]]
    count = 1
    while count <= AT_MOST_FLOAT * len(names) and not found.report.passes(MARGIN):
        progress(f"leaving the {count} most sensitive of {len(names)} convolutions in float32")
        in_float = tuple(worst_first[:count])
        model, report = quantiser.tried(in_float)
        found = QuantisedGraph(model, in_float, len(names), report)
        count *= 2
    return found


class _Quantiser:
    """One file and its calibration pictures; the ranges are measured once."""

    def __init__(self, source: Path, frames: NDArray[np.uint8], work: Path) -> None:
        self.frames = frames
        _check_room(work, FILES_BETWEEN * source.stat().st_size)
        self.prepared, self.target, self.ranges = (work / name for name in ("named.onnx", "int8.onnx", "ranges.json"))
        model = onnx.load(source)
        for place, node in enumerate(model.graph.node):
            node.name = node.name or f"node_{place}"  # nodes are told apart by their names
        model.metadata_props.add(key=_PREPARED[0], value=_PREPARED[1])
        onnx.save(model, self.prepared)
        self.nodes: Sequence[NodeProto] = model.graph.node
        self.convolutions = [node.name for node in self.nodes if node.op_type == "Conv"]
        reference = LocalizationModel(source, "cpu")
        self.card: ModelCard = reference.card
        self.looks = look_all(reference, frames)

    def tried(self, in_float: Collection[str], frames: int | None = None) -> tuple[ModelProto, GateReport]:
        """The file with all but `in_float` quantised, compared with the source on the first so many frames."""
        outputs = {name for node in self.nodes if node.name in in_float for name in node.output}
        folded = [node.name for node in self.nodes if node.op_type in _FOLDED and outputs.intersection(node.input)]
        quantize_static(
            self.prepared,
            self.target,
            _Frames(self.frames, self.card.mapped),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *_FOLDED],
            nodes_to_exclude=[*in_float, *folded],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            calibration_cache_path=self.ranges,
        )
        wanted = self.looks[:frames]
        looks = look_all(LocalizationModel(self.target, "cpu"), self.frames[:frames], [look.top for look in wanted])
        return onnx.load(self.target), compare(wanted, looks)


def _check_room(folder: Path, needed: int) -> None:
    """Told before the work: what the quantiser cannot write it leaves cut short, and then stumbles over."""
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {needed / 1e6:.0f} MB are needed for a while")


class _Frames(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    """The calibration pictures as the graph's inputs, some at a time."""

    def __init__(self, frames: NDArray[np.uint8], mapped: int) -> None:
        self._batches = (frames[start : start + BATCH] for start in range(0, len(frames), BATCH))
        self._mapped = mapped

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """The next inputs; None when there are no more."""
        batch = next(self._batches, None)
        if batch is None:
            return None
        ranks = np.full((len(batch), self._mapped), -1, np.int64)
        return {"frames": batch, "classes": ranks, "method": np.zeros(len(batch), np.int64)}
