"""Annotate a video file: every frame, at its own time, with the sound kept - and go on after an interruption.

The work is done in pieces of 120 frames. A finished piece (video, predictions, the state of the class hysteresis) is
kept in a folder `.OUTPUT.part` beside the output, so that the same command, given again, continues behind the last
finished piece and makes exactly the file that an undisturbed run makes. Earlier frames are decoded again, which is
cheap, but not localized or encoded. When all pieces are there they are joined, and the output appears at once.
"""

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from seekcam.localization.atomic import replace_file
from seekcam.localization.painting.overlay import FILE
from seekcam.localization.prediction import Prediction
from seekcam.streamer.annotate.analyst import Analyst
from seekcam.streamer.media.frames import paint_frame, upright
from seekcam.streamer.media.prefetch import prefetch
from seekcam.streamer.media.video_file import Piece, VideoInput, join

PIECE_FRAMES = 120  # a multiple of every batch: batches must not depend on where a run was interrupted
STATE = 2  # what an analyst carries from piece to piece: another number for another form, or another meaning
GPU_BATCH = 8  # on a CPU one frame at a time is as fast
_AHEAD = 2  # batches that wait between decoding, localizing and encoding

OnProgress = Callable[[int, int | None], None]  # frames done, frames expected


@dataclass
class Progress:
    """What is finished of an interrupted video."""

    job: dict[str, Any]  # whose progress it is: input, models and settings
    pieces: list[dict[str, int]] = field(default_factory=list)  # of each its `frames` and its `start`
    state: Mapping[str, Any] | None = None  # the analyst's
    size: tuple[int, int] | None = None

    @property
    def frames(self) -> int:
        """How many frames are finished."""
        return sum(piece["frames"] for piece in self.pieces)


@dataclass(frozen=True, eq=False)
class _Batch:
    frames: list[av.VideoFrame]
    predictions: list[Prediction]
    state: Mapping[str, Any]  # the analyst's after these frames


def annotate_video(
    analyst: Analyst,
    source: Path,
    output: Path,
    sidecar: Path | None = None,
    on_progress: OnProgress = lambda done, expected: None,
) -> tuple[int, int]:
    """Annotate every frame of `source` into `output`.

    Args:
        sidecar: where the predictions go, one line of JSON (Contract 3) a frame; None for nowhere.

    Returns:
        The number of frames written, and of damaged packets that were passed over.

    Raises:
        UserError: the input is no video.
        OSError, av.FFmpegError: the output cannot be written.
    """
    folder = output.with_name(f".{output.name}.part")
    with VideoInput(source) as video:
        progress = _load(folder, _job(analyst, source))
        try:
            _annotate_pieces(analyst, video, folder, progress, on_progress)
            names = [f"{number:05d}" for number in range(len(progress.pieces))]
            whole = folder / f"whole{output.suffix}"
            parts = [(folder / f"{name}.mp4", p["start"]) for name, p in zip(names, progress.pieces, strict=True)]
            join(parts, source, whole, video.time_base)
            if sidecar is not None:
                _concatenate([folder / f"{name}.jsonl" for name in names], sidecar)
            whole.replace(output)
            shutil.rmtree(folder)
        finally:
            if not progress.pieces:  # nothing to go on from
                shutil.rmtree(folder, ignore_errors=True)
        return progress.frames, video.damaged


def _annotate_pieces(
    analyst: Analyst,
    video: VideoInput,
    folder: Path,
    progress: Progress,
    on_progress: OnProgress,
) -> None:
    """Make the pieces that are missing; `progress` grows with each."""
    batch_size = 1 if analyst.models[0].provider == "cpu" else GPU_BATCH
    if progress.state is not None:
        analyst.restore(progress.state)
    on_progress(progress.frames, video.expected_frames)
    decoded = itertools.islice(video.frames(), progress.frames, None)
    fitted = ((frame, analyst.fit(frame, frame.time)) for frame in map(upright, decoded))
    with (
        closing(prefetch(fitted, _AHEAD * batch_size)) as inputs,
        closing(prefetch(_localized(analyst, _grouped(inputs, batch_size)), _AHEAD)) as ready,
    ):
        while (first := next(ready, None)) is not None:
            rest = itertools.islice(ready, PIECE_FRAMES // batch_size - 1)
            _make_piece(itertools.chain([first], rest), analyst, video, folder, progress, on_progress)


def _grouped(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while group := list(itertools.islice(iterator, size)):
        yield group


def _localized(analyst: Analyst, groups: Iterable[list[Any]]) -> Iterator[_Batch]:
    for group in groups:
        frames = [frame for frame, _ in group]
        predictions = analyst.follow(frames, [fitted for _, fitted in group], [frame.time for frame in frames])
        yield _Batch(frames, predictions, analyst.state())


def _make_piece(
    batches: Iterable[_Batch],
    analyst: Analyst,
    video: VideoInput,
    folder: Path,
    progress: Progress,
    on_progress: OnProgress,
) -> None:
    name = f"{len(progress.pieces):05d}"
    unfinished = folder / f"{name}.part.mp4"
    piece: Piece | None = None
    count, state = 0, progress.state
    with ExitStack() as undo:
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as lines:
            for batch in batches:
                for frame, prediction in zip(batch.frames, batch.predictions, strict=True):
                    painted = paint_frame(frame, prediction, analyst.settings.paint, FILE)
                    if piece is None:
                        progress.size = progress.size or (painted.width, painted.height)
                        aspect = _upright_aspect(video, frame)
                        piece = Piece(unfinished, painted, progress.size, video.time_base, aspect)
                        undo.callback(piece.abandon)
                    piece.write(painted)
                    document = prediction.to_json(frame.time, progress.frames + count)
                    lines.write(json.dumps(document, ensure_ascii=False) + "\n")
                    count += 1
                state = batch.state
                on_progress(progress.frames + count, video.expected_frames)
        if piece is None:
            return
        piece.close()
        undo.pop_all()
    unfinished.replace(folder / f"{name}.mp4")
    progress.pieces.append({"frames": count, "start": piece.start})
    progress.state = state
    _save(folder, progress)


def _upright_aspect(video: VideoInput, frame: av.VideoFrame) -> Fraction | None:
    aspect = video.sample_aspect_ratio
    return 1 / aspect if aspect and video.lies_on_its_side else aspect


def _job(analyst: Analyst, source: Path) -> dict[str, Any]:
    """Everything the result depends on: progress made under another job is of no use."""
    stat = source.stat()
    return {
        "source": [str(source.resolve()), stat.st_size, stat.st_mtime_ns],
        "models": [hashlib.sha256(model.path.read_bytes()).hexdigest() for model in analyst.models],
        "provider": analyst.models[0].provider,
        "settings": analyst.settings.to_json(),
        "piece": PIECE_FRAMES,
        "state": STATE,
        "av": av.__version__,
    }


def _load(folder: Path, job: dict[str, Any]) -> Progress:
    """The progress of an interrupted run of the same job; otherwise none, in a fresh folder."""
    file = folder / "progress.json"
    if file.is_file():
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["job"] == json.loads(json.dumps(job)):
            size = document["size"]
            return Progress(job, document["pieces"], document["state"], (size[0], size[1]))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Progress(job)


def _save(folder: Path, progress: Progress) -> None:
    replace_file(folder / "progress.json", json.dumps(asdict(progress)).encode())


def _concatenate(parts: list[Path], output: Path) -> None:
    partial = output.with_name(f".{output.name}.part")
    with partial.open("wb") as whole:
        for part in parts:
            with part.open("rb") as lines:
                shutil.copyfileobj(lines, whole)
    partial.replace(output)
