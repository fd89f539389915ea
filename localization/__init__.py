"""What one frame means: from a picture to classes, maps and boxes. NumPy, OpenCV and ONNX Runtime only."""
