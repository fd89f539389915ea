"""How a trained network becomes one self-describing ONNX file."""

import seekcam.localization  # noqa: F401  # before ONNX Runtime: it keeps that from reporting to its maker
