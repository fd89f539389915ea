"""Decoded frames, and files with their true times."""
