"""The verb `train-objectness`: fit an objectness head to a trained network and write it to a file of its own."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seekcam.datasets.read_pictures import read_pictures
from seekcam.export.catalogue_network import catalogue_network
from seekcam.export.objectness_head import head_for
from seekcam.export.trained import describe_trained, find_checkpoint, rebuild
from seekcam.localization.card import ModelCard
from seekcam.localization.errors import UserError
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.networks.network import Network

SUFFIX = ".npz"
NOT_WORTH_IT = 3  # exit code: the head was fitted, does not help, and was not written


@dataclass(frozen=True)
class ObjectnessOptions:
    """What `seekcam train-objectness` was asked for."""

    source: str  # a run folder, a checkpoint, or a network of the catalogue
    data: Path
    out: Path | None = None
    weights: Path | None = None  # for a network of the catalogue; None: its published ones
    seed: int = 0
    licence: str = ""
    dataset: str = ""  # what the card calls the pictures; "": as their folder is called


def run(options: ObjectnessOptions, console: Console) -> int:
    """Fit, judge and write; returns the exit code.

    Raises:
        UserError: something given cannot be used; nothing is written.
    """
    out = options.out or Path(f"{Path(options.source).stem}{SUFFIX}")
    if out.suffix != SUFFIX:
        raise UserError(f"{out} must end in {SUFFIX}.")
    with console.status("reading") as status:
        network, card, split = _network(options)
        pictures = read_pictures(options.data, validation=split, seed=options.seed)
        facts = {"source": _source(card), "licence": options.licence or card.licence}
        if options.dataset:
            facts["dataset"] = options.dataset
        outcome = head_for(
            network,
            card,
            pictures,
            seed=options.seed,
            facts=facts,
            progress=lambda stage, done, total: status.update(f"{stage}: {done} of {total}"),
        )
        if outcome.head is None:
            console.print(f"No head was written: {outcome.reason}.", style="yellow", markup=False, soft_wrap=True)
            return NOT_WORTH_IT
        outcome.head.save(out)
    lines = (
        f"fitted to {outcome.head.facts['views']} views of {outcome.head.facts['pictures']} pictures",
        str(outcome.verdict),
        f"wrote {out} ({out.stat().st_size / 1e3:.0f} kB); seekcam export NETWORK --head {out} takes it",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _network(options: ObjectnessOptions) -> tuple[Network, ModelCard, float]:
    """The network, what its card says, and the share of its pictures that its training held out."""
    path = Path(options.source).expanduser()
    if path.is_dir() or path.suffix == ".pt":
        if options.weights is not None:
            raise UserError("--weights is for a network named by the catalogue: a checkpoint has its own.")
        file = find_checkpoint(path)
        checkpoint = Checkpoint.load(file)
        network, recipe = rebuild(checkpoint, file)
        return network, describe_trained(network, checkpoint, recipe, path.stem), recipe.data.validation
    network, card = catalogue_network(options.source, options.weights)
    return network, card, 0.0


def _source(card: ModelCard) -> str:
    return f"fitted to class maps of {card.network or card.name}, without boxes"
