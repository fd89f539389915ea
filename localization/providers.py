"""Which ONNX Runtime provider runs a model, and why: decided here, never left to a silent fallback.

ONNX Runtime's GPU wheel lists CUDA and TensorRT on machines that have neither, logs errors and runs on the CPU. So this
module looks for the driver and the libraries itself, passes an explicit list, and the model reads back what it got.
"""

import ctypes
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from seekcam.localization.card import ModelCard
from seekcam.localization.errors import UserError

PROVIDERS = ("auto", "tensorrt", "cuda", "cpu")
_ORT_NAMES = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
_CUDA_OPTIONS = {
    "cudnn_conv_algo_search": "HEURISTIC",  # the default, exhaustive search, costs seconds for every new batch size
    "use_tf32": 0,  # ten bits of mantissa would move boxes away from the CPU's
}
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_TENSORRT = "nvinfer_10.dll" if sys.platform == "win32" else "libnvinfer.so.10"


class ProviderError(UserError):
    """The provider that was asked for cannot run here."""

    code = "no-provider"


@dataclass(frozen=True)
class ProviderChoice:
    """What to run on, in our words, with the reason a person is told."""

    name: str  # "tensorrt", "cuda" or "cpu"
    reason: str

    @property
    def ort_name(self) -> str:
        """ONNX Runtime's name for it."""
        return _ORT_NAMES[self.name]

    def session_providers(self, card: ModelCard, cache: Path) -> list[tuple[str, Mapping[str, Any]]]:
        """The explicit provider list for `InferenceSession`; `cache` keeps TensorRT's engines between runs."""
        if self.name == "tensorrt":
            shape = f"{card.input_size}x{card.input_size}x3"
            options = {
                "trt_engine_cache_enable": True,
                "trt_engine_cache_path": str(cache),
                "trt_timing_cache_enable": True,
                "trt_timing_cache_path": str(cache),
            }
            for bound, batch in (("min", 1), ("opt", 1), ("max", MAX_BATCH)):
                # TensorRT wants a range for every input that has a free dimension, or it takes none of them.
                inputs = (f"frames:{batch}x{shape}", f"classes:{batch}x{card.mapped}", f"method:{batch}")
                options[f"trt_profile_{bound}_shapes"] = ",".join(inputs)
            return [(_ORT_NAMES["tensorrt"], options), (_ORT_NAMES["cuda"], _CUDA_OPTIONS)]
        if self.name == "cuda":
            return [(_ORT_NAMES["cuda"], _CUDA_OPTIONS)]
        return [(_ORT_NAMES["cpu"], {})]


MAX_BATCH = 16  # the exported graph's largest batch


def choose_provider(wanted: str = "auto") -> ProviderChoice:
    """Decide on a provider: the fastest that can really run here, or the one asked for.

    Raises:
        ProviderError: an unknown name, or a provider that cannot run here (the message says what is missing).
    """
    if wanted not in PROVIDERS:
        raise ProviderError(f"There is no provider {wanted!r}: choose one of {', '.join(PROVIDERS)}.")
    if wanted == "cpu":
        return ProviderChoice("cpu", "asked for")
    lacking_cuda = _why_no_cuda()
    lacking_tensorrt = lacking_cuda or _why_no_tensorrt()
    if wanted == "tensorrt" and lacking_tensorrt:
        raise ProviderError(f"TensorRT cannot run here: {lacking_tensorrt}. Leave --provider out to take what can.")
    if wanted == "cuda" and lacking_cuda:
        raise ProviderError(f"CUDA cannot run here: {lacking_cuda}. Leave --provider out to take what can.")
    if wanted != "auto":
        return ProviderChoice(wanted, "asked for")
    if not lacking_tensorrt:
        return ProviderChoice("tensorrt", "an NVIDIA GPU and TensorRT 10 are here")
    if not lacking_cuda:
        return ProviderChoice("cuda", f"an NVIDIA GPU is here ({lacking_tensorrt})")
    return ProviderChoice("cpu", lacking_cuda)


def _why_no_cuda() -> str | None:
    """None when CUDA can run, else what is missing."""
    if _ORT_NAMES["cuda"] not in ort.get_available_providers():
        return "this ONNX Runtime was built without CUDA"
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return "no NVIDIA driver found"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    ort.preload_dlls()  # CUDA and cuDNN from their wheels, where the system has none
    return None


def _why_no_tensorrt() -> str | None:
    if _ORT_NAMES["tensorrt"] not in ort.get_available_providers():
        return "this ONNX Runtime was built without TensorRT"
    try:
        ctypes.CDLL(_TENSORRT)
    except OSError:
        return "TensorRT 10 is not installed"
    return None
