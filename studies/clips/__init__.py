"""Clips with boxes in which streams are judged: how well the box holds the thing, and how much it jumps."""
