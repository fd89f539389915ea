"""Whether aiortc is still what an adaptation was written for.

Each adaptation touches names that upstream may change, so each is guarded: its test fails when the upstream source it
was written for changes, and at run time an unknown upstream falls back to stock behaviour with a log line.
"""

import functools
import hashlib
import inspect
import logging
from typing import Any

logger = logging.getLogger(__name__)


@functools.cache  # reading and hashing takes milliseconds, on the event loop
def source_hash(thing: Any) -> str:
    """SHA-256 of the source text of a class or function, in hexadecimal."""
    return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()


@functools.cache
def warn_once(sentence: str) -> None:
    """Log a warning the first time that it is given."""
    logger.warning(sentence)
