"""Measuring: the stages of one frame (`stages`), and the whole way through a peer connection (`end_to_end`)."""
