"""`seekcam serve` that also notes which frame came under which RTP timestamp: `python -m ... NOTES`, settings as usual.

Each decoded frame is a line: its RTP timestamp, and the number in its picture. While it serves, it only keeps a row of
pixels through that number, since reading it takes time from what is measured; the notes are written at the end.
"""

import asyncio
import sys
from pathlib import Path

import av

from seekcam.streamer.bench.moving_photograph import STRIP
from seekcam.streamer.config import load_config
from seekcam.streamer.media.frames import planes
from seekcam.streamer.server import serve
from seekcam.streamer.stream import SentAs, Stream
from seekcam.studies.overlay_timing.numbered import write_notes


def main(notes: Path) -> None:
    """Serve until stopped."""
    push = Stream.push
    rows: list[tuple[int, bytes]] = []

    def noted(self: Stream, frame: av.VideoFrame, received: float, sent_as: SentAs | None = None) -> None:
        push(self, frame, received, sent_as)
        if sent_as is not None:
            luma = planes(frame)[0]
            rows.append((sent_as.rtp, luma[len(luma) - len(luma) // STRIP // 2].tobytes()))

    Stream.push = noted  # type: ignore[method-assign]
    try:
        asyncio.run(serve(load_config({}), lambda hub, port: None))
    finally:
        write_notes(notes, rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
