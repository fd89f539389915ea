"""The Chromium that studies and tests look at the page with."""

import shutil

from seekcam.streamer.doctor import BROWSERS

# For a page of this machine's own: peer connections to it are allowed, and nothing is asked of the network.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--allow-loopback-in-peer-connection",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str | None:
    """The path of a Chromium, or None when there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def camera_flags(clip: object) -> list[str]:
    """What makes a YUV4MPEG2 or MJPEG file the only camera."""
    return ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={clip}"]
