"""The provider decision: explicit, with a reason, and never a silent fallback."""

from pathlib import Path

import pytest

from localization import providers
from localization.providers import ProviderError, choose_provider


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
    (first, options), (second, _) = choose_provider("tensorrt").session_providers(224, tmp_path)
    assert (first, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options["trt_engine_cache_path"] == str(tmp_path)
    assert options["trt_profile_max_shapes"].startswith("frames:16x224x224x3")
    assert [name for name, _ in choose_provider("cpu").session_providers(224, tmp_path)] == ["CPUExecutionProvider"]
