"""Small networks with random weights, as whole as real ones for whatever looks at features, head and maps."""

import torch
from torch import Tensor, nn

from seekcam.training.networks.network import Features

SIDE = 64  # pixels: maps of 2 x 2 at stride 32 would hold nothing, so the tiny network stops at stride 16


class TinyNetwork(nn.Module):
    """Last features at stride 16, and the finer layer at stride 8: 4 x 4 and 8 x 8 cells at 64 pixels."""

    mean = (120.0, 115.0, 100.0)
    std = (60.0, 58.0, 61.0)

    def __init__(self, classes: int = 7, channels: int = 24, *, bias: bool = True, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.fine = nn.Sequential(nn.Conv2d(3, 16, 7, stride=4, padding=3), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1))
            self.coarse = nn.Sequential(nn.ReLU(), nn.Conv2d(16, channels, 3, 2, 1), nn.ReLU())
            self.head = nn.Linear(channels, classes, bias=bias)
            nn.init.normal_(self.head.weight)

    def forward_features(self, images: Tensor) -> Features:
        """(B, 3, S, S) to both layers."""
        fine = self.fine(images)
        return Features(last=self.coarse(fine), stride16=fine)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, C) logits."""
        logits: Tensor = self.head(self.forward_features(images).last.mean((2, 3)))
        return logits


def random_frames(batch: int, side: int = SIDE, seed: int = 0) -> Tensor:
    """uint8 (B, S, S, 3): patches of colour under noise, so that maps have structure."""
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randint(0, 256, (batch, 4, 4, 3), generator=generator).float()
    broad = patches.repeat_interleave(side // 4, 1).repeat_interleave(side // 4, 2)
    return (broad + 20 * torch.randn(broad.shape, generator=generator)).clamp(0, 255).to(torch.uint8)
