"""A precision is admitted with its numbers in the card, or refused with them in the message."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

from seekcam.export import precision as precision_module
from seekcam.export.int8 import to_int8
from seekcam.export.precision import Precision, PrecisionRefusedError, convert
from seekcam.localization.model import read_card
from tests.helpers.exported import frames, open_file

SAMPLES = (frames(16), frames(12, seed=1))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_file_that_passes_keeps_its_card_and_says_how_near_it_is(
    precision: Precision, small_model_path: Path, tmp_path: Path
) -> None:
    steps: list[str] = []
    done = convert(small_model_path, tmp_path / "new.onnx", precision, "new", SAMPLES, steps.append)
    before, card = read_card(small_model_path), read_card(tmp_path / "new.onnx")
    assert (card.name, card.precision) == ("new", precision)
    assert (card.classes, card.threshold, card.recipe) == (before.classes, before.threshold, before.recipe)
    assert card.metrics == {**before.metrics, "against_fp32": done.report.numbers()}
    assert done.report.pictures == 12
    assert steps[-1] == f"comparing {precision} with fp32 on 12 pictures"
    assert [p.key for p in onnx.load(tmp_path / "new.onnx").metadata_props] == ["seekcam"]
    wanted, found = (
        open_file(path).run(SAMPLES[1], np.full((12, 5), -1), np.zeros(12, np.int64), ["logits"])["logits"]
        for path in (small_model_path, tmp_path / "new.onnx")
    )
    assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def test_what_stays_in_float_is_noted(small_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(to_int8(small_model_path, SAMPLES[0], tmp_path), in_float=("second",))
    monkeypatch.setattr(precision_module, "to_int8", lambda *_: found)
    done = convert(small_model_path, tmp_path / "new.onnx", "int8", "new", SAMPLES)
    assert done.note == "1 of 3 convolutions stay in float32"
    assert read_card(tmp_path / "new.onnx").metrics["against_fp32"]["note"] == done.note


def test_a_file_that_strays_is_refused_with_its_numbers(
    small_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(model: ModelProto) -> ModelProto:
        convolution = next(node for node in model.graph.node if node.op_type == "Conv")
        weight = next(w for w in model.graph.initializer if w.name == convolution.input[1])
        weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
        return model

    monkeypatch.setattr(precision_module, "to_fp16", spoilt)
    with pytest.raises(PrecisionRefusedError) as caught:
        convert(small_model_path, tmp_path / "new.onnx", "fp16", "new", SAMPLES)
    assert caught.value.exit_code != 0
    assert "new was not written: in fp16 its maps or boxes are too far from fp32 (map correlation " in str(caught.value)
    assert "the means must reach 0.98 and 0.9" in str(caught.value)
