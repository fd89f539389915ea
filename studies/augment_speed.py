"""What an augmentation costs: the training loop with it against the same loop without, on random pictures.

`python -m seekcam.studies.augment_speed` trains EfficientNet-Lite0 with Hide-and-Seek; `--steps-of googlenet_resize`
and the like name another step. Both loops crop, mirror and normalise; only the named step is added. They take turns, so
that whatever else the machine does falls on both, and the median over the pairs is what counts.
"""

import math
import time
from dataclasses import dataclass
from statistics import median
from typing import Annotated

import torch
import typer
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from seekcam.localization.errors import UserError
from seekcam.studies.study import run
from seekcam.training.augment.compose import Augmentation, build_augmentation
from seekcam.training.loss import mixed_cross_entropy
from seekcam.training.memory import keep_freed_memory
from seekcam.training.networks.catalogue import build_network
from seekcam.training.optimisation import build_optimiser
from seekcam.training.recipe import AugmentTable, InputTable, NetworkTable, OptimiserTable

CLASSES = 50
NETWORK = NetworkTable(pretrained=False)  # EfficientNet-Lite0: its weights cost no time
# Random pictures teach nothing; at this rate they do no harm either.
OPTIMISER = OptimiserTable(learning_rate=1e-6)


@dataclass(frozen=True, eq=False)
class TrainingLoop:
    """A network that learns from one batch of pictures over and over."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    pictures: Tensor  # uint8 (B, 3, R, R)
    labels: Tensor  # int64 (B,)

    def seconds(self, augmentation: Augmentation, steps: int) -> float:
        """The time of so many optimiser steps with this augmentation."""
        numbers = torch.arange(len(self.labels))
        self._wait()
        start = time.perf_counter()
        for epoch in range(steps):
            images, targets = augmentation(self.pictures, self.labels, numbers, seed=0, epoch=epoch)
            self.optimiser.zero_grad()
            loss = mixed_cross_entropy(self.network(images), targets).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        """Let the device finish what it was given."""
        if self.labels.is_cuda:
            torch.cuda.synchronize()


def relative_throughputs(
    loop: TrainingLoop, plain: Augmentation, augmented: Augmentation, steps: int, pairs: int
) -> list[float]:
    """For each pair, how many pictures the augmented loop passes for one of the plain loop."""
    for augmentation in (plain, augmented):  # the first steps allocate
        loop.seconds(augmentation, 1)
    ratios = []
    for pair in range(pairs):
        # Who goes first takes turns too.
        order = (plain, augmented) if pair % 2 == 0 else (augmented, plain)
        times = {augmentation: loop.seconds(augmentation, steps) for augmentation in order}
        ratios.append(times[plain] / times[augmented])
    return ratios


def measure(
    steps_of: Annotated[
        str, typer.Option(help="What to measure, as augment.steps names it; several with commas.")
    ] = "hide_and_seek",
    size: Annotated[int, typer.Option(min=32, help="Side of the network's input in pixels.")] = 224,
    batch: Annotated[int, typer.Option(min=1, help="Pictures of one optimiser step.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of one measurement.")] = 4,
    pairs: Annotated[int, typer.Option(min=1, help="Measurements of each loop.")] = 5,
) -> None:
    """Print the throughput of the augmented loop as a share of the plain loop's.

    Raises:
        UserError: a name that is no augmentation, or sizes that do not fit.
    """
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        table = TypeAdapter(AugmentTable).validate_python({"steps": steps_of.split(",")})
    except ValidationError as error:
        raise UserError(f"--steps-of {steps_of}: {error.errors()[0]['msg']}.") from error
    side = InputTable(size=size, resize=math.ceil(size * 256 / 224))
    network = build_network(NETWORK, CLASSES, size).to(device).to(memory_format=torch.channels_last).train()
    pictures = torch.randint(256, (batch, 3, side.resize, side.resize), dtype=torch.uint8)
    loop = TrainingLoop(
        network,
        build_optimiser(network, OPTIMISER),
        pictures.to(device, memory_format=torch.channels_last),
        torch.randint(CLASSES, (batch,)).to(device),
    )
    plain, augmented = (build_augmentation(side, each, network.mean, network.std) for each in (AugmentTable(), table))
    ratios = relative_throughputs(loop, plain, augmented, steps, pairs)
    listed = ", ".join(f"{ratio:.3f}" for ratio in sorted(ratios))
    typer.echo(
        f"{steps_of} at {size} x {size}, batch {batch}, on {device}: {median(ratios):.1%} of the plain loop's "
        f"throughput (median of {pairs} pairs of {steps} steps: {listed})"
    )


if __name__ == "__main__":
    run("augment_speed", measure)
