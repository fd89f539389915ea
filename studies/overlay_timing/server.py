"""`seekcam serve` that also notes which frame came under which RTP timestamp: `python -m ... NOTES`, settings as usual.

Each decoded frame is a line: its RTP timestamp, and the number in its picture.
"""

import asyncio
import sys
from pathlib import Path

import av

from streamer.bench.clip import frame_number
from streamer.config import load_config
from streamer.server import serve
from streamer.stream import SentAs, Stream
from studies.overlay_timing.numbered import NO_NUMBER


def main(notes: Path) -> None:
    """Serve until stopped."""
    push = Stream.push
    with notes.open("w", encoding="ascii") as out:

        def noted(self: Stream, frame: av.VideoFrame, received: float, sent_as: SentAs | None = None) -> None:
            push(self, frame, received, sent_as)
            if sent_as is not None:
                number = frame_number(frame)
                out.write(f"{sent_as.rtp} {NO_NUMBER if number is None else number}\n")

        Stream.push = noted  # type: ignore[method-assign]
        asyncio.run(serve(load_config({}), lambda hub, port: None))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
