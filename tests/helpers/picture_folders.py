"""Small pictures on disk, for the tests of everything that reads folders of them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

PHOTOGRAPHS = ("chelsea", "coffee", "astronaut")


def save_picture(path: Path, width: int = 20, height: int = 12, value: int = 100) -> Path:
    """One picture of a single grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value, value, value)).save(path)
    return path


def save_classes(folder: Path, counts: dict[str, int], suffix: str = ".jpg") -> Path:
    """A folder for each class with so many pictures."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            save_picture(folder / name / f"{name}_{index}{suffix}", value=index * 7 % 256)
    return folder


def save_photographs(folder: Path, count: int, side: int = 48) -> list[Path]:
    """Crops of real photographs, each of its own size."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(count):
        photograph: NDArray[np.uint8] = np.asarray(getattr(data, PHOTOGRAPHS[index % len(PHOTOGRAPHS)])())
        crop = photograph[index : index + side + 3 * index, 2 * index : 2 * index + side + index]
        paths.append(folder / f"{index:03}.png")
        Image.fromarray(crop).save(paths[-1])
    return paths


def write_lines(path: Path, lines: Iterable[object]) -> Path:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
