"""Write a file in one step: whatever happens, there is the old one or the whole new one."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Write `content` beside `path`, bring it to the disk, and put it in the place of `path`.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file stays, and nothing is left over.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
