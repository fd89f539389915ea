"""Loading model files: the card is read, the provider said, and anything else refused with a sentence."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from seekcam.localization.errors import ModelFileError
from seekcam.localization.model import OUTPUTS, LocalizationModel, read_card


@pytest.fixture(scope="module")
def model(default_model_path: Path) -> LocalizationModel:
    return LocalizationModel(default_model_path, "cpu")


def black(model: LocalizationModel, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size = model.card.input_size
    return (
        np.zeros((batch, size, size, 3), np.uint8),
        np.full((batch, model.card.mapped), -1, np.int64),
        np.zeros(batch, np.int64),
    )


@pytest.mark.parametrize("batch", [1, 3])
def test_every_output_has_the_cards_shape(model: LocalizationModel, batch: int) -> None:
    card = model.card
    raw = model.run(*black(model, batch))
    k, side, spread = card.mapped, card.map_size, card.spread_size
    assert {name: raw[name].shape for name in OUTPUTS} == {
        "logits": (batch, len(card.classes)),
        "chosen": (batch, k),
        "maps": (batch, k, side, side),
        "spread": (batch, k, spread, spread),
        "threshold": (batch, k),
        "features": (batch, card.features, side, side),
    }


def test_asking_for_less_gives_the_same(model: LocalizationModel) -> None:
    everything = model.run(*black(model, 2))
    part = model.run(*black(model, 2), outputs=("spread", "logits"))
    assert list(part) == ["spread", "logits"]
    for name in part:
        np.testing.assert_allclose(part[name], everything[name], atol=1e-5)


def test_it_says_what_it_runs_on(model: LocalizationModel) -> None:
    assert (model.provider, model.provider_reason) == ("cpu", "asked for")
    model.warm_up()


def plain_onnx(path: Path, metadata: dict[str, str]) -> Path:
    """An identity graph that any ONNX tool would accept."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return path


def test_a_file_without_a_card_is_told_how_to_get_one(tmp_path: Path) -> None:
    path = plain_onnx(tmp_path / "plain.onnx", {})
    with pytest.raises(ModelFileError, match=r"no seekcam card: write it again"):
        LocalizationModel(path, "cpu")
    with pytest.raises(ModelFileError, match=r"no seekcam card"):
        read_card(path)


def test_a_card_on_another_graph_is_refused(tmp_path: Path, model: LocalizationModel) -> None:
    path = plain_onnx(tmp_path / "other.onnx", {"seekcam": model.card.to_json()})
    with pytest.raises(ModelFileError, match="lacks frames, classes, method, logits"):
        LocalizationModel(path, "cpu")


@pytest.mark.parametrize("content", [b"", b"not an onnx file", b"\x08\x0a" * 50])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"broken\.onnx"):
        LocalizationModel(path, "cpu")


def test_a_truncated_model_is_refused(tmp_path: Path, default_model_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(default_model_path.read_bytes()[:-100_000])
    with pytest.raises(ModelFileError, match=r"cut\.onnx"):
        LocalizationModel(path, "cpu")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model file at .*gone\.onnx"):
        LocalizationModel(tmp_path / "gone.onnx")


@pytest.mark.parametrize("kind", ["EPFail", "Fail", "RuntimeException"])
def test_what_a_provider_cannot_set_up_is_said(
    default_model_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise getattr(ort.capi.onnxruntime_pybind11_state, kind)("no engine could be built.\nmore lines")

    monkeypatch.setattr(ort, "InferenceSession", refuse)
    with pytest.raises(ModelFileError, match=r"cannot be loaded as an ONNX model: no engine could be built\.$"):
        read_card(default_model_path)
