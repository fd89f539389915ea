"""Pictures with boxes, a small model file's own classes, and checkpoints to export from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seekcam.localization.model import LocalizationModel
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.recipe import Recipe
from tests.helpers.networks import SIDE, TinyNetwork, random_frames
from tests.helpers.picture_folders import write_lines

NAMES = ("auklet", "bunting", "tabby")  # the fixture `small_model_path` knows them, among others
PICTURES = 10  # of each class


def frames(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """[N, S, S, 3], as a model takes them."""
    drawn: NDArray[np.uint8] = random_frames(count, seed=seed).numpy()
    return drawn


def open_file(path: Path) -> LocalizationModel:
    """The file, ready to run on the CPU."""
    return LocalizationModel(path, "cpu")


def boxed_folder(folder: Path, *, boxes: bool = True) -> Path:
    """A folder for each of three classes, with a box for every picture when `boxes`."""
    random, lines = np.random.default_rng(3), []
    pictures = iter(frames(len(NAMES) * PICTURES, seed=5))
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for number in range(PICTURES):
            Image.fromarray(next(pictures)).save(folder / name / f"{number}.png")
            x0, y0 = (int(low) for low in random.integers(0, SIDE // 4, 2))
            x1, y1 = (low + int(random.integers(SIDE // 2, 3 * SIDE // 4)) for low in (x0, y0))
            lines.append(f"{name}/{number}.png,{x0},{y0},{x1},{y1}")
    if boxes:
        write_lines(folder / "localization.txt", lines)
    return folder


def tiny_recipe() -> Recipe:
    """A recipe at the tiny network's size, with a third of the pictures held out."""
    plain = Recipe()
    return replace(
        plain, name="tiny-run", input=replace(plain.input, size=SIDE), data=replace(plain.data, validation=0.3)
    )


def tiny_checkpoint(data: Path, network: TinyNetwork | None = None, **changes: Any) -> Checkpoint:
    """Of a training of the tiny network on `data`."""
    network, recipe = network or TinyNetwork(classes=len(NAMES)), tiny_recipe()
    checkpoint = Checkpoint(
        recipe=recipe.to_dict(),
        recipe_hash=recipe.digest(),
        classes=NAMES,
        class_ids=tuple(name.upper() for name in NAMES),
        network=network.state_dict(),
        dataset="animals",
        data_folder=str(data),
        epoch=2,
        metrics={"top1_clas": 50.0},
        source="the tests",
        licence="MIT",
    )
    return replace(checkpoint, **changes)
