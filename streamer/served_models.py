"""The model files that this server offers: found anew while it runs, and settings fitted to their cards."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from seekcam.localization.bars import BarTracker
from seekcam.localization.card import ModelCard
from seekcam.localization.errors import ModelFileError, UnknownModelError
from seekcam.localization.library import ModelLibrary
from seekcam.localization.model import read_card
from seekcam.localization.pipeline import FrameRequest
from seekcam.localization.settings import Analysis, AnalysisSettings, resolve, resolve_second
from seekcam.localization.stream_memory import Following
from seekcam.streamer.engine import Job, MakeEngine
from seekcam.streamer.media.closer import Picture

logger = logging.getLogger(__name__)

Signature = tuple[int, int, int]  # of a file: when it was written, its bytes, its inode


@dataclass(frozen=True)
class Side:
    """A model by name, and the settings fitted to its card."""

    model: str
    analysis: Analysis

    def job(
        self,
        picture: Picture,
        following: Following | None = None,
        pts: float = 0.0,
        bars: BarTracker | None = None,
    ) -> Job:
        """What the engine is to do with a picture, or with a frame of a stream whose past is `following` and `bars`."""
        if following is None:
            return Job(self.model, picture, FrameRequest(self.analysis))
        return Job(self.model, picture, following.request(self.analysis, pts), bars)


@dataclass(frozen=True)
class Sides:
    """What looks at each frame: one model, or two that are compared."""

    first: Side
    second: Side | None = None

    def __iter__(self) -> Iterator[Side]:
        """The sides that there are."""
        yield self.first
        if self.second is not None:
            yield self.second


class ServedModels:
    """The library's models and the default one, which may lie elsewhere. Every method is called on the event loop.

    Args:
        make_engine: whoever runs the models that are found.
    """

    def __init__(self, library: ModelLibrary, make_engine: MakeEngine) -> None:
        self.default = ""
        self.files: dict[str, Path] = {}
        self.engine = make_engine(self.files)
        self._library = library
        self._default_file = Path()
        self._seen: dict[str, Signature] = {}
        self._refused: set[str] = set()  # whose cards cannot be read, as the log says

    async def start(self, model: str) -> None:
        """Find the models and load the default one, given by name or file.

        Raises:
            UnknownModelError, ModelFileError: it is not there or cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._default_file = self._library.path(model)
        self.default = (await loop.run_in_executor(None, read_card, self._default_file)).name
        await self.refresh(lambda: ())
        await self.engine.load(self.default)

    async def refresh(self, in_use: Callable[[], Collection[str]]) -> None:
        """Look at the folder again: new files are offered, gone ones are not, and replaced ones are read anew.

        Args:
            in_use: names of models that stay as they are: their streams were set up by the cards that were there.
        """
        found = await asyncio.get_running_loop().run_in_executor(None, self._look)
        kept = in_use()
        for name in [name for name in self.files if name not in found and name not in kept]:
            del self.files[name]
            self._forget(name)
        for name, (path, signature) in found.items():
            if self._seen.get(name, signature) != signature:
                if name in kept:
                    continue
                self._forget(name)
            self.files[name] = path
            self._seen[name] = signature

    async def offered(self) -> list[tuple[str, ModelCard]]:
        """The models that can be chosen with their cards, the default first; of the others, the log says once why."""
        cards = []
        for name in sorted(self.files, key=lambda name: (name != self.default, name)):
            if name in self._refused:
                continue
            try:
                cards.append((name, await self.engine.card(name)))
            except ModelFileError as error:
                self._refused.add(name)
                logger.warning("%s is not offered: %s", name, error)
        return cards

    async def card(self, name: str) -> ModelCard:
        """The card of a model that this server offers.

        Raises:
            UnknownModelError: it offers none of that name (files are not taken from the network).
            ModelFileError: the file cannot be used.
        """
        if name not in self.files:
            await self.refresh(lambda: tuple(self.files))  # it may just have been exported
        if name not in self.files:
            raise UnknownModelError(f"There is no model {name!r} here: choose one of {', '.join(sorted(self.files))}.")
        return await self.engine.card(name)

    async def resolve(self, settings: AnalysisSettings) -> Sides:
        """The settings checked against the cards of their models, which are loaded by then.

        Raises:
            UserError: no such model, one that does not load, or settings that it cannot serve.
        """
        name, compare = settings.model or self.default, settings.compare
        card = await self.card(name)
        sides = Sides(Side(name, resolve(settings, card)))
        if compare is not None:
            other = compare.model or name
            sides = Sides(sides.first, Side(other, resolve_second(settings, card, await self.card(other))))
        # Here, where one person waits, and not before a frame, where all streams would.
        for side in sides:
            await self.engine.load(side.model)
        return sides

    def _look(self) -> dict[str, tuple[Path, Signature]]:
        paths = {name: self._library.file(name) for name in self._library.present()}
        paths[self.default] = self._default_file
        found = {}
        for name, path in paths.items():
            try:
                stat = path.stat()
            except OSError:
                continue  # deleted since the folder was listed
            found[name] = path, (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return found

    def _forget(self, name: str) -> None:
        self.engine.forget(name)
        self._seen.pop(name, None)
        self._refused.discard(name)
