"""How a trained network becomes one self-describing ONNX file."""
