"""A model file in another precision, made from its fp32 file and admitted only when it says the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from seekcam.export.compare_outputs import look_all
from seekcam.export.fp16 import to_fp16
from seekcam.export.gate import BOX_IOU, MAP_CORRELATION, GateReport, compare
from seekcam.export.int8 import to_int8
from seekcam.export.onnx import ExportError, set_card
from seekcam.localization.model import LocalizationModel, read_card

Precision = Literal["fp32", "fp16", "int8"]

Progress = Callable[[str], None]


class PrecisionRefusedError(ExportError):
    """A converted file whose maps or boxes are too far from those of fp32."""

    code = "precision-refused"
    exit_code = 3


@dataclass(frozen=True)
class Conversion:
    """A converted file that passed."""

    report: GateReport
    note: str  # what was left in float32; empty for nothing


def convert(
    source: Path,
    target: Path,
    precision: Precision,
    name: str,
    samples: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    progress: Progress = lambda _: None,
) -> Conversion:
    """Convert the fp32 file `source` and write it to `target` with its card.

    Args:
        target: in a folder where files in between may be left.
        precision: "fp16" or "int8".
        name: the new file's model name.
        samples: fitted frames to measure ranges on, and others to compare on.

    Raises:
        PrecisionRefusedError: the gate was not passed; the message has the numbers.
        ExportError: weights are too large for fp16.
    """
    card = read_card(source)
    ranges, others = samples
    note = ""
    if precision == "int8":
        quantised = to_int8(source, ranges, target.parent, progress)
        model = quantised.model
        if quantised.in_float:
            note = f"{len(quantised.in_float)} of {quantised.convolutions} convolutions stay in float32"
    else:
        progress("casting the trunk to fp16")
        model = to_fp16(onnx.load(source))
    card = replace(card, name=name, precision=precision)
    set_card(model, card)
    onnx.save(model, target)
    progress(f"comparing {precision} with fp32 on {len(others)} pictures")
    reference = look_all(LocalizationModel(source, "cpu"), others)
    found = look_all(LocalizationModel(target, "cpu"), others, [look.top for look in reference])
    report = compare(reference, found)
    if not report.passes():
        raise PrecisionRefusedError(
            f"{card.name} was not written: in {precision} its maps or boxes are too far from fp32 ({report}; the means "
            f"must reach {MAP_CORRELATION:g} and {BOX_IOU:g}); keep fp32 or try another precision."
        )
    against = {"against_fp32": {**report.numbers(), **({"note": note} if note else {})}}
    set_card(model, replace(card, metrics={**card.metrics, **against}))
    onnx.save(model, target)
    return Conversion(report, note)
