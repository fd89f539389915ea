"""Errors meant for the person: each message is one sentence that says what was wrong and what to do.

The command line prints the message and exits with `exit_code`; the server answers `{error: code, detail}` and has the
HTTP status of each code in a table of its own (`seekcam.streamer.http.error_statuses`). Anything that is not a
`UserError` is a defect of ours and keeps its traceback.
"""


class UserError(Exception):
    """What the person gave cannot be used; `str(error)` tells them why and what to do instead."""

    code = "bad-request"
    exit_code = 2


class SettingsError(UserError):
    """An analysis or paint setting has an unknown name or an impossible value."""

    code = "bad-setting"


class UnknownModelError(UserError):
    """No model of that name, and no file at that path."""

    code = "unknown-model"


class ModelFileError(UserError):
    """A file that is no ONNX graph, has no card, or breaks the graph contract."""

    code = "bad-model"


class PictureError(UserError):
    """Bytes that are no picture we read, a truncated one, or one too large."""

    code = "bad-picture"


class TooLargeError(PictureError):
    """A body or picture above the limits."""

    code = "too-large"
