"""Trainings of a few seconds: generated pictures and a recipe for a small input, shared by the tests of the room."""

from pathlib import Path

import numpy as np
from PIL import Image

from seekcam.datasets.dataset import TRAIN, VALIDATION, LabelledPicture, PictureSet
from seekcam.training.curves import EpochRow
from seekcam.training.recipe import Recipe
from seekcam.training.recipe_files import load_recipe

CLASSES = ("red", "green")
TINY = (
    "network.name=mobilenet-v3-small",
    "input.size=32",
    "input.resize=36",
    "input.crop=0",
    "network.pretrained=false",
    "augment.hide_and_seek.sizes=[0, 8]",
    "optimiser.learning_rate=0.001",
    "schedule.epochs=2",
    "schedule.batch=8",
    "hardware.device=cpu",
    "hardware.workers=1",
    "hardware.save_minutes=0",
)


def tiny_recipe(*changes: str) -> Recipe:
    """A small MobileNet from scratch at 32 pixels with Hide-and-Seek; 3 steps an epoch on `tiny_pictures`."""
    return load_recipe("has-mixed", (*TINY, *changes))


def tiny_pictures(root: Path, *, train: int = 13, validation: int = 3) -> PictureSet:
    """Noise with a tint for each of two classes, as files in a folder for each; so many pictures of each class."""
    random = np.random.default_rng(0)
    parts: dict[str, list[LabelledPicture]] = {TRAIN: [], VALIDATION: []}
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(train + validation):
            pixels = random.integers(0, 120, (30, 40, 3), dtype=np.uint8)
            pixels[..., label] += 120
            path = root / name / f"{number:02}.png"
            Image.fromarray(pixels).save(path)
            parts[TRAIN if number < train else VALIDATION].append(LabelledPicture(path, label))
    kept = {part: tuple(pictures) for part, pictures in parts.items() if pictures}
    return PictureSet("tints", root, "folder", CLASSES, CLASSES, kept)


class Listener:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[tuple[int, int]] = []  # epoch and step
        self.rows: list[EpochRow] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def reading(self, done: int, total: int) -> None:
        pass

    def begin(self, epochs: int, steps: int, done: int) -> None:
        pass

    def step(self, epoch: int, done: int, loss: float, rate: float) -> None:
        self.steps.append((epoch, done))

    def epoch(self, row: EpochRow) -> None:
        self.rows.append(row)
