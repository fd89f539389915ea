"""What scoring a model file on labelled pictures gives: one `ImageScore` a picture, and the `Scores` of them all.

A percentage is the mean of a yes or no over pictures, and each picture keeps its own: two models scored on the same
pictures can be compared pair by pair.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seekcam.datasets.dataset import LabelledPicture
from seekcam.evaluation.class_match import named
from seekcam.localization.prediction import RankedClass, Rectangle

RIGHT_IOU = 0.5  # a box with less overlap is a miss
STRICT_IOU = 0.7  # the same for who wants tight boxes
SIZE_EDGES = (0.15, 0.35, 0.60)  # shares of the picture that part small from large objects
SIZE_NAMES = ("under 15 %", "15 to 35 %", "35 to 60 %", "over 60 %")


@dataclass(frozen=True, eq=False)
class ImageScore:
    """One picture's answers. What needs annotated boxes is False, or an IoU of 0, on a picture without any."""

    picture: LabelledPicture
    truths: tuple[Rectangle, ...]  # annotated boxes, in [0, 1] of the picture
    top: tuple[RankedClass, ...]  # the model's ranking
    boxes: tuple[Rectangle, ...]  # as they stream: of the top class, none when the stream is not sure
    held_boxes: tuple[Rectangle, ...]  # of the true class
    top1: bool
    top5: bool
    sure: bool  # whether the stream asserts a class at all
    top1_iou: float  # of the streamed box; 0 when no class, or a wrong one, is asserted
    held_iou: float  # of the box of the true class
    best_held_iou: float  # the same at the set's best fixed threshold

    @property
    def top1_loc(self) -> bool:
        """Whether what streams is right: the class asserted, and its box."""
        return self.top1_iou >= RIGHT_IOU

    @property
    def top1_loc_unasserted(self) -> bool:
        """As `top1_loc`, with the top class's box also where the stream is not sure and shows none."""
        return self.top1 and self.gt_known

    @property
    def top5_loc(self) -> bool:
        """Whether the true class is among the first five and its box is right."""
        return self.top5 and self.gt_known

    @property
    def gt_known(self) -> bool:
        """Whether the box of the true class is right."""
        return self.held_iou >= RIGHT_IOU

    @property
    def gt_known_at_best(self) -> bool:
        """As `gt_known`, at the best fixed threshold."""
        return self.best_held_iou >= RIGHT_IOU

    @property
    def top1_loc_at_best(self) -> bool:
        """As `top1_loc`, at the best fixed threshold."""
        return self.top1 and self.sure and self.gt_known_at_best

    @property
    def object_share(self) -> float:
        """The share of the picture that the largest annotated box covers; 0 without one."""
        return max(((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in self.truths), default=0.0)

    @property
    def size_name(self) -> str:
        """Which of SIZE_NAMES that share is."""
        return SIZE_NAMES[int(np.searchsorted(SIZE_EDGES, self.object_share, side="right"))]


@dataclass(frozen=True)
class GroupScore:
    """Some of the pictures: those of one class, or with objects of one size. Percentages; None without boxes."""

    name: str
    images: int
    boxed: int  # pictures with annotated boxes
    top1_clas: float
    top1_loc: float | None
    gt_known_loc: float | None
    gt_known_loc_iou_70: float | None
    gt_known_loc_at_best_threshold: float | None
    mean_iou: float | None


@dataclass(frozen=True, eq=False)
class Scores:
    """A model file's scores on a data set. Percentages; None where the data cannot tell.

    Top-1 and Top-5 Clas are over all pictures, whatever needs boxes over the pictures that have some.
    """

    model: str
    method: str
    map: str
    box: str
    threshold: float | str  # the number, "otsu", or "two_stage" where that chooses
    precision: str
    provider: str
    dataset: str
    part: str
    classes: tuple[str, ...]  # of the data set
    images: tuple[ImageScore, ...]
    skipped: tuple[tuple[Path, str], ...]  # pictures that cannot be read, and why
    left_out: tuple[tuple[str, int], ...]  # classes that the model lacks, and how many pictures they have
    best_threshold: float | None  # in [0, 1]: the fixed one with the most GT-known boxes right, on these pictures
    max_box_acc: float | None
    max_box_acc_v2: float | None
    pxap: float | None
    has_top5: bool  # a model with five classes or fewer is always right among five

    @property
    def boxed(self) -> tuple[ImageScore, ...]:
        """The pictures with annotated boxes."""
        return tuple(image for image in self.images if image.truths)

    @property
    def by_size(self) -> tuple[GroupScore, ...]:
        """The boxed pictures by how much of the picture the object covers, small ones first."""
        groups = ([image for image in self.boxed if image.size_name == name] for name in SIZE_NAMES)
        return tuple(group_score(name, images) for name, images in zip(SIZE_NAMES, groups, strict=True) if images)

    @property
    def by_class(self) -> tuple[GroupScore, ...]:
        """The pictures by class, in the data set's order, without classes that have none."""
        groups: dict[int, list[ImageScore]] = {}
        for image in self.images:
            groups.setdefault(image.picture.label, []).append(image)
        return tuple(group_score(self.classes[label], groups[label]) for label in sorted(groups))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader of the numbers must know: what was left out, and why a number is missing."""
        found = []
        boxed = len(self.boxed)
        if not boxed:
            found.append("None of these pictures has an annotated box: only the classification is scored.")
        elif boxed < len(self.images):
            found.append(f"{boxed} of {len(self.images)} pictures have annotated boxes: boxes are scored on those.")
        if self.left_out:
            count = sum(number for _, number in self.left_out)
            names = named([name for name, _ in self.left_out])
            are = "picture is" if count == 1 else "pictures are"
            found.append(f"{count} {are} left out: {self.model} does not know every class ({names}).")
        found += [f"Skipped: {reason}" for _, reason in self.skipped]
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """One JSON object: percentages to two decimals, Top-5 left out of a model with five classes or fewer."""
        boxed = self.boxed
        whole = group_score("", self.images)
        document: dict[str, Any] = {
            "model": self.model,
            "method": self.method,
            "map": self.map,
            "box": self.box,
            "precision": self.precision,
            "provider": self.provider,
            "dataset": self.dataset,
            "part": self.part,
            "images": len(self.images),
            "boxed_images": len(boxed),
            "threshold": self.threshold,
            "best_threshold": self.best_threshold,
            "top1_clas": whole.top1_clas,
            "top5_clas": percent(image.top5 for image in self.images),
            "top1_loc": whole.top1_loc,
            "top5_loc": percent(image.top5_loc for image in boxed),
            "gt_known_loc": whole.gt_known_loc,
            "gt_known_loc_iou_70": whole.gt_known_loc_iou_70,
            "gt_known_loc_at_best_threshold": whole.gt_known_loc_at_best_threshold,
            "top1_loc_at_best_threshold": percent(image.top1_loc_at_best for image in boxed),
            "max_box_acc": self.max_box_acc,
            "max_box_acc_v2": self.max_box_acc_v2,
            "pxap": self.pxap,
            "mean_iou": whole.mean_iou,
            "not_sure": percent(not image.sure for image in self.images),
            "top1_loc_without_min_score": percent(image.top1_loc_unasserted for image in boxed),
            "by_size": [asdict(group) for group in self.by_size],
            "by_class": [asdict(group) for group in self.by_class],
            "skipped": [reason for _, reason in self.skipped],
            "left_out": dict(self.left_out),
        }
        if not self.has_top5:
            del document["top5_clas"], document["top5_loc"]
        return {
            key: value if key in ("threshold", "best_threshold") else _rounded(value) for key, value in document.items()
        }


def group_score(name: str, images: Sequence[ImageScore]) -> GroupScore:
    """The percentages of some pictures, at least one."""
    boxed = [image for image in images if image.truths]
    return GroupScore(
        name=name,
        images=len(images),
        boxed=len(boxed),
        top1_clas=100 * float(np.mean([image.top1 for image in images])),
        top1_loc=percent(image.top1_loc for image in boxed),
        gt_known_loc=percent(image.gt_known for image in boxed),
        gt_known_loc_iou_70=percent(image.held_iou >= STRICT_IOU for image in boxed),
        gt_known_loc_at_best_threshold=percent(image.gt_known_at_best for image in boxed),
        mean_iou=percent(image.held_iou for image in boxed),
    )


def percent(values: Iterable[float]) -> float | None:
    """The mean of values in [0, 1] as a percentage; None of none."""
    listed = list(values)
    return 100 * float(np.mean(listed)) if listed else None


def _rounded(value: Any) -> Any:
    """Numbers to two decimals, in lists and objects too."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 2) if isinstance(value, float) else value
