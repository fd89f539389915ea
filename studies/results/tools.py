"""The real work behind a row: `fit`, the export, and the scoring that `seekcam evaluate` does."""

import json
import statistics
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from seekcam.datasets.dataset import TEST, DatasetError, LabelledPicture, PictureSet
from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.scores import Scores
from seekcam.evaluation.scoring import score_model
from seekcam.export.objectness_head import head_for
from seekcam.export.onnx import export_network
from seekcam.export.trained import describe_trained, rebuild
from seekcam.localization.atomic import write_text
from seekcam.localization.card import MapKind
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import Pixels
from seekcam.localization.settings import AnalysisSettings
from seekcam.studies.results.machine import machine_in_words, today
from seekcam.studies.results.records import HeadVerdict, MapOutcome, fingerprint
from seekcam.studies.results.rows import Row
from seekcam.studies.results.run import Say, ScoredRun, TrainedRun
from seekcam.training.checkpoint import Checkpoint, CheckpointError
from seekcam.training.curves import EpochRow
from seekcam.training.fit import fit
from seekcam.training.networks.catalogue import build_network
from seekcam.training.progress import Silent
from seekcam.training.recipe import NetworkTable, Recipe
from seekcam.training.run_errors import InterruptedRunError

MODEL = "model.onnx"  # in the run folder
# Beside it, written last; a model from before heads lies there without this file, and is made again.
EXPORTED = "exported.json"
LAST = "last.pt"
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

    def finished(self, recipe: Recipe, folder: Path) -> bool:
        """Whether the last checkpoint of a whole training by `recipe` lies in `folder`."""
        try:
            checkpoint = Checkpoint.load(folder / LAST)
        except CheckpointError:
            return False
        return checkpoint.recipe_hash == recipe.digest() and checkpoint.epoch >= recipe.schedule.epochs

    def train(self, recipe: Recipe, folder: Path) -> TrainedRun:
        """Train by `recipe` in `folder`, going on with what lies there, and export the last checkpoint.

        Raises:
            UserError: what `fit` and the export say; `InterruptedRunError` when the person stopped it.
        """
        model, note = folder / MODEL, folder / EXPORTED
        if model.is_file() and note.is_file():  # of a row that shares this training, or was broken off while scoring
            values = json.loads(note.read_text("utf-8"))
            return TrainedRun(model, **{**values, "verdict": HeadVerdict(**values["verdict"])})
        try:
            result = fit(self.set, recipe, folder, resume=True, report=EpochLines(recipe.schedule.epochs, self._say))
        except InterruptedRunError as stop:
            raise stopped(stop.exit_code) from stop
        verdict = export_last(result.last, model, self.set)
        self._say(f"  {verdict_in_words(verdict)}")
        trained = TrainedRun(model, len(result.rows), statistics.median(row.seconds for row in result.rows), verdict)
        values = {"epochs": trained.epochs, "seconds_per_epoch": trained.seconds_per_epoch, "verdict": asdict(verdict)}
        write_text(note, json.dumps(values) + "\n")
        return trained

    def score(self, model: Path, row: Row) -> ScoredRun:
        """Score with every map that the model has; the masks of input dropout are the same for all."""
        loaded = LocalizationModel(model, "cpu")
        plain = self._score(loaded, "plain", row.hidden_at_test)
        spread = self._score(loaded, "spread", row.hidden_at_test)
        objectness: MapOutcome | None = None
        if loaded.card.objectness:
            scores = self._score(loaded, "objectness", row.hidden_at_test)
            objectness = MapOutcome(numbers(scores), tuple(image.held_iou for image in scores.images), loaded.card.cut)
        return ScoredRun(
            correct=tuple(image.top1 for image in plain.images),
            plain=MapOutcome(
                numbers(plain), tuple(image.best_held_iou for image in plain.images), plain.best_threshold
            ),
            spread=MapOutcome(numbers(spread), tuple(image.held_iou for image in spread.images), None),
            versions=loaded.card.versions,
            revision=loaded.card.revision,
            objectness=objectness,
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


def export_last(checkpoint_file: Path, file: Path, pictures: PictureSet) -> HeadVerdict:
    """Write the fp32 model of a checkpoint, verified; its threshold stays uncalibrated: no row is scored by it.

    Its objectness head is fitted to the training part of `pictures`, some of which judge it where nothing was held out
    for validation. The file has the head whatever the verdict, as the table asks whether the judge is right; a file
    that `seekcam export` writes has it only where the judge keeps it.
    """
    checkpoint = Checkpoint.load(checkpoint_file)
    network, recipe = rebuild(checkpoint, checkpoint_file)
    card = describe_trained(network, checkpoint, recipe, recipe.name)
    outcome = head_for(network, card, pictures, seed=recipe.seed, regardless=True)
    export_network(network, card, file, objectness=outcome.head)
    found = outcome.verdict
    if found is None:
        return HeadVerdict(False, 0, 0.0, 0.0, 0.0, outcome.reason)
    with_head, without, error = (round(share, 5) for share in (found.with_head, found.without, found.error))
    return HeadVerdict(found.helps, found.pictures, with_head, without, error, outcome.reason)


def verdict_in_words(verdict: HeadVerdict) -> str:
    """What the judge said, in a line."""
    if not verdict.pictures:
        return f"objectness head: {verdict.reason}"
    return (
        f"objectness head {'kept' if verdict.helps else 'left out'} by its judge: agreement {verdict.with_head:.3f} "
        f"with it, {verdict.without:.3f} without, difference {verdict.difference:+.3f} ± {verdict.error:.3f} over "
        f"{verdict.pictures} training pictures"
    )


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
