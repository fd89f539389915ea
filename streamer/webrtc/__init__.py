"""What is adapted in aiortc, aioice and their codecs."""
