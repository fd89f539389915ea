"""`PictureSet`: labelled pictures, in parts, as every layout is read into and every user of pictures takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seekcam.localization.errors import UserError

TRAIN, VALIDATION, TEST = "train", "validation", "test"

PixelBox = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels, x1 and y1 exclusive


class DatasetError(UserError):
    """A folder of pictures, or the annotations beside it, cannot be used as they are."""

    code = "bad-dataset"


@dataclass(frozen=True)
class LabelledPicture:
    """One picture file, its class, and where the object is, when that is known (for scoring only)."""

    path: Path
    label: int  # index into the set's classes
    boxes: tuple[PixelBox, ...] = ()  # of objects of that class
    size: tuple[int, int] | None = None  # width and height that the boxes are measured in; None is the file's own
    masks: tuple[Path, ...] = ()  # images of the object, their union counts
    ignore: Path | None = None  # image of pixels that PxAP leaves out


@dataclass(frozen=True)
class PictureSet:
    """Labelled pictures of C classes.

    `parts` maps "train", "validation" and "test" to their pictures; a part that the set does not have is missing. A
    picture is in one part only.
    """

    name: str
    root: Path
    layout: str  # "folder", "wsolevaluation", "cub", "tiny-imagenet" or "ilsvrc"
    classes: tuple[str, ...]
    class_ids: tuple[str, ...]  # WordNet ids, folder names; the names again where there are none
    parts: Mapping[str, tuple[LabelledPicture, ...]]
