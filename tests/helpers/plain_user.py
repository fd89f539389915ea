"""What a test does as somebody who may not do everything: root reads and writes past any permission."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65_534

needs_posix = pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")


@contextlib.contextmanager
def plain_user() -> Iterator[Path]:
    """An empty folder that belongs to everybody; within the block, root is nobody."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        was = os.geteuid()
        if was == 0:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(was)
