"""The real work behind a row: `fit`, the export, and the scoring that `seekcam evaluate` does."""

import json
import statistics
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from export.onnx import export_network
from export.trained import describe_trained, rebuild
from localization.atomic import write_text
from localization.card import MapKind
from localization.datasets.dataset import TEST, DatasetError, LabelledPicture
from localization.datasets.layouts import read_pictures
from localization.model import LocalizationModel
from localization.pictures import Pixels
from localization.score import score_model
from localization.scores import Scores
from localization.settings import AnalysisSettings
from studies.results.machine import machine_in_words, today
from studies.results.records import MapOutcome, fingerprint
from studies.results.rows import Row
from studies.results.run import Say, Scored, Trained
from training.checkpoint import Checkpoint
from training.curves import EpochRow
from training.failures import InterruptedRunError
from training.fit import fit
from training.networks.catalogue import build_network
from training.progress import Silent
from training.recipe import NetworkTable, Recipe

MODEL = "model.onnx"  # in the run folder
TRAINED = "trained.json"  # beside it, written last
MASK_SEED = 0


class RealTools:
    """Trains and scores on one data set.

    Args:
        folder: pictures in a layout that `read_pictures` knows, with a test part that has boxes.
        base: the schedule; its `data` table says what is held out.

    Raises:
        DatasetError: the pictures cannot be used, or have no test part with boxes.
    """

    def __init__(self, folder: Path, base: Recipe, say: Say) -> None:
        self.set = read_pictures(folder, validation=base.data.validation, seed=base.data.seed)
        test = self.set.parts.get(TEST, ())
        if not any(picture.boxes for picture in test):
            raise DatasetError(f"{folder} has no test pictures with boxes, and without them nothing can be scored.")
        self.pictures = fingerprint(test, self.set.root)
        gpu = torch.cuda.is_available() and base.hardware.device in ("auto", "cuda")
        self.machine = machine_in_words(torch.cuda.get_device_name() if gpu else "")
        self.today = today()
        self._fill = pixel_fill(base.network)
        self._say = say

    def train(self, recipe: Recipe, folder: Path) -> Trained:
        """Train by `recipe` in `folder`, going on with what lies there, and export the last checkpoint.

        Raises:
            UserError: what `fit` and the export say; `InterruptedRunError` when the person stopped it.
        """
        model, note = folder / MODEL, folder / TRAINED
        if model.is_file() and note.is_file():  # of a row that shares this training, or was broken off while scoring
            return Trained(model, **json.loads(note.read_text("utf-8")))
        try:
            result = fit(self.set, recipe, folder, resume=True, report=EpochLines(recipe.schedule.epochs, self._say))
        except InterruptedRunError as stop:
            raise stopped(stop.exit_code) from stop
        export_last(result.last, model)
        seconds = statistics.median(row.seconds for row in result.rows)
        write_text(note, json.dumps({"epochs": len(result.rows), "seconds_per_epoch": seconds}) + "\n")
        return Trained(model, len(result.rows), seconds)

    def score(self, model: Path, row: Row) -> Scored:
        """Score with the plain and the spread map; the masks of input dropout are the same for both."""
        loaded = LocalizationModel(model, "cpu")
        plain = self._score(loaded, "plain", row.hidden_at_test)
        spread = self._score(loaded, "spread", row.hidden_at_test)
        return Scored(
            correct=tuple(image.top1 for image in plain.images),
            plain=MapOutcome(
                numbers(plain), tuple(image.best_held_iou for image in plain.images), plain.best_threshold
            ),
            spread=MapOutcome(numbers(spread), tuple(image.held_iou for image in spread.images), None),
            versions=loaded.card.versions,
            revision=loaded.card.revision,
        )

    def _score(self, model: LocalizationModel, kind: MapKind, hidden: float) -> Scores:
        def alter(frame: Pixels, picture: LabelledPicture) -> Pixels:
            return hide_pixels(frame, hidden, self._fill, zlib.crc32(picture.path.name.encode()) + MASK_SEED)

        settings = AnalysisSettings(map=kind)
        return score_model(model, self.set, settings, part=TEST, alter=alter if hidden else None)


class EpochLines(Silent):
    """One line an epoch."""

    def __init__(self, epochs: int, say: Say) -> None:
        self._epochs, self._say = epochs, say

    def epoch(self, row: EpochRow) -> None:
        """Say how the epoch went."""
        self._say(f"  epoch {row.epoch} of {self._epochs}: loss {row.loss:.3f}, {row.seconds:.0f} s")


def stopped(exit_code: int) -> InterruptedRunError:
    """For a table that the person broke off."""
    return InterruptedRunError(
        "Stopped; all that was done is kept, and the same command goes on from there.", exit_code - 128
    )


def export_last(checkpoint_file: Path, file: Path) -> None:
    """Write the fp32 model of a checkpoint, verified; its threshold stays uncalibrated: no row is scored by it."""
    checkpoint = Checkpoint.load(checkpoint_file)
    network, recipe = rebuild(checkpoint, checkpoint_file)
    export_network(network, describe_trained(network, checkpoint, recipe, recipe.name), file)


def hide_pixels(frame: Pixels, probability: float, fill: tuple[int, int, int], seed: int) -> Pixels:
    """A copy of uint8 [S, S, 3] with each pixel replaced by `fill` with that probability, all channels together."""
    hidden = np.random.default_rng(seed).random(frame.shape[:2]) < probability
    return np.where(hidden[:, :, None], np.array(fill, np.uint8), frame)


def pixel_fill(table: NetworkTable) -> tuple[int, int, int]:
    """The RGB colour that a network's normalisation makes zero, as near as 8 bits come: what training hides with."""
    red, green, blue = (round(value) for value in build_network(table, 2, 224, load=False).mean)
    return red, green, blue


def numbers(scores: Scores) -> Mapping[str, float]:
    """The percentages of `Scores.to_json`, without words and missing values."""
    kept = {key: value for key, value in scores.to_json().items() if not isinstance(value, str | None)}
    return {key: float(value) for key, value in kept.items() if isinstance(value, int | float)}
