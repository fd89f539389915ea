"""A model that costs next to nothing: for measuring what everything but the model costs.

It has the shape of a real one (1,000 classes, 7 x 7 and 14 x 14 maps of a 224-pixel input) and sees nothing.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from export.own import export_cam_network

CLASSES = 1000
CHANNELS = 8


class FloorNetwork(nn.Module):
    """One convolution over patches of 16 pixels, a mean of their neighbours, and the head."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.fine = nn.Sequential(nn.Conv2d(3, CHANNELS, 16, stride=16), nn.ReLU())
            self.coarse = nn.AvgPool2d(2)
            self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, C) logits."""
        logits: Tensor = self.head(self.coarse(self.fine(images)).mean((2, 3)))
        return logits


def write_floor_model(path: Path) -> Path:
    """Write the model file; returns `path`."""
    network = FloorNetwork()
    export_cam_network(
        network,
        features=network.coarse,
        head=network.head,
        stride16=network.fine,
        classes=[f"class {index}" for index in range(CLASSES)],
        path=path,
        min_score=0.0,  # always asserts something, as the dearer case is
    )
    return path
