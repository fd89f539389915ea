"""What a training run leaves behind, and export starts from: one file with all it takes to build the network again.

A checkpoint is read with `weights_only=True`: it holds tensors, numbers and text, and can run no code of its sender.
"""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seekcam.localization.atomic import replace_file
from seekcam.localization.errors import UserError

FORMAT = 1


class CheckpointError(UserError):
    """A file is no checkpoint of this program, or of another network."""

    code = "bad-checkpoint"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network in training: how to build it, its weights, and where the run stood."""

    recipe: Mapping[str, Any]  # every value, as `Recipe.to_dict` gives it; `recipe["network"]` names the network
    recipe_hash: str
    classes: tuple[str, ...]
    class_ids: tuple[str, ...]
    network: Mapping[str, Tensor]  # state dict, on the CPU
    dataset: str  # the picture set's name
    data_folder: str  # absolute, on the machine that trained
    epoch: int = 0  # epochs done
    step: int = 0  # optimiser steps done, over all epochs
    metrics: Mapping[str, float] = field(default_factory=dict)  # as measured on the validation part
    progress: Mapping[str, Any] = field(default_factory=dict)  # optimiser, schedule, history: what `--resume` needs
    source: str = ""  # where the weights came from before this training
    licence: str = ""  # of those weights
    format: int = FORMAT

    def save(self, path: Path) -> None:
        """Write to `path`, which holds either the old file or the whole new one, whatever happens.

        Raises:
            OSError: the disk is full or the folder cannot be written; the old file stays.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["network"] = dict(self.network)
        # In memory first: torch's own writer hides a full disk behind an error of its own.
        content = io.BytesIO()
        torch.save(values, content)
        replace_file(path, content.getbuffer())

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a checkpoint onto the CPU.

        Raises:
            CheckpointError: no such file, no checkpoint, or one of a newer format.
        """
        if not path.is_file():
            raise CheckpointError(f"There is no checkpoint at {path}.")
        try:
            values = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{path} is no checkpoint of `seekcam train` (it cannot be read).") from error
        if not isinstance(values, dict) or not {"recipe", "network", "classes"} <= set(values):
            raise CheckpointError(
                f"{path} is no checkpoint of `seekcam train`; a network of your own is exported with "
                "`seekcam.export_cam_network`."
            )
        if values.get("format") != FORMAT:
            raise CheckpointError(
                f"{path} has checkpoint format {values.get('format')} and this seekcam reads {FORMAT}: train again."
            )
        known = {f.name for f in fields(cls)}
        try:
            checkpoint = cls(**{name: value for name, value in values.items() if name in known})
        except TypeError as error:
            raise CheckpointError(f"{path} is an incomplete checkpoint ({error}): train again.") from error
        if not checkpoint._has_right_kinds():
            raise CheckpointError(f"{path} is a checkpoint with entries of the wrong kind: train again.")
        return checkpoint

    def _has_right_kinds(self) -> bool:
        """Whether a checkpoint that came as a file can be worked with: anybody can write one."""
        tables = (self.recipe, self.network, self.metrics, self.progress)
        lists: tuple[Any, Any] = (self.classes, self.class_ids)
        return (
            all(isinstance(table, Mapping) for table in tables)
            and all(isinstance(value, Tensor) for value in self.network.values())
            and all(isinstance(names, tuple) and all(isinstance(n, str) for n in names) for names in lists)
            and len(self.classes) == len(self.class_ids)
        )
