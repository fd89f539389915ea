"""Sets of labelled pictures on disk: what they hold, the layouts they come in, the boxes and masks to score with."""
