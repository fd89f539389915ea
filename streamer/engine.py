"""Who runs the models: the `Engine` protocol that the whole server knows, and the engine of this machine.

One inference thread per device; nothing here touches the event loop but the awaiting of its results.
"""

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from seekcam.localization.bars import BarTracker, find_bars
from seekcam.localization.card import ModelCard
from seekcam.localization.model import LocalizationModel, read_card
from seekcam.localization.pipeline import FrameRequest, fit_picture, localize_batch
from seekcam.localization.prediction import Prediction
from seekcam.streamer.cpus import inference_threads
from seekcam.streamer.media.closer import Picture, cut_of
from seekcam.streamer.media.frames import fit_frame, luma

logger = logging.getLogger(__name__)

# On a CPU a batch saves a quarter of the time at best, and makes its first frame wait for its last.
MAX_BATCH = {"cpu": 1, "cuda": 16, "tensorrt": 16}
MAX_LOADED = 8  # models in memory (a small one takes 40 MB); the least recently used one leaves


@dataclass(frozen=True, eq=False)
class Job:
    """One frame to localize in; all jobs of a batch share a model, and the frames of one stream their `bars`."""

    model: str
    picture: Picture
    request: FrameRequest
    bars: BarTracker | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to run."""

    card: ModelCard
    provider: str  # what runs it: cpu, cuda or tensorrt
    provider_reason: str


class Runner(Protocol):
    """What the scheduler needs of an engine."""

    @property
    def max_batch(self) -> int:
        """The largest batch worth submitting."""

    async def submit(self, batch: Sequence[Job]) -> list[Prediction]:
        """Localize in a batch of jobs of one model; one prediction per job, in order.

        Raises:
            UserError: the model cannot be used.
        """


class Engine(Runner, Protocol):
    """All that a server knows of whoever runs its models; a pool of machines can stand behind it as well.

    Models are known by name. Every method is called on the event loop and none may hold it up.
    """

    async def card(self, model: str) -> ModelCard:
        """The card of a model, loaded or not.

        Raises:
            ModelFileError: its file cannot be read.
        """

    async def load(self, model: str) -> LoadedModel:
        """Make a model ready, if it is not; other models go on meanwhile.

        Raises:
            ModelFileError: its file cannot be used.
        """

    def forget(self, model: str) -> None:
        """Let go of a model whose file is gone or another one now."""

    def loaded(self) -> Mapping[str, LoadedModel]:
        """The models that are ready, by name."""

    async def close(self) -> None:
        """Finish what is running and stop."""


MakeEngine = Callable[[Mapping[str, Path]], Engine]  # from model name -> file, which changes while the server runs


class LocalEngine:
    """The engine of this machine: one device, one inference thread.

    Args:
        files: model name -> file.
        provider: as `LocalizationModel`'s.
        slow_ms: makes every frame take this much longer, to test scheduling without a slow model.
    """

    def __init__(self, files: Mapping[str, Path], provider: str = "auto", slow_ms: float = 0.0) -> None:
        self._files = files
        self._provider = provider
        self._slow_s = slow_ms / 1e3
        self._models: OrderedDict[str, LocalizationModel] = OrderedDict()
        self._cards: dict[str, ModelCard] = {}
        self._lock = threading.Lock()  # the loading and the inference thread both order the models
        self._inference = ThreadPoolExecutor(1, thread_name_prefix="inference")
        # Loading takes a good part of a second: it must not hold up the streams of the other models.
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="loading")

    @property
    def max_batch(self) -> int:
        """The largest batch worth submitting on this device."""
        return min((MAX_BATCH[model.provider] for model in self.loaded().values()), default=1)

    def loaded(self) -> Mapping[str, LoadedModel]:
        """The models in memory, by name."""
        with self._lock:
            return {name: _told(model) for name, model in self._models.items()}

    async def card(self, model: str) -> ModelCard:
        """The card of a model; read from the file when the model is not loaded."""
        if (loaded := self.loaded().get(model)) is not None:
            return loaded.card
        if model not in self._cards:
            loop = asyncio.get_running_loop()
            self._cards[model] = await loop.run_in_executor(self._loading, read_card, self._files[model])
        return self._cards[model]

    async def load(self, model: str) -> LoadedModel:
        """Load and warm a model, if it is not loaded; the streams of other models go on meanwhile."""
        return _told(await self._open(model))

    def forget(self, model: str) -> None:
        """Let go of a model whose file is another one now; whoever asks next reads that."""
        self._cards.pop(model, None)
        with self._lock:
            self._models.pop(model, None)

    async def submit(self, batch: Sequence[Job]) -> list[Prediction]:
        """Localize in a batch of jobs of one model, on the inference thread."""
        name = batch[0].model
        # Loaded when its settings were accepted; again only if more than `MAX_LOADED` models are in use at once.
        model = self._models.get(name) or await self._open(name)
        return await asyncio.get_running_loop().run_in_executor(self._inference, self._run, model, batch)

    async def close(self) -> None:
        """Wait for what is running and stop the threads."""
        loop = asyncio.get_running_loop()
        for executor in (self._inference, self._loading):
            # On its own short-lived thread: the default executor may still be busy with encoders.
            await loop.run_in_executor(None, executor.shutdown)

    async def _open(self, name: str) -> LocalizationModel:
        return await asyncio.get_running_loop().run_in_executor(self._loading, self._load, name)

    def _load(self, name: str) -> LocalizationModel:
        with self._lock:
            if (loaded := self._models.get(name)) is not None:
                self._models.move_to_end(name)  # or the other model of a pair would put this one out
                return loaded
        model = LocalizationModel(self._files[name], self._provider, inference_threads())
        model.warm_up()
        logger.info("%s runs on %s: %s.", name, model.provider, model.provider_reason)
        with self._lock:
            self._models[name] = model
            while len(self._models) > MAX_LOADED:
                self._models.popitem(last=False)
        return model

    def _run(self, model: LocalizationModel, batch: Sequence[Job]) -> list[Prediction]:
        with self._lock:
            if batch[0].model in self._models:
                self._models.move_to_end(batch[0].model)
        started = time.perf_counter()
        fitted, requests = zip(*(self._fit(model.card, job) for job in batch), strict=True)
        prepare_ms = (time.perf_counter() - started) * 1e3
        if self._slow_s:
            time.sleep(self._slow_s * len(batch))
        cuts = [cut_of(job.picture, model.card) for job in batch]
        predictions = localize_batch(model, fitted, requests, cuts)
        # By the name it was asked for: a file may have been renamed since its card was written.
        return [replace(p, model=batch[0].model, ms={"prepare": prepare_ms, **p.ms}) for p in predictions]

    @staticmethod
    def _fit(card: ModelCard, job: Job) -> tuple[NDArray[np.uint8], FrameRequest]:
        """What lies between black bars as the model wants it, and the request that says so."""
        picture, request = job.picture, job.request
        if isinstance(picture, av.VideoFrame):
            bright = luma(picture)
            region = find_bars(bright) if job.bars is None else job.bars.update(bright, request.pts)
            return fit_frame(picture, card.input_size, card.resize, region), replace(request, region=region)
        region = find_bars(picture)
        return fit_picture(picture, card, region), replace(request, region=region)


def _told(model: LocalizationModel) -> LoadedModel:
    return LoadedModel(model.card, model.provider, model.provider_reason)
