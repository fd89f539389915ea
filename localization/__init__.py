"""What one frame means: from a picture to classes, maps and boxes. NumPy, OpenCV and ONNX Runtime only."""

import os

# ONNX Runtime's official builds report to Microsoft what is run where, from their import on (the package's Privacy.md).
# A person's camera and models are nobody else's business; who wants the reports sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
