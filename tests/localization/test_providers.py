"""The provider decision: explicit, with a reason, and never a silent fallback."""

import os
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from seekcam.localization import providers
from seekcam.localization.card import ModelCard
from seekcam.localization.model import read_card
from seekcam.localization.providers import ProviderError, choose_provider

CARD = ModelCard("pets", ("cat", "dog"), ("n1", "n2"), 224, 7, 14, 512, 2)


def without(monkeypatch: pytest.MonkeyPatch, cuda: str | None, tensorrt: str | None) -> None:
    monkeypatch.setattr(providers, "_why_no_cuda", lambda: cuda)
    monkeypatch.setattr(providers, "_why_no_tensorrt", lambda: tensorrt)


@pytest.mark.parametrize(
    ("cuda", "tensorrt", "name"),
    [
        (None, None, "tensorrt"),
        (None, "TensorRT 10 is not installed", "cuda"),
        ("no NVIDIA driver found", None, "cpu"),
        ("no NVIDIA driver found", "TensorRT 10 is not installed", "cpu"),
    ],
)
def test_auto_takes_the_fastest_that_can_run(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, tensorrt: str | None, name: str
) -> None:
    without(monkeypatch, cuda, tensorrt)
    choice = choose_provider("auto")
    assert choice.name == name
    assert choice.reason


@pytest.mark.parametrize("wanted", ["cuda", "tensorrt"])
def test_what_cannot_run_is_refused_with_what_is_missing(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    without(monkeypatch, "no NVIDIA driver found", "TensorRT 10 is not installed")
    with pytest.raises(ProviderError, match="no NVIDIA driver found"):
        choose_provider(wanted)


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ProviderError, match="auto, tensorrt, cuda, cpu"):
        choose_provider("tpu")


def test_this_machine_is_judged_by_its_driver_not_by_the_wheel() -> None:
    """The GPU wheel lists CUDA everywhere; the decision must follow the driver library's presence."""
    import ctypes

    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        assert choose_provider("auto").name == "cpu"
        assert choose_provider("auto").reason in ("no NVIDIA driver found", "this ONNX Runtime was built without CUDA")
    else:
        assert choose_provider("auto").reason


def test_the_provider_list_is_explicit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, None, None)
    (first, options), (second, _) = choose_provider("tensorrt").session_providers(CARD, tmp_path)
    assert (first, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options["trt_engine_cache_path"] == str(tmp_path)
    assert options["trt_profile_min_shapes"] == "frames:1x224x224x3,classes:1x2,method:1"
    assert options["trt_profile_max_shapes"] == "frames:16x224x224x3,classes:16x2,method:16"
    assert [name for name, _ in choose_provider("cpu").session_providers(CARD, tmp_path)] == ["CPUExecutionProvider"]


def test_tensorrt_s_ranges_hold_every_input_of_the_graph(
    default_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inputs are read off a real model file: each has a free batch dimension, and each wants a range."""
    without(monkeypatch, None, None)
    (_, options), _ = choose_provider("tensorrt").session_providers(read_card(default_model_path), tmp_path)
    session = ort.InferenceSession(str(default_model_path), providers=["CPUExecutionProvider"])
    for bound, batch in (("min", 1), ("opt", 1), ("max", 16)):
        expected = {
            value.name: [size if isinstance(size, int) else batch for size in value.shape]
            for value in session.get_inputs()
        }
        ranges = dict(item.split(":") for item in options[f"trt_profile_{bound}_shapes"].split(","))
        assert {name: [int(n) for n in shape.split("x")] for name, shape in ranges.items()} == expected


@pytest.mark.parametrize("module", ["seekcam.localization.model", "seekcam.export.onnx", "seekcam.streamer.engine"])
def test_whoever_imports_onnx_runtime_through_us_leaves_it_without_its_reports(module: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    code = f"import {module}, os, sys; assert 'onnxruntime' in sys.modules; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "1"
    # It keeps what it would report, and this machine's number, in a folder of its own.
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()]
