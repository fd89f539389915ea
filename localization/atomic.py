"""Write a file in one step: whatever happens, there is the old one or the whole new one."""

import os
import threading
from pathlib import Path

from seekcam.localization.errors import UserError


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Write `content` beside `path`, bring it to the disk, and put it in the place of `path`.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file stays, and nothing is left over.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """`replace_file` for files that a person named; the folder is made when it is not there.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error
