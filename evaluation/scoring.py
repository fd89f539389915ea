"""Score a model file on labelled pictures: exactly what streams is what is scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetError, LabelledPicture, PictureSet
from seekcam.datasets.readable import available_cores, in_threads
from seekcam.datasets.splits import evenly
from seekcam.evaluation.class_match import match_classes, named
from seekcam.evaluation.metrics import BoxAccuracy, Float64, PixelPrecision
from seekcam.evaluation.per_image import (
    THRESHOLDS,
    Alter,
    ImageMeasures,
    Labelled,
    LocalizedImage,
    Unreadable,
    ious_at_thresholds,
    localize_all,
    measure,
)
from seekcam.evaluation.scores import RIGHT_IOU, ImageScore, Scores
from seekcam.localization.card import MapKind
from seekcam.localization.errors import SettingsError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.settings import Analysis, AnalysisSettings, resolve

ALL = "all"  # every part of a set
RANKED = 5  # Top-5 Clas and Loc

OnProgress = Callable[[int, int], None]  # pictures done, of how many


@dataclass(frozen=True)
class BestThreshold:
    """The fixed threshold under which most boxes of the true class are right on some pictures."""

    threshold: float  # of a map in [0, 1]
    gt_known_loc: float  # percent on these pictures, which is more than others will give
    images: int  # pictures with boxes that it was chosen on


def score_model(
    model: LocalizationModel,
    pictures: PictureSet,
    settings: AnalysisSettings | None = None,
    *,
    part: str | None = None,
    limit: int | None = None,
    alter: Alter | None = None,
    on_progress: OnProgress | None = None,
) -> Scores:
    """Score `model` on one part of a set.

    Args:
        model: any model file; its classes are matched with the set's by order, id or name.
        pictures: a set, whose boxes and masks are used where it has some.
        settings: map, method, box, threshold and min_score are kept; the classes come from the pictures.
        part: "train", "validation", "test" or "all"; without one as `chosen_part` says.
        limit: at most so many pictures, evenly spread over the part.
        alter: changes each picture after it is squashed to uint8 [S, S, 3]: for a study that hides pixels at test.
        on_progress: called in this thread.

    Raises:
        DatasetError: no such part, classes that the model does not know, or no picture that can be read.
        SettingsError: a method that the model does not have, or a box maker that draws nothing.
    """
    analysis = resolve(replace(settings or AnalysisSettings(), classes=(), top_k=RANKED, compare=None), model.card)
    if analysis.box == "none":
        raise SettingsError("box none draws nothing to score: choose largest, components or two_stage.")
    part, listed = chosen_part(pictures, part)
    labelled, left_out = _known(model, pictures, listed)
    labelled = evenly(labelled, limit)
    images: list[ImageScore] = []
    skipped: list[tuple[Path, str]] = []
    fixed: dict[int, Float64] = {}  # index of an image -> its IoU at each of THRESHOLDS
    accuracy, precision = BoxAccuracy(), PixelPrecision()
    for item in in_threads(measure, localize_all(model, analysis, labelled, alter), available_cores()):
        if isinstance(item, Unreadable):
            skipped.append((item.picture.path, item.reason))
        else:
            if item.fixed_ious is not None:
                fixed[len(images)] = item.fixed_ious
            if item.contours is not None:
                accuracy.add(item.contours)
            if item.pixels is not None:
                precision.add(item.pixels)
            images.append(_image_score(item))
        if on_progress is not None:
            on_progress(len(images) + len(skipped), len(labelled))
    if not images:
        raise DatasetError(f"None of the {len(skipped)} pictures can be read; the first: {skipped[0][1]}")
    best = _best(np.stack(list(fixed.values()))) if fixed else None
    if best is not None:
        for index, ious in fixed.items():
            images[index] = replace(images[index], best_held_iou=float(ious[best]))
    pxap = precision.average_precision
    return Scores(
        model=model.card.name,
        method=analysis.method,
        map=analysis.map,
        box=analysis.box,
        threshold=_threshold(model, analysis),
        precision=model.card.precision,
        provider=model.provider,
        dataset=pictures.name,
        part=part,
        classes=pictures.classes,
        images=tuple(images),
        skipped=tuple(skipped),
        left_out=tuple(left_out.items()),
        best_threshold=None if best is None else float(THRESHOLDS[best]),
        max_box_acc=100 * accuracy.max_box_acc if fixed else None,
        max_box_acc_v2=100 * accuracy.max_box_acc_v2 if fixed else None,
        pxap=None if pxap is None else 100 * pxap,
        has_top5=len(model.card.classes) > RANKED,
    )


def best_fixed_threshold(
    model: LocalizationModel,
    pictures: PictureSet,
    *,
    part: str | None = None,
    map: MapKind = "plain",  # noqa: A002  (the setting's name everywhere)
    limit: int | None = None,
    on_progress: OnProgress | None = None,
) -> BestThreshold | None:
    """The best fixed threshold of a map with the card's default method, as export calibrates it.

    Of equal ones the middle: it is the least likely to be wrong on other pictures. None when no picture of the part
    that can be read has a box.

    Raises:
        DatasetError: no such part, or classes that the model does not know.
    """
    analysis = resolve(AnalysisSettings(map=map), model.card)
    labelled, _ = _known(model, pictures, [p for p in chosen_part(pictures, part)[1] if p.boxes])
    labelled = evenly(labelled, limit)

    def fixed_ious(item: LocalizedImage | Unreadable) -> Float64 | None:
        return None if isinstance(item, Unreadable) else ious_at_thresholds(item.grid, item.truths)

    found: list[Float64] = []
    for done, ious in enumerate(in_threads(fixed_ious, localize_all(model, analysis, labelled), available_cores()), 1):
        if ious is not None:
            found.append(ious)
        if on_progress is not None:
            on_progress(done, len(labelled))
    if not found:
        return None
    table = np.stack(found)
    best = _best(table)
    return BestThreshold(float(THRESHOLDS[best]), 100 * float((table[:, best] >= RIGHT_IOU).mean()), len(found))


def chosen_part(pictures: PictureSet, part: str | None = None) -> tuple[str, tuple[LabelledPicture, ...]]:
    """The pictures of `part` and its name; without one the test part, else the validation part, else all there are.

    Raises:
        DatasetError: the set has no such part.
    """
    if part is None:
        part = next((name for name in (TEST, VALIDATION) if pictures.parts.get(name)), ALL)
    if part == ALL:
        return ALL, tuple(picture for listed in pictures.parts.values() for picture in listed)
    if not pictures.parts.get(part):
        there = ", ".join([name for name in (TRAIN, VALIDATION, TEST) if pictures.parts.get(name)] + [ALL])
        raise DatasetError(f"{pictures.root} has no part {part!r}: choose of {there}.")
    return part, pictures.parts[part]


def _known(
    model: LocalizationModel, pictures: PictureSet, listed: Sequence[LabelledPicture]
) -> tuple[list[Labelled], dict[str, int]]:
    """The pictures whose class the model knows, with its index there, and how many there are of each other class.

    Raises:
        DatasetError: the model knows the classes of less than half of them.
    """
    matched = match_classes(model.card, pictures)
    labelled: list[Labelled] = []
    left_out: dict[str, int] = {}
    for picture in listed:
        expected = matched[picture.label]
        if expected is None:
            name = pictures.classes[picture.label]
            left_out[name] = left_out.get(name, 0) + 1
        else:
            labelled.append((picture, expected))
    if sum(left_out.values()) > len(labelled):
        # A class or two that happen to be called alike are no reason to score a model on another's data.
        raise DatasetError(
            f"{model.card.name} knows the classes of only {len(labelled)} of these {len(listed)} pictures; it lacks "
            f"{named(tuple(left_out))}. Give the model that was trained on them."
        )
    return labelled, left_out


def _best(ious: Float64) -> int:
    """The column of [images, thresholds] with the most right boxes; the middle one of equals."""
    right = (ious >= RIGHT_IOU).sum(axis=0)
    equals = np.flatnonzero(right == right.max())
    return int(equals[len(equals) // 2])


def _threshold(model: LocalizationModel, analysis: Analysis) -> float | str:
    if analysis.box == "two_stage":
        return "two_stage"
    return model.card.threshold if analysis.threshold == "card" else analysis.threshold


def _image_score(measured: ImageMeasures) -> ImageScore:
    localized = measured.localized
    top = localized.streamed.top
    return ImageScore(
        picture=localized.picture,
        truths=localized.truths,
        top=top,
        boxes=tuple(box.box for box in localized.streamed.boxes),
        held_boxes=tuple(box.box for box in localized.held.boxes),
        top1=top[0].index == localized.expected,
        top5=any(ranked.index == localized.expected for ranked in top),
        sure=localized.streamed.sure,
        top1_iou=measured.top1_iou,
        held_iou=measured.held_iou,
        best_held_iou=0.0,
    )
