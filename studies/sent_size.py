"""How small may a camera's pictures be sent? `python -m seekcam.studies.sent_size DATA` with labelled pictures.

In overlay mode the page keeps the whole picture and the server only looks at it. Here each picture sways before a
camera of the given size; its frames are shrunk until the shorter side has so many pixels, encoded at a bitrate that
Chromium takes by itself (H.264 by libx264 in place of Chromium's OpenH264), and decoded. What the model says of the
last one is held against the label, and against what it says of that frame as the camera took it, by the measures of the
gate for precisions (`export/gate.py`).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import av
import numpy as np
import typer
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from seekcam.datasets.read_pictures import read_pictures
from seekcam.evaluation.class_match import match_classes
from seekcam.export.compare_outputs import look_all
from seekcam.export.gate import compare
from seekcam.localization.card import ModelCard
from seekcam.localization.errors import UserError
from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture
from seekcam.streamer.bench.moving_photograph import MovingPhotograph
from seekcam.streamer.media.frames import fit_frame
from seekcam.streamer.webrtc.encoders import VIDEO_TIME_BASE, open_encoder
from seekcam.studies.study import run

FPS = 30
FRAMES = 15  # until the encoder has found its balance; the last one counts
BITRATE = 1_700_000  # what Chromium sends up to 640 x 480 with at most; larger ones get somewhat more
MAX_PIXELS = 10**8
ENCODERS = {"vp8": "libvpx", "h264": "libx264"}  # by codec, FFmpeg's names


Codec = Literal["vp8", "h264"]


def sent(frames: Iterable[av.VideoFrame], side: int | None, codec: Codec) -> av.VideoFrame:
    """The last of some frames after it was shrunk so that its shorter side has `side` pixels, encoded and decoded.

    Frames that are no larger than that, and all where `side` is None, keep their size.
    """
    encoder: VideoCodecContext | None = None
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    last: av.VideoFrame | None = None
    for number, frame in enumerate(frames):
        scale = 1.0 if side is None else max(1.0, min(frame.width, frame.height) / side)
        width, height = (int(length / scale) // 2 * 2 for length in (frame.width, frame.height))
        small = frame.reformat(width, height, interpolation="AREA", threads=1)
        if encoder is None:
            encoder = open_encoder(ENCODERS[codec], width, height, BITRATE)
        small.pts, small.time_base = number * round(1 / FPS / VIDEO_TIME_BASE), VIDEO_TIME_BASE
        for packet in encoder.encode(small):
            last = decoder.decode(packet)[-1]
    assert last is not None
    return last


def fitted(
    card: ModelCard, picture: NDArray[np.uint8], camera: tuple[int, int], sides: list[int | None], codec: Codec
) -> list[NDArray[np.uint8]]:
    """What the model gets to see of a picture uint8 [H, W, 3]: as the camera took it, and as it was sent."""
    clip = MovingPhotograph(*camera, picture)
    frames = [clip.frame(number) for number in range(FRAMES)]
    seen = [frames[-1], *(sent(frames, side, codec) for side in sides)]
    return [fit_frame(frame, card.input_size, card.resize) for frame in seen]


def main(
    data: Annotated[Path, typer.Argument(help="A folder of labelled pictures, in any layout that `train` reads.")],
    model: Annotated[str, typer.Option(help="Name of a library model.")] = DEFAULT_MODEL,
    camera: Annotated[str, typer.Option(help="Its size.")] = "640x480",
    sides: Annotated[str, typer.Option(help="Pixels of the shorter side, with commas.")] = "360,280,224,160",
    codec: Annotated[Codec, typer.Option(help="Of the stream.")] = "h264",
    pictures: Annotated[int, typer.Option(min=1, help="How many at most, spread over the folder.")] = 100,
) -> None:
    """Measure and print a table with a row for each size."""
    console = Console(highlight=False)
    localizer = LocalizationModel(ModelLibrary().ensure(model), "cpu")
    labelled = read_pictures(data)
    own = match_classes(localizer.card, labelled)
    known = [each for part in labelled.parts.values() for each in part if own[each.label] is not None]
    if not known:
        raise UserError(f"No picture in {data} is of a class that {model} knows: give others, or another --model.")
    chosen = [known[int(place)] for place in np.linspace(0, len(known) - 1, min(pictures, len(known)))]
    labels = np.array([own[each.label] for each in chosen])
    try:
        width, height = (int(length) for length in camera.split("x"))
        wanted = [None, *(int(side) for side in sides.split(","))]
    except ValueError:
        raise UserError("Sizes are numbers of pixels: --camera such as 640x480, --sides such as 360,224.") from None
    seen = [
        fitted(localizer.card, read_picture(each.path, MAX_PIXELS), (width, height), wanted, codec)
        for each in track(chosen, "Sending the pictures", console=console, transient=True)
    ]
    taken, *others = (np.stack(frames) for frames in zip(*seen, strict=True))
    reference = look_all(localizer, taken)
    tops = [look.top for look in reference]
    own_map = localizer.card.maps[0]
    table = Table(title=f"{camera}, {codec}, {model}, {len(chosen)} pictures", box=None, pad_edge=False)
    for column in ("shorter side", "top class right", "the same", "map correlation", "box IoU", "plain map", "box IoU"):
        table.add_column(column, justify="right")
    table.add_row("as taken", f"{np.mean(labels == tops):.1%}")
    for side, frames in zip(wanted, others, strict=True):
        looks = look_all(localizer, frames, tops)
        report = compare(reference, looks)
        table.add_row(
            "whole" if side is None else str(side),
            f"{np.mean(labels == [look.top for look in looks]):.1%}",
            f"{report.top1_agreement:.1%}",
            f"{report.correlation[own_map].mean:.3f}",
            f"{report.box_iou[own_map].mean:.3f}",
            f"{report.correlation['plain'].mean:.3f}",
            f"{report.box_iou['plain'].mean:.3f}",
        )
    console.print(table)


if __name__ == "__main__":
    run("sent_size", main)
