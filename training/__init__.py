"""How a model learns. Torch; knows nothing of ONNX or of streaming."""
