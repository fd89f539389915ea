"""The verb `export`: from a checkpoint or an fp32 model file to a file in the library, verified, calibrated and gated.

All work is done in a hidden folder beside the output, and one rename ends it: whatever happens, the output is the old
file, or the whole new one.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from rich.console import Console
from rich.status import Status

from seekcam.export.calibrate import Material, calibrated, material, two_samples
from seekcam.export.catalogue_network import catalogue_network
from seekcam.export.destination import Place, enter, plan, told
from seekcam.export.objectness_head import head_from_training
from seekcam.export.onnx import ExportError, export_network, set_card
from seekcam.export.precision import Precision, convert
from seekcam.export.trained import describe_trained, find_checkpoint, rebuild, run_name
from seekcam.localization.card import METHODS, ModelCard
from seekcam.localization.errors import UserError
from seekcam.localization.library import BUILDABLE, ModelLibrary, is_file_name, name_from
from seekcam.localization.model import LocalizationModel, read_card
from seekcam.training.checkpoint import Checkpoint
from seekcam.training.networks.catalogue import NETWORKS
from seekcam.training.networks.network import Network
from seekcam.training.objectness.head import ObjectnessHead


@dataclass(frozen=True)
class ExportOptions:
    """What `seekcam export` was asked for."""

    source: str  # a checkpoint, a run folder, a network of the catalogue, or the name or file of an fp32 model
    out: Path | None = None
    precision: Precision = "fp32"
    data: Path | None = None
    annotations: Path | None = None
    name: str | None = None
    method: str | None = None  # the card's default method; None keeps it
    calibrate: bool = True
    overwrite: bool = False
    objectness: bool = True  # fit an objectness head
    head: Path | None = None  # take this one instead of fitting one
    seed: int = 0  # of the fit
    weights: Path | None = None  # a state dict for a network of the catalogue


def run(options: ExportOptions, console: Console) -> Place:
    """Export; the console takes progress and summary.

    Raises:
        UserError: something given cannot be used, the file does not agree with the network, or a precision is refused.
    """
    if options.method is not None and options.method not in METHODS:
        raise ExportError(f"There is no map method {options.method}: choose one of {', '.join(METHODS)}.")
    library = ModelLibrary()
    if options.weights is not None or _is_network(options, library):
        return _from_catalogue(options, library, console)
    checkpoint_file = _checkpoint_file(options.source, library)
    if checkpoint_file is None and (options.head is not None or not options.objectness):
        raise ExportError(
            f"{options.source} is a model file, whose objectness head goes with its graph: give --head or "
            "--no-objectness with a checkpoint or a network of the catalogue."
        )
    source = library.ensure(options.source) if checkpoint_file is None else checkpoint_file
    model = source.stem if source.suffix == ".onnx" else run_name(source)
    place = plan(_name(options, model), options.out, library, overwrite=options.overwrite, source=source)
    with console.status("reading") as status, told(place.file.parent), _work_folder(place) as work:
        job = _Job(options, place, Path(work), _Steps(console, status))
        if checkpoint_file is None:
            job.from_model(source)
        else:
            job.from_checkpoint(source)
        job.finished.chmod(0o644)
        job.finished.replace(place.file)
    how = enter(place)
    _summarise(console, place, how)
    return place


def _from_catalogue(options: ExportOptions, library: ModelLibrary, console: Console) -> Place:
    """A network of the catalogue, with published weights or those of a file."""
    place = plan(_name(options, options.source), options.out, library, overwrite=options.overwrite)
    with console.status("reading") as status, told(place.file.parent), _work_folder(place) as work:
        job = _Job(options, place, Path(work), _Steps(console, status))
        job.from_catalogue()
        job.finished.chmod(0o644)
        job.finished.replace(place.file)
    how = enter(place)
    _summarise(console, place, how)
    return place


def _is_network(options: ExportOptions, library: ModelLibrary) -> bool:
    """Whether a name means the network and not the library's model of that name.

    Where there are both, the model is meant if a training made it. If it holds published weights itself, the network is
    meant where the graph is to be made anew: with another head or none, or over that very file.
    """
    name = options.source
    if name not in NETWORKS or Path(name).exists():
        return False
    if name not in library.names():
        return True
    if name in library.present() and read_card(library.path(name)).recipe:
        return False
    over = options.overwrite and options.out is None and _name(options, name) == name and name not in BUILDABLE
    return over or options.head is not None or not options.objectness


class _Steps:
    """What is being done, on a line that changes; each step that was done stays as a line."""

    def __init__(self, console: Console, status: Status) -> None:
        self.console, self.status = console, status

    def begin(self, text: str) -> None:
        self.status.update(text)

    def count(self, text: str) -> Callable[[int, int], None]:
        return lambda done, total: self.status.update(f"{text}: {done} of {total}")

    def stage(self, stage: str, done: int, total: int) -> None:
        self.status.update(f"objectness head, {stage}: {done} of {total}")

    def say(self, text: str, style: str | None = None) -> None:
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


class _Job:
    """One export; every file in between is in `work`."""

    def __init__(self, options: ExportOptions, place: Place, work: Path, steps: _Steps) -> None:
        self.options, self.place, self.work, self.steps = options, place, work, steps
        self.finished = work / "finished.onnx"

    def from_checkpoint(self, file: Path) -> None:
        """Rebuild the network, write and verify it, calibrate it, convert it."""
        self.steps.begin(f"reading {file}")
        checkpoint = Checkpoint.load(file)
        network, recipe = rebuild(checkpoint, file)
        pictures = material(self.options.data, self.options.annotations, checkpoint.data_folder, checkpoint.recipe)
        card = describe_trained(network, checkpoint, recipe, self.place.name)
        self._write(network, card, pictures, f"its pictures are no longer at {checkpoint.data_folder}")

    def from_catalogue(self) -> None:
        """Load the weights, write and verify the network, calibrate it, convert it."""
        self.steps.begin("loading the weights")
        network, card = catalogue_network(self.options.source, self.options.weights)
        pictures = material(self.options.data, self.options.annotations, "", None)
        self._write(network, replace(card, name=self.place.name), pictures, "no pictures were given")

    def _write(self, network: Network, card: ModelCard, pictures: Material | None, gone: str) -> None:
        card = self._chosen(card)
        head = self._objectness(network, card, pictures, gone)
        self.steps.begin("tracing the graph, writing and verifying it")
        fp32 = self.work / "fp32.onnx"
        agreement = export_network(network, card, fp32, head)
        self.steps.say(f"agrees with PyTorch (largest relative differences: {agreement})")
        if self.options.calibrate:
            self._calibrate(fp32, read_card(fp32), pictures, gone)
        self._convert(fp32, pictures)

    def from_model(self, file: Path) -> None:
        """Convert a model file, or calibrate it anew."""
        card = read_card(file)
        # Split as the training did, so that a validation part holds no picture that was trained on.
        split = card.recipe.get("data")
        recipe = card.recipe if isinstance(split, dict) and {"validation", "seed"} <= split.keys() else None
        pictures = material(self.options.data, self.options.annotations, "", recipe)
        fp32 = self.work / "fp32.onnx"
        shutil.copyfile(file, fp32)
        chosen = self._chosen(replace(card, name=self.place.name))
        _change_card(fp32, chosen)
        if self.options.precision == "fp32":
            if pictures is None or not self.options.calibrate:
                raise ExportError(
                    f"{file} is a model file already: give --precision fp16 or int8 to convert it, or --data with "
                    "pictures and boxes to calibrate its threshold anew."
                )
            self._calibrate(fp32, chosen, pictures, "")
        elif card.precision != "fp32":
            raise ExportError(f"{file} is in {card.precision} already: convert the fp32 file it was made from.")
        self._convert(fp32, pictures)

    def _chosen(self, card: ModelCard) -> ModelCard:
        return card if self.options.method is None else replace(card, default_method=self.options.method)

    def _objectness(
        self, network: Network, card: ModelCard, pictures: Material | None, gone: str
    ) -> ObjectnessHead | None:
        if self.options.head is not None:
            return ObjectnessHead.load(self.options.head)
        if not self.options.objectness:
            return None
        if pictures is None:
            self.steps.say(
                f"No objectness head ({gone}): boxes follow the spread map; give --data or --head.", "yellow"
            )
            return None
        outcome = head_from_training(network, card, pictures, seed=self.options.seed, progress=self.steps.stage)
        if outcome.head is None:
            self.steps.say(f"No objectness head ({outcome.reason}): boxes follow the spread map.", "yellow")
        else:
            self.steps.say(f"objectness head fitted to {outcome.head.facts['pictures']} pictures: {outcome.verdict}")
        return outcome.head

    def _calibrate(self, path: Path, card: ModelCard, pictures: Material | None, gone: str) -> None:
        self.steps.begin("calibrating the box threshold")
        why = gone
        if pictures is not None:
            progress = self.steps.count("calibrating the box threshold")
            card, why = calibrated(LocalizationModel(path, "cpu"), pictures, progress)
        if why:
            self.steps.say(
                f"The threshold is not calibrated ({why}): plain maps use {card.threshold:g}; give --data with "
                "pictures and boxes to calibrate it.",
                "yellow",
            )
            return
        _change_card(path, card)
        self.steps.say(f"threshold of plain maps {card.threshold:g}, calibrated on {card.threshold_split}")

    def _convert(self, fp32: Path, pictures: Material | None) -> None:
        precision = self.options.precision
        if precision == "fp32":
            fp32.replace(self.finished)
            return
        if pictures is None:
            raise ExportError(
                f"{precision} is made and checked with pictures and there are none here: give their folder with --data."
            )
        self.steps.begin("reading pictures")
        samples = two_samples(pictures.read(), read_card(fp32))
        done = convert(fp32, self.finished, precision, self.place.name, samples, self.steps.begin)
        note = f"; {done.note}" if done.note else ""
        self.steps.say(f"{precision} passes against fp32: {done.report}{note}")


def _checkpoint_file(source: str, library: ModelLibrary) -> Path | None:
    """The checkpoint that `source` means; None for a model's name or file."""
    path = Path(source).expanduser()
    if path.is_dir():
        return find_checkpoint(path)
    if path.suffix == ".pt" or (path.is_file() and not is_file_name(path.name)):
        return path
    if is_file_name(source) or source in library.names():
        return None
    raise UserError(
        f"There is no checkpoint, run folder or model {source}: give the folder of a training run, a .pt or .onnx "
        f"file, or one of {', '.join(library.names())}."
    )


def _name(options: ExportOptions, model: str) -> str:
    """What the exported model is called, which is made of `model`."""
    if options.name is not None:
        return options.name
    if options.out is not None:
        return name_from(options.out.stem)
    return model if options.precision == "fp32" else f"{model}-{options.precision}"


def _work_folder(place: Place) -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.file.parent)


def _change_card(path: Path, card: ModelCard) -> None:
    model = onnx.load(path)
    set_card(model, card)
    onnx.save(model, path)


def _summarise(console: Console, place: Place, how: str) -> None:
    size = place.file.stat().st_size / 1e6
    console.print(f"wrote {place.file} ({size:.1f} MB)", markup=False, highlight=False, soft_wrap=True)
    entered = {"in place": "", "link": ", a link to it", "copy": ", a copy of it"}[how]
    console.print(
        f"the model library has it as {place.name}{entered}: seekcam serve --model {place.name}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
