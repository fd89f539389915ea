"""Which HTTP status each error has: the errors know a code for what was wrong, and nothing of HTTP."""

from collections.abc import Mapping
from types import MappingProxyType

from seekcam.localization.errors import UserError

# By code; what is not listed is 400. `tests/streamer/http/test_error_statuses.py` names what a new error needs.
STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "unauthorized": 401,
        "forbidden": 403,
        "unknown-model": 404,
        "unknown-recording": 404,
        "unknown-stream": 404,
        "codec-refused": 406,
        "too-many-tracks": 406,
        "recording-state": 409,
        "stream-taken": 409,
        "stale-entity-tag": 412,
        "too-large": 413,
        "bad-picture": 415,
        "bad-video": 415,
        "wrong-content-type": 415,
        "bad-model": 422,
        "no-ice-restart": 422,
        "no-entity-tag": 428,
        "busy": 429,
        "no-candidates": 503,
        "session-cap": 503,
        "recording-failed": 507,
        "storage": 507,
    }
)


def status_of(error: UserError) -> int:
    """The HTTP status of an answer that tells of `error`."""
    return STATUSES.get(error.code, 400)
