"""FFmpeg's own WHIP client, sending a photograph as H.264 and silence as Opus.

It runs in a process of its own, because opening and writing hold Python's lock while they wait for the server.
"""

import argparse
import time
from fractions import Fraction

import av
import numpy as np
from skimage import data

FPS = 15
AUDIO_RATE = 48_000  # Hz; Opus knows no other
AUDIO_FRAME = 960  # samples: 20 ms


def main() -> None:
    """Publish until the seconds are over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("certificate")
    parser.add_argument("key")
    parser.add_argument("--token", default="")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    # GnuTLS makes FFmpeg's own certificates on P-224, which OpenSSL 4 knows no more.
    options = {"cert_file": arguments.certificate, "key_file": arguments.key}
    if arguments.token:
        options["authorization"] = arguments.token
    with av.open(arguments.url, "w", format="whip", options=options) as output:
        video = output.add_stream("libx264", rate=FPS, options={"profile": "baseline", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt, video.gop_size = 448, 300, "yuv420p", FPS
        audio = output.add_stream("libopus", rate=AUDIO_RATE, layout="stereo")
        cat = np.ascontiguousarray(data.chelsea()[:300, :448])
        silence = np.zeros((1, 2 * AUDIO_FRAME), np.int16)
        started = time.monotonic()
        samples = 0
        for number in range(int(arguments.seconds * FPS)):
            time.sleep(max(0.0, started + number / FPS - time.monotonic()))
            picture = av.VideoFrame.from_ndarray(np.roll(cat, number % 16, axis=1), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            output.mux(video.encode(picture))
            while samples < number * AUDIO_RATE // FPS:
                sound = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
                sound.sample_rate, sound.pts, sound.time_base = AUDIO_RATE, samples, Fraction(1, AUDIO_RATE)
                output.mux(audio.encode(sound))
                samples += AUDIO_FRAME


if __name__ == "__main__":
    main()
