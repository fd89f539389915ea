"""The one path from a picture to its meaning, for stream, upload, annotate and evaluate alike.

resize (`fit_picture`) -> graph (`LocalizationModel.run`) -> class choice, maps, boxes -> a second look at a small thing
(`look_again`) -> `Prediction`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import cast

import numpy as np
from numpy.typing import NDArray

from seekcam.localization.bars import find_bars
from seekcam.localization.boxes import ScoredRectangle, find_boxes, otsu, two_stage_threshold
from seekcam.localization.card import MapKind, ModelCard
from seekcam.localization.class_tracker import ClassTracker
from seekcam.localization.errors import PictureError
from seekcam.localization.model import LocalizationModel, RawOutputs
from seekcam.localization.pictures import squash
from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass
from seekcam.localization.region import WHOLE, Region, box_in_frame, grid_in_frame
from seekcam.localization.second_look import CUT, SecondLooks, better, found, wanted, whole_pixels
from seekcam.localization.settings import Analysis, AnalysisSettings, resolve
from seekcam.localization.steady import Steady

# Cuts a region out of a whole picture and fits it: RGB uint8 [S, S, 3], and the region to the pixel, as it was cut.
Cut = Callable[[Region], tuple[NDArray[np.uint8], Region]]

# The maps of which one level means the same in every frame.
STEADIED: tuple[MapKind, ...] = ("objectness", "foreground")


@dataclass(frozen=True)
class FrameRequest:
    """What one frame of a batch wants; frames of a stream share what it remembers, pictures on their own have none."""

    analysis: Analysis
    tracker: ClassTracker | None = None
    pts: float = 0.0  # seconds
    region: Region = WHOLE  # what the model was shown of the frame
    looks: SecondLooks | None = None  # None may always have a second look
    steady: Steady | None = None


def fit_picture(picture: NDArray[np.uint8], card: ModelCard, region: Region = WHOLE) -> NDArray[np.uint8]:
    """Squash an RGB picture [H, W, 3], or a region of it, to the model's [S, S, 3] with the card's resize filter."""
    if region != WHOLE:
        height, width = picture.shape[:2]
        x0, y0, x1, y1 = region
        left, top = min(round(x0 * width), width - 1), min(round(y0 * height), height - 1)
        picture = picture[top : max(top + 1, round(y1 * height)), left : max(left + 1, round(x1 * width))]
    return squash(picture, card.input_size, card.resize)


def cut_picture(picture: NDArray[np.uint8], card: ModelCard, region: Region) -> tuple[NDArray[np.uint8], Region]:
    """A region of an RGB picture [H, W, 3], fitted as `fit_picture` does, and where it lies to the pixel."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = whole_pixels(region, width, height)
    return fit_picture(picture[y0:y1, x0:x1], card), (x0 / width, y0 / height, x1 / width, y1 / height)


def localize(
    model: LocalizationModel, picture: NDArray[np.uint8], settings: AnalysisSettings | None = None
) -> Prediction:
    """Localize in one RGB picture, uint8 [H, W, 3]; black bars around it are left out.

    Example:
        >>> model = LocalizationModel(ModelLibrary().ensure("efficientnet-lite0"))
        >>> localize(model, skimage.data.chelsea()).boxes[0].name
        'Egyptian cat'

    Raises:
        PictureError: it is no such picture.
        SettingsError: a class or method that the model does not have.
    """
    _check_picture(picture)
    region = find_bars(picture)
    request = FrameRequest(resolve(settings or AnalysisSettings(), model.card), region=region)
    cut = partial(cut_picture, picture, model.card)
    return localize_batch(model, [fit_picture(picture, model.card, region)], [request], [cut])[0]


def _check_picture(picture: object) -> None:
    if isinstance(picture, np.ndarray):
        if picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size:
            return
        what = f"{picture.dtype} {list(picture.shape)}"
    else:
        what = "None, which OpenCV gives for a file that it cannot read" if picture is None else type(picture).__name__
    raise PictureError(f"Give localize a picture as an RGB array, uint8 [H, W, 3], not {what}.")


def localize_batch(
    model: LocalizationModel,
    fitted: Sequence[NDArray[np.uint8]],
    requests: Sequence[FrameRequest],
    cuts: Sequence[Cut] = (),
) -> list[Prediction]:
    """Localize in a batch of fitted frames, one request each; what streams remember is updated in the order given.

    Args:
        cuts: one for each frame, of the picture that it was made of; without them nothing is looked at twice.
    """
    started = perf_counter()
    raw = run_graph(model, fitted, requests)
    infer_ms = (perf_counter() - started) * 1e3
    predictions = [interpret(model.card, raw, index, request, infer_ms) for index, request in enumerate(requests)]
    return _look_again(model, predictions, requests, cuts) if cuts else predictions


def look_again(model: LocalizationModel, first: Prediction, request: FrameRequest, cut: Cut) -> Prediction:
    """`first`, made better by a second look where the thing is small and its stream may have one, or had one just now.

    Only the largest box of an objectness map is looked at: it was measured for no other.
    """
    return _look_again(model, [first], [request], [cut])[0]


def _look_again(
    model: LocalizationModel, firsts: Sequence[Prediction], requests: Sequence[FrameRequest], cuts: Sequence[Cut]
) -> list[Prediction]:
    """`look_again` for a batch: what is due of different streams runs as one batch again.

    A stream's next frame waits for what its last one has seen.
    """
    seen = list(firsts)
    wave: dict[int, Region] = {}  # whose second look is due, by place in the batch: where
    for place, (first, request) in enumerate(zip(firsts, requests, strict=True)):
        if (request.analysis.map, request.analysis.box) != ("objectness", "largest"):
            continue
        looks = request.looks
        if looks is not None and any(requests[other].looks is looks for other in wave):
            _look(model, seen, requests, cuts, wave)
            wave = {}
        due = looks is None or looks.due(first, request.pts)
        region = wanted(first, request.region)
        if region is None:
            continue
        if due:
            wave[place] = region
        elif looks is not None and (closer := looks.held(first)) is not None:
            seen[place] = better(first, closer)
    _look(model, seen, requests, cuts, wave)
    return seen


def _look(
    model: LocalizationModel,
    seen: list[Prediction],
    requests: Sequence[FrameRequest],
    cuts: Sequence[Cut],
    wave: Mapping[int, Region],
) -> None:
    """Look closer at the given regions, in one run, and put what that says into `seen`."""
    if not wave:
        return
    started = perf_counter()
    parts = [cuts[place](region) for place, region in wave.items()]
    shown = [seen[place].maps[0] for place in wave]
    asked = [
        FrameRequest(replace(requests[place].analysis, classes=(one.index,), threshold=CUT * one.threshold))
        for place, one in zip(wave, shown, strict=True)
    ]
    raw = run_graph(model, [fitted for fitted, _ in parts], asked)
    for index, (place, request, (_, region)) in enumerate(zip(wave, asked, parts, strict=True)):
        first, looks = seen[place], requests[place].looks
        closer = found(first, interpret(model.card, raw, index, request), region)
        if looks is not None:
            closer = looks.took(first, closer, requests[place].pts)
        seen[place] = first if closer is None else better(first, closer)
    spent = (perf_counter() - started) * 1e3
    for place in wave:
        ms = seen[place].ms
        seen[place] = replace(seen[place], ms={**ms, "infer": ms.get("infer", 0.0) + spent})


def run_graph(
    model: LocalizationModel, fitted: Sequence[NDArray[np.uint8]], requests: Sequence[FrameRequest]
) -> RawOutputs:
    """What the graph says of a batch of fitted frames: the outputs that the requests need, for `interpret`."""
    outputs = ["logits", "chosen"]
    for kind in sorted({r.analysis.map for r in requests}):
        outputs += _outputs_of(kind, model.card)
    if any(r.analysis.box == "two_stage" for r in requests):
        outputs.append("features")
    return model.run(
        np.stack(fitted),
        np.stack([_positions(request, model.card.mapped) for request in requests]),
        np.array([request.analysis.method_index for request in requests], np.int64),
        outputs,
    )


def _outputs_of(kind: MapKind, card: ModelCard) -> tuple[str, ...]:
    """The graph's outputs that a kind of map is made of: the map, then its own threshold where it has one."""
    match kind:
        case "objectness":
            return ("spread",)
        case "spread":  # what the graph calls so is the map by the card's own rule
            return ("affinity", "affinity_threshold") if card.objectness else ("spread", "threshold")
        case "plain":
            return ("maps",)
        case "foreground":
            return ("objectness",)


def _positions(request: FrameRequest, k: int) -> NDArray[np.int64]:
    """The graph's `classes` row: wanted classes at the end, so that the true ranking keeps the first places."""
    wanted = request.analysis.classes
    if not wanted and request.tracker is not None and request.tracker.held is not None:
        wanted = (request.tracker.held,)
    row = np.full(k, -1, np.int64)
    if wanted:
        row[k - len(wanted) :] = wanted
    return row


def interpret(card: ModelCard, raw: RawOutputs, index: int, request: FrameRequest, infer_ms: float = 0.0) -> Prediction:
    """The prediction for frame `index` of a batch that `run_graph` has run.

    The request may be another than the graph was run with, as long as the classes it shows were mapped: one run that
    held a class also answers the request that follows the top prediction.
    """
    started = perf_counter()
    analysis = request.analysis
    logits = cast("NDArray[np.float32]", raw["logits"][index])
    scores = _softmax(logits)
    ranking = np.argsort(-scores, kind="stable")[: analysis.top_k]
    chosen = [int(c) for c in raw["chosen"][index]]
    shown = _shown_classes(scores, logits, chosen, request)
    maps = tuple(
        _class_map(card, raw, index, analysis, chosen.index(wanted), wanted, float(scores[wanted])) for wanted in shown
    )
    maps, found = _found(maps, request)
    boxes = tuple(
        Box(m.index, m.name, score, box_in_frame(rectangle, request.region))
        for m, boxes_of_class in zip(maps, found, strict=True)
        for rectangle, score in boxes_of_class
    )
    # Their thresholds are not chosen by the features, which takes long: nobody asked for boxes of these.
    plainly = replace(analysis, box="none") if analysis.box == "two_stage" else analysis
    others = tuple(
        _class_map(card, raw, index, plainly, position, c, float(scores[c]))
        for position, c in enumerate(chosen)
        if c not in shown and c not in chosen[:position]
    )
    return Prediction(
        model=card.name,
        method=analysis.method,
        top=tuple(RankedClass(int(c), card.classes[c], float(scores[c])) for c in ranking),
        maps=_in_frame(maps, request.region),
        boxes=boxes,
        others=_in_frame(others, request.region),
        map=analysis.map,
        ms={"infer": infer_ms, "boxes": (perf_counter() - started) * 1e3},
    )


def _found(
    maps: tuple[ClassMap, ...], request: FrameRequest
) -> tuple[tuple[ClassMap, ...], list[tuple[ScoredRectangle, ...]]]:
    """The maps that are shown, and the boxes of each; of a stream, both are held steady where its cut is a constant."""
    analysis, steady = request.analysis, request.steady
    if steady is None or analysis.map not in STEADIED or analysis.box == "two_stage":
        return maps, [find_boxes(m.grid, analysis.box, m.threshold) for m in maps]
    steady.begin([m.index for m in maps], request.pts, request.region)
    averaged = tuple(steady.average(m) for m in maps)
    if analysis.box == "largest":
        return averaged, [steady.box(m) for m in averaged]
    return averaged, [find_boxes(m.grid, analysis.box, m.threshold) for m in averaged]


def _in_frame(maps: tuple[ClassMap, ...], region: Region) -> tuple[ClassMap, ...]:
    if region == WHOLE:
        return maps
    return tuple(replace(shown, grid=grid_in_frame(shown.grid, region)) for shown in maps)


def _shown_classes(
    scores: NDArray[np.float64], logits: NDArray[np.float32], chosen: list[int], request: FrameRequest
) -> tuple[int, ...]:
    """The classes asked for; else the held top class, or none of them when it is below `min_score`."""
    if request.analysis.classes:
        return request.analysis.classes
    top = int(np.argmax(scores)) if request.tracker is None else request.tracker.update(logits, request.pts, chosen)
    return (top,) if scores[top] >= request.analysis.min_score else ()


def _class_map(
    card: ModelCard, raw: RawOutputs, index: int, analysis: Analysis, position: int, wanted: int, score: float
) -> ClassMap:
    output, *own = _outputs_of(analysis.map, card)
    of_class = 0 if analysis.map == "foreground" else position  # the plane is the same for every class
    grid = cast("NDArray[np.float32]", raw[output][index, of_class])
    if analysis.map == "plain":
        grid = normalised(grid)
    match analysis.threshold:
        case "otsu":
            threshold = float(raw[own[0]][index, position]) if own else otsu(grid)
        case "card":
            threshold = card.threshold
        case given:
            threshold = given
    if analysis.box == "two_stage":
        threshold = two_stage_threshold(grid, cast("NDArray[np.float32]", raw["features"][index]))
    return ClassMap(wanted, card.classes[wanted], grid, threshold, score)


def normalised(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Min-max to [0, 1]; a constant or non-finite map becomes zeros (wsolevaluation's convention)."""
    low, high = float(grid.min()), float(grid.max())
    if not np.isfinite(low + high) or high <= low:
        return np.zeros_like(grid)
    return ((grid - low) / (high - low)).astype(np.float32)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    exponentials = np.exp(logits.astype(np.float64) - float(logits.max()))
    return cast("NDArray[np.float64]", exponentials / exponentials.sum())
