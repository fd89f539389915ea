"""A prediction's JSON within so many bytes: for a message of one SCTP chunk, and for a line of a header.

What is left out, in this order and always where most is left: boxes beyond the first of a side, the ends of the
rankings, the last boxes, the ends of long names. `"truncated": true` says that something is missing.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

SHORT_NAME = 40  # characters that are kept of a name when all else was not enough


def brief(document: Mapping[str, Any], limit: int, ascii_only: bool = False) -> str:
    """The document as JSON of at most `limit` bytes, as whole as fits."""
    text = _dump(document, ascii_only)
    for shorter in _shorter(document) if len(text.encode()) > limit else ():
        text = _dump(shorter, ascii_only)
        if len(text.encode()) <= limit:
            break
    return text


def _shorter(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The document with less and less in it."""
    body = {**document, "truncated": True}
    if "compare" in body:
        body["compare"] = dict(body["compare"])
    sides = [body, body["compare"]] if "compare" in body else [body]
    for kind, least in (("boxes", 1), ("top", 1), ("boxes", 0)):
        while len(items := (side := max(sides, key=lambda side: len(side[kind])))[kind]) > least:
            # One by one where there are few; of hundreds of boxes, a quarter at a time.
            side[kind] = items[: max(least, len(items) - max(1, len(items) // 4))]
            yield body
    for length in (SHORT_NAME, SHORT_NAME // 4):
        for side in sides:
            side["top"] = [{**entry, "name": entry["name"][:length]} for entry in side["top"]]
        yield body


def _dump(document: Mapping[str, Any], ascii_only: bool) -> str:
    return json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":"))
