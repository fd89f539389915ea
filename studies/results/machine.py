"""Where and when a number was measured, in words."""

import platform
from datetime import UTC, datetime
from pathlib import Path

from seekcam.datasets.readable import available_cores


def machine_in_words(gpu: str = "") -> str:
    """The processor and its cores, after the GPU if one does the work."""
    cores = available_cores()
    words = f"{_processor()}, {cores} core{'s' if cores > 1 else ''}"
    return f"{gpu}, {words}" if gpu else words


def today() -> str:
    """The date in UTC, ISO."""
    return datetime.now(UTC).date().isoformat()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # another system than Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()
