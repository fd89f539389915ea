"""Do two processes learn what one process learns? Train both ways on the CPU for some steps and compare the weights.

    python -m seekcam.studies.torchrun_agreement

With BatchNorm frozen and every picture's augmentation drawn from its own number, a step over the same pictures is the
same sum however it is split, and the weights differ by rounding only. With live BatchNorm every process normalises by
the pictures it has itself, as in any data-parallel training without synchronised statistics: they differ for good.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from seekcam.datasets.read_pictures import read_pictures
from seekcam.localization.errors import UserError
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.fit import fit
from seekcam.training.recipe_files import load_recipe

ROOT = Path(__file__).absolute().parents[2]
BATCH = 8  # pictures of a step, over all processes
CHANGES = (
    "network.name=resnet18",
    "network.pretrained=false",
    "network.dropout=0.0",  # each process drops other features
    "input.size=64",
    "input.resize=72",
    "input.crop=0",
    "augment.hide_and_seek.sizes=[0, 8]",
    "data.validation=0.0",
    "optimiser.learning_rate=0.001",  # at 0.003 these 20 steps grow a difference in the last bit to 2.5e-4
    f"schedule.batch={BATCH}",
    "schedule.epochs=1",
    "hardware.device=cpu",
    "hardware.workers=1",
)


def make_pictures(folder: Path, steps: int) -> None:
    """Noise with a tint, in two classes, just enough for one epoch of `steps` steps."""
    random = np.random.default_rng(0)
    for number in range(steps * BATCH):
        channel = number % 2
        pixels = random.integers(0, 120, (30, 40, 3), dtype=np.uint8)
        pixels[..., channel] += 120
        path = folder / ("red", "green")[channel] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def train(pictures: Path, out: Path, batchnorm: str) -> None:
    """Train in this process, or as one of torchrun's."""
    recipe = load_recipe("has-mixed", (*CHANGES, f"network.batchnorm={batchnorm}"))
    fit(read_pictures(pictures, validation=0.0), recipe, out)


def train_in_two(pictures: Path, out: Path, batchnorm: str) -> None:
    """Train in two processes of one thread each.

    Raises:
        RuntimeError: one of them failed; holds what it said.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--standalone", "--local-addr", "127.0.0.1", "-m", "seekcam.studies.torchrun_agreement"]
    command += ["--child", str(pictures), str(out), batchnorm]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"torchrun ended with {done.returncode}: {done.stderr[-2000:]}")


def greatest_difference(one: Checkpoint, other: Checkpoint) -> float:
    """Over all weights; BatchNorm's running statistics, whose scale is that of the features, are left out."""
    return max(
        float((value - other.network[name]).abs().max())
        for name, value in one.network.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )


def agreement(steps: int, batchnorm: str, folder: Path) -> float:
    """The greatest difference of a weight between one process and two after so many steps."""
    pictures = folder / "pictures"
    make_pictures(pictures, steps)
    train(pictures, folder / "one", batchnorm)
    train_in_two(pictures, folder / "two", batchnorm)
    one, two = (Checkpoint.load(folder / name / "last.pt") for name in ("one", "two"))
    if not one.step == two.step == steps:
        raise RuntimeError(f"{one.step} and {two.step} steps were done, not {steps}")
    return greatest_difference(one, two)


def main() -> None:
    """Compare, and print the two differences."""
    parser = argparse.ArgumentParser(description="Compare the weights that one and two processes learn.")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--child", nargs=3, metavar=("PICTURES", "OUT", "BATCHNORM"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        data, out, batchnorm = arguments.child
        train(Path(data), Path(out), batchnorm)
        return
    console = Console()
    for batchnorm in ("frozen", "live"):
        with tempfile.TemporaryDirectory() as folder:
            found = agreement(arguments.steps, batchnorm, Path(folder))
        console.print(
            f"BatchNorm {batchnorm}: the weights of one process and two differ by at most {found:.2g} after "
            f"{arguments.steps} steps",
            highlight=False,
            soft_wrap=True,
        )


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"torchrun_agreement: {error}")
