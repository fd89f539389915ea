"""`LocalizationModel`: one ONNX file on one device; RGB frames in, the graph's raw outputs out (Contract 1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from platformdirs import user_cache_path

from seekcam.localization.card import ModelCard
from seekcam.localization.errors import ModelFileError
from seekcam.localization.providers import ProviderError, choose_provider

INPUTS = ("frames", "classes", "method")
OUTPUTS = ("logits", "chosen", "maps", "spread", "threshold", "features")
OBJECTNESS_OUTPUTS = ("objectness", "affinity", "affinity_threshold")  # of a file with an objectness head

RawOutputs = dict[str, NDArray[np.float32] | NDArray[np.int64]]


class LocalizationModel:
    """A model file, loaded and ready to run.

    Args:
        path: an ONNX file with a card.
        provider: "auto" takes the fastest that can run here; `provider` and `provider_reason` say what was taken.
        threads: CPU threads for one run; 0 takes every core.

    Raises:
        ModelFileError: no ONNX file, no card, or a graph that breaks the contract.
        ProviderError: the provider asked for cannot run here.
    """

    def __init__(self, path: Path | str, provider: str = "auto", threads: int = 0) -> None:
        path = Path(path)
        choice = choose_provider(provider)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # A live server is idle most of the time between two frames: spinning threads would starve decoder and encoder.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors only; the reasons a person needs are ours to give
        if not path.is_file():
            raise ModelFileError(
                f"There is no model file at {path}: give the path of an .onnx file; seekcam.model_file(NAME) is "
                "that of a library model."
            )
        cache = user_cache_path("seekcam") / "tensorrt"
        if choice.name == "tensorrt":
            cache.mkdir(parents=True, exist_ok=True)
        try:
            # The card is wanted before the provider's options, and reading it on the CPU costs some milliseconds.
            self.card = read_card(path)
            self._session = ort.InferenceSession(
                str(path), options, providers=choice.session_providers(self.card, cache)
            )
        except _ORT_ERRORS as error:
            raise ModelFileError(f"{path} cannot be loaded as an ONNX model: {_first_line(error)}.") from error
        self._check_graph(path)
        running = self._session.get_providers()[0]
        if running != choice.ort_name:
            raise ProviderError(
                f"{choice.name} was chosen ({choice.reason}) but ONNX Runtime fell back to {running}: "
                "run `seekcam doctor`, or ask for --provider cpu."
            )
        self.path = path
        self.provider = choice.name
        self.provider_reason = choice.reason
        self._run_options = ort.RunOptions()
        self._run_options.add_run_config_entry("only_execute_path_to_fetches", "1")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The graph's outputs; those of an objectness head where the card names one."""
        return OUTPUTS + OBJECTNESS_OUTPUTS if self.card.objectness else OUTPUTS

    def run(
        self,
        frames: NDArray[np.uint8],
        classes: NDArray[np.int64],
        methods: NDArray[np.int64],
        outputs: Sequence[str] | None = None,
    ) -> RawOutputs:
        """Run one batch.

        Args:
            frames: [B, S, S, 3] RGB.
            classes: [B, k]; -1 at position j means the class that ranks j-th in this frame.
            methods: [B] indices into the card's methods.
            outputs: which outputs to compute, all when None; the others cost nothing.
        """
        outputs = self.outputs if outputs is None else outputs
        feed = {"frames": frames, "classes": classes, "method": methods}
        values = self._session.run(list(outputs), feed, self._run_options)
        return dict(zip(outputs, cast("list[NDArray[np.float32]]", values), strict=True))

    def warm_up(self, batch: int = 1) -> None:
        """Run once on black frames, so that the first real frame does not pay for allocations and kernel choice."""
        size, k = self.card.input_size, self.card.mapped
        self.run(
            np.zeros((batch, size, size, 3), np.uint8),
            np.full((batch, k), -1, np.int64),
            np.zeros(batch, np.int64),
        )

    def _check_graph(self, path: Path) -> None:
        inputs = {value.name for value in self._session.get_inputs()}
        outputs = {value.name for value in self._session.get_outputs()}
        missing = [name for name in INPUTS if name not in inputs]
        missing += [name for name in self.outputs if name not in outputs]
        if missing:
            raise ModelFileError(f"{path} has a card but its graph lacks {', '.join(missing)}: export the model again.")


def read_card(path: Path) -> ModelCard:
    """The card of a model file.

    Raises:
        ModelFileError: no such file, no ONNX file, or no card in it.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no model file at {path}.")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        raise ModelFileError(f"{path} cannot be loaded as an ONNX model: {_first_line(error)}.") from error
    return ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map, str(path))


_state = ort.capi.onnxruntime_pybind11_state
_ORT_ERRORS = (
    _state.EPFail,
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NoSuchFile,
    _state.NotImplemented,
    _state.RuntimeException,
)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
