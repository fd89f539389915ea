"""`StreamState`: where a stream is on its way from opening to its end."""

from enum import StrEnum


class StreamState(StrEnum):
    """Where a stream is, as people and `/api/streams` are told."""

    opening = "opening"
    connecting = "connecting"
    playing = "playing"
    reconnecting = "reconnecting"
    ended = "ended"
    failed = "failed"
