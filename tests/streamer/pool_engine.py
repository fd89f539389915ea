"""A second `Engine`: a pool of workers that each hold some of the models, behind what the server knows of an engine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

from seekcam.localization.card import ModelCard
from seekcam.localization.prediction import Prediction
from seekcam.streamer.engine import Engine, Job, LoadedModel, LocalEngine, MakeEngine

WORKERS = 2


class PoolEngine:
    """Each model has its worker, which its name chooses; nothing but the protocol's names is there to be used."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._workers: list[Engine] = [LocalEngine(files, "cpu") for _ in range(WORKERS)]

    def _of(self, model: str) -> Engine:
        return self._workers[crc32(model.encode()) % WORKERS]

    @property
    def max_batch(self) -> int:
        return min(worker.max_batch for worker in self._workers)

    async def submit(self, batch: Sequence[Job]) -> list[Prediction]:
        return await self._of(batch[0].model).submit(batch)

    async def card(self, model: str) -> ModelCard:
        return await self._of(model).card(model)

    async def load(self, model: str) -> LoadedModel:
        return await self._of(model).load(model)

    def forget(self, model: str) -> None:
        self._of(model).forget(model)

    def loaded(self) -> Mapping[str, LoadedModel]:
        return {name: model for worker in self._workers for name, model in worker.loaded().items()}

    async def close(self) -> None:
        for worker in self._workers:
            await worker.close()


ENGINES: Mapping[str, MakeEngine | None] = {"this machine": None, "a pool": PoolEngine}
