"""The numbers in the frames: a clip for Chromium's camera, rows of it as the page reads them, and what came of each."""

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seekcam.streamer.bench.moving_photograph import LOOP, STRIP, MovingPhotograph, read_number

FPS = 30
NO_NUMBER = -1  # in the notes: a frame whose number cannot be read


@dataclass(frozen=True)
class Matches:
    """What became of the results of a session; the parts add up to `results`."""

    results: int
    right: int  # painted over the very frame that the server looked at
    wrong: int  # over another one
    without: int  # over none: too late, or no frame was near enough
    unreadable: int  # over a frame whose number the encoder, or somebody's reading, has lost

    @property
    def matched(self) -> float:
        """Share of the results that were matched to their very frame, 0 to 1."""
        return self.right / self.results if self.results else 0.0


def write_clip(file: Path, width: int, height: int) -> Path:
    """Write the moving photograph as YUV4MPEG2, each frame with its number, which start anew after `LOOP` frames."""
    clip = MovingPhotograph(width, height)
    with file.open("wb") as out:
        out.write(f"YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(LOOP):
            out.write(b"FRAME\n" + clip.frame(number).to_ndarray().tobytes())
        out.flush()
        os.fsync(out.fileno())  # or the system writes it while the first mode is watched
    return file


def number_in(row: bytes) -> int | None:
    """The number in one row of pixels through the strip, a byte a pixel."""
    pixels = np.frombuffer(row, np.uint8)
    return read_number(np.broadcast_to(pixels, (4 * STRIP, len(pixels))))


def number_of(row: str) -> int | None:
    """The same of a row as the page hands it over, in base64."""
    return number_in(base64.b64decode(row))


def write_notes(file: Path, rows: Iterable[tuple[int, bytes]]) -> None:
    """Write what the server saw: RTP timestamp and row of each frame, for `read_notes`."""
    numbers = ((rtp, number_in(row)) for rtp, row in rows)
    lines = (f"{rtp} {NO_NUMBER if number is None else number}\n" for rtp, number in numbers)
    file.write_text("".join(lines), encoding="ascii")


def read_notes(file: Path) -> dict[int, int | None]:
    """What the server saw: the number of the frame by its RTP timestamp."""
    pairs = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return {int(rtp): None if int(number) == NO_NUMBER else int(number) for rtp, number in pairs}


def join(results: Iterable[tuple[int, str | None]], seen: Mapping[int, int | None]) -> Matches:
    """Compare the frames that results were matched to with the frames that the server looked at.

    Args:
        results: RTP timestamp of the frame, and the row of the frame that the page took for it, if it found one.
        seen: what `read_notes` returns.
    """
    right = wrong = without = unreadable = 0
    for rtp, row in results:
        if row is None:
            without += 1
            continue
        number, expected = number_of(row), seen.get(rtp)
        if number is None or expected is None:
            unreadable += 1
        elif number == expected:
            right += 1
        else:
            wrong += 1
    return Matches(right + wrong + without + unreadable, right, wrong, without, unreadable)


def latencies(captured: Sequence[tuple[str, float]], returned: Sequence[tuple[str, float]]) -> list[float]:
    """Milliseconds from a frame's capture to the presentation of the annotated one, for those that can be read.

    Args:
        captured: row and moment (Unix milliseconds) of each frame of the camera.
        returned: row and moment of each annotated frame; a frame that is shown twice counts once.
    """
    moments: dict[int, list[float]] = {}
    for row, at in captured:
        number = number_of(row)
        if number is not None:
            moments.setdefault(number, []).append(at)
    found: dict[float, float] = {}
    for row, at in returned:
        number = number_of(row)
        before = [] if number is None else [moment for moment in moments.get(number, []) if moment <= at]
        # Numbers come again after some seconds, so the newest capture is the frame's own.
        if before and at - before[-1] < 1e3 * LOOP / FPS:
            found.setdefault(before[-1], at - before[-1])
    return list(found.values())
