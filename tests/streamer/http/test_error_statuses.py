"""Every error of the server has a status that was chosen for it, and no status is of a code that is gone."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from seekcam.localization.errors import UserError
from seekcam.streamer.http.error_statuses import STATUSES, status_of

ROOT = Path(__file__).parents[3]
BAD_REQUESTS = {  # what is answered with 400, or never answered: only a command line meets it
    "bad-config", "bad-offer", "bad-request", "bad-setting", "bad-source", "bench-failed", "no-provider",
}  # fmt: skip


def errors(kind: type[UserError]) -> Iterator[type[UserError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from errors(below)


def test_every_code_of_the_server_is_known() -> None:
    rooms = ("localization", "streamer")
    for path in (path for room in rooms for path in (ROOT / room).rglob("*.py")):
        importlib.import_module("seekcam." + ".".join(path.relative_to(ROOT).with_suffix("").parts))
    here = {kind.code for kind in errors(UserError) if kind.__module__.split(".")[1] in rooms}
    assert here == set(STATUSES) | BAD_REQUESTS


def test_a_code_decides_and_not_the_class() -> None:
    class LampError(UserError):
        code = "session-cap"

    assert status_of(LampError("Full: come back later.")) == 503
    assert status_of(UserError("No.")) == 400
