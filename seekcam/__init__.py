"""seekcam: what a classifier sees and where, live and from Python.

Example:
    >>> import seekcam, skimage
    >>> model = seekcam.LocalizationModel(seekcam.model_file("efficientnet-lite0"))
    >>> seekcam.localize(model, skimage.data.chelsea()).boxes[0].name
    'Egyptian cat'

Each name is imported when it is first used, so that `import seekcam` takes no time. Only `export_cam_network`, and the
first build of a stock model, need torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seekcam.export.custom import export_cam_network
    from seekcam.facade import annotate, evaluate, model_file
    from seekcam.localization.errors import UserError
    from seekcam.localization.model import LocalizationModel
    from seekcam.localization.pipeline import localize
    from seekcam.localization.settings import AnalysisSettings

    __version__: str

__all__ = [
    "AnalysisSettings",
    "LocalizationModel",
    "UserError",
    "__version__",
    "annotate",
    "evaluate",
    "export_cam_network",
    "localize",
    "model_file",
]

_HOMES = {
    "AnalysisSettings": "seekcam.localization.settings",
    "LocalizationModel": "seekcam.localization.model",
    "UserError": "seekcam.localization.errors",
    "annotate": "seekcam.facade",
    "evaluate": "seekcam.facade",
    "export_cam_network": "seekcam.export.custom",
    "localize": "seekcam.localization.pipeline",
    "model_file": "seekcam.facade",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("seekcam")
    if name not in _HOMES:
        raise AttributeError(f"module 'seekcam' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
