"""`seekcam export`, whole: what it leaves in the folders and in the library, and that nothing is half-written."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from rich.console import Console

from seekcam.datasets.dataset import DatasetError, PictureSet
from seekcam.export import catalogue_network as published_module
from seekcam.export import export_verb as command_module
from seekcam.export import objectness_head as objectness_module
from seekcam.export import trained as trained_module
from seekcam.export.destination import PlaceError
from seekcam.export.export_verb import ExportOptions, run
from seekcam.export.gate import GateReport
from seekcam.export.onnx import ExportError
from seekcam.export.precision import Precision, PrecisionRefusedError
from seekcam.localization.errors import UserError
from seekcam.localization.library import BUILDABLE, FOLDER_VARIABLE, ModelLibrary
from seekcam.localization.model import read_card
from seekcam.localization.pipeline import localize
from seekcam.training.checkpoint import CheckpointError
from seekcam.training.networks.network import NetworkError
from seekcam.training.networks.weights import read_weights
from seekcam.training.objectness.collect import normalised
from seekcam.training.objectness.head import FEATURES, HeadError, ObjectnessHead, fingerprint
from seekcam.training.objectness.judge import Verdict
from seekcam.training.objectness.step import Outcome
from seekcam.training.recipe import NetworkTable
from tests.helpers.exported import boxed_folder, frames, open_file, tiny_checkpoint
from tests.helpers.networks import TinyNetwork


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_model_path: Path) -> ModelLibrary:
    """A library of one model, `small`."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "library"))
    (tmp_path / "library").mkdir()
    shutil.copyfile(small_model_path, tmp_path / "library" / "small.onnx")
    return ModelLibrary()


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue builds tiny networks, which are traced in a few seconds."""

    def build(_table: object, classes: int, _size: int, *, load: bool) -> TinyNetwork:
        assert not load, "the weights come from the checkpoint"
        return TinyNetwork(classes, seed=9)

    monkeypatch.setattr(trained_module, "build_network", build)


def export(source: object, **options: Any) -> str:
    """Run the verb; returns what it said."""
    console = Console(file=io.StringIO(), width=1000)
    run(ExportOptions(str(source), **options), console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(said, str)
    return said


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("tiny_networks")
def test_a_training_run_becomes_a_calibrated_model_of_the_library(library: ModelLibrary, tmp_path: Path) -> None:
    trained = tmp_path / "runs" / "pets"
    trained.mkdir(parents=True)
    tiny_checkpoint(boxed_folder(tmp_path / "animals")).save(trained / "best.pt")
    said = export(trained)
    assert library.present() == ("pets", "small")
    assert names(library.folder) == ["pets.onnx", "small.onnx"]
    card = read_card(library.path("pets"))
    assert (card.name, card.precision, card.metrics) == ("pets", "fp32", {"top1_clas": 50.0})
    assert card.threshold_split == "9 pictures of the validation part of animals"
    assert f"threshold of plain maps {card.threshold:g}, calibrated on 9 pictures" in said
    assert "agrees with PyTorch" in said
    assert said.endswith("the model library has it as pets: seekcam serve --model pets\n")
    assert localize(open_file(library.path("pets")), frames(1)[0]).model == "pets"
    with pytest.raises(PlaceError, match=r"pets\.onnx exists: add --overwrite"):
        export(trained)


@pytest.mark.usefixtures("tiny_networks")
def test_without_its_pictures_it_is_exported_uncalibrated_and_says_so(library: ModelLibrary, tmp_path: Path) -> None:
    checkpoint = tmp_path / "epoch-3.pt"
    tiny_checkpoint(tmp_path / "gone").save(checkpoint)
    out = tmp_path / "mine.onnx"
    said = export(checkpoint, out=out, method="layercam")
    assert f"The threshold is not calibrated (its pictures are no longer at {tmp_path / 'gone'}): plain maps" in said
    card = read_card(out)
    assert (card.name, card.threshold_split, card.default_method) == ("mine", "not calibrated", "layercam")
    assert library.path("mine").resolve() == out
    with pytest.raises(ExportError, match="int8 is made and checked with pictures and there are none"):
        export(out, precision="int8")
    assert names(library.folder) == ["mine.onnx", "small.onnx"]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_model_of_the_library_is_converted(library: ModelLibrary, tmp_path: Path, precision: Precision) -> None:
    data = boxed_folder(tmp_path / "animals")
    said = export("small", precision=precision, data=data)
    assert f"{precision} passes against fp32: map correlation" in said
    assert library.present() == ("small", f"small-{precision}")
    card = read_card(library.path(f"small-{precision}"))
    assert (card.name, card.precision) == (f"small-{precision}", precision)
    with pytest.raises(ExportError, match=f"is in {precision} already"):
        export(f"small-{precision}", precision="fp16", data=data)


def test_a_model_is_calibrated_anew(library: ModelLibrary, tmp_path: Path) -> None:
    data = boxed_folder(tmp_path / "animals", boxes=False)
    boxes = boxed_folder(tmp_path / "same") / "localization.txt"
    annotations = boxes.replace(data / "boxes.txt")
    export("small", name="fresh", data=data, annotations=annotations)
    assert read_card(library.path("fresh")).threshold_split == "3 pictures of the validation part of animals"
    said = export("small", name="fresh", data=tmp_path / "same", overwrite=True)
    assert "has no boxes" in said
    for options in ({}, {"data": data, "calibrate": False}):
        with pytest.raises(ExportError, match=r"small\.onnx is a model file already: give --precision"):
            export("small", name="other", **options)


def test_a_refused_precision_leaves_the_old_file_and_nothing_else(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = boxed_folder(tmp_path / "animals"), tmp_path / "out" / "half.onnx"
    out.parent.mkdir()
    monkeypatch.setattr(GateReport, "passes", lambda _: False)
    for old in (None, b"old"):
        if old is not None:
            out.write_bytes(old)
        with pytest.raises(PrecisionRefusedError, match=r"half was not written: .*box IoU \d"):
            export("small", out=out, precision="fp16", data=data, overwrite=True)
        assert names(out.parent) == ([] if old is None else ["half.onnx"])
        assert old is None or out.read_bytes() == old
    assert names(library.folder) == ["small.onnx"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_model: object, path: Path) -> None:
        path.write_bytes(b"half a fi")
        raise OSError(28, "No space left on device")

    data, out = boxed_folder(tmp_path / "animals"), tmp_path / "out" / "half.onnx"
    out.parent.mkdir()
    out.write_bytes(b"old")
    monkeypatch.setattr(onnx, "save", full)
    with pytest.raises(PlaceError, match=r"Nothing can be written in .* \(No space left on device\): make room"):
        export("small", out=out, precision="fp16", data=data, overwrite=True)
    assert names(out.parent) == ["half.onnx"]
    assert out.read_bytes() == b"old"
    assert names(library.folder) == ["small.onnx"]


def test_what_cannot_be_exported_is_told_in_a_sentence(library: ModelLibrary, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no checkpoint")
    cases: list[tuple[object, dict[str, Any], type[UserError], str]] = [
        ("smal", {}, UserError, "There is no checkpoint, run folder or model smal: "),
        (tmp_path / "no.pt", {}, CheckpointError, "There is no checkpoint at"),
        (tmp_path / "text.txt", {}, CheckpointError, "is no checkpoint of `seekcam train`"),
        (tmp_path, {}, CheckpointError, "holds no checkpoint"),
        ("small", {"method": "camera", "name": "x"}, ExportError, "There is no map method camera"),
        ("small", {"name": BUILDABLE[0]}, PlaceError, "`seekcam models build` makes"),
        ("small", {"out": tmp_path / "x.pt"}, PlaceError, r"must end in \.onnx"),
        ("small", {"name": "x", "head": tmp_path / "head.npz"}, ExportError, "head goes with its graph"),
        ("small", {"name": "x", "objectness": False}, ExportError, "head goes with its graph"),
        ("small", {"name": "x", "precision": "fp16", "data": tmp_path / "gone"}, DatasetError, "There is no folder"),
    ]
    for source, options, kind, sentence in cases:
        with pytest.raises(kind, match=sentence):
            export(source, **options)
    assert names(tmp_path) == ["library", "text.txt"]
    assert names(library.folder) == ["small.onnx"]


@pytest.mark.usefixtures("tiny_networks")
def test_a_head_that_was_fitted_before_goes_into_the_file_and_none_on_request(
    library: ModelLibrary, tmp_path: Path
) -> None:
    trained = tmp_path / "run.pt"
    tiny_checkpoint(boxed_folder(tmp_path / "animals")).save(trained)
    ObjectnessHead(16, facts={"dataset": "things", "pictures": 7, "cut": 0.9}).save(tmp_path / "head.npz")
    export(trained, name="with", head=tmp_path / "head.npz")
    card = read_card(library.path("with"))
    assert card.maps[0] == "objectness"
    assert (card.objectness["dataset"], card.objectness["pictures"]) == ("things", 7)
    assert card.cut == 0.5  # the graph's, whatever the head's file says
    assert card.threshold_split.startswith("9 pictures")  # calibrating keeps what else the card says
    other = {FEATURES: fingerprint(TinyNetwork(3, seed=4))}
    ObjectnessHead(16, facts=other).save(tmp_path / "other.npz")
    with pytest.raises(HeadError, match="other weights than those of third"):
        export(trained, name="third", head=tmp_path / "other.npz")
    export(trained, name="without", objectness=False)
    assert read_card(library.path("without")).maps == ("spread", "plain")


@pytest.mark.usefixtures("tiny_networks")
def test_a_head_is_fitted_to_the_training_pictures_and_left_off_in_words_where_it_does_not_help(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = boxed_folder(tmp_path / "animals")
    trained = tmp_path / "run.pt"
    tiny_checkpoint(data).save(trained)
    helps = Verdict(pictures=20, with_head=0.7, without=0.6, error=0.02)
    seen: list[list[Path]] = []

    def say(verdict: Verdict) -> Callable[..., Outcome]:
        def train(_network: object, _shape: object, pictures: PictureSet, *_: object, **__: object) -> Outcome:
            seen.append([picture.path for picture in pictures.parts["train"]])
            facts = {"pictures": 21, "dataset": pictures.name}
            return Outcome(ObjectnessHead(16, facts=facts) if verdict.helps else None, verdict, str(verdict))

        return train

    monkeypatch.setattr(objectness_module, "train_objectness", say(helps))
    assert "objectness head fitted to 21 pictures: boxes of a picture" in export(trained, name="better")
    assert read_card(library.path("better")).objectness["dataset"] == "animals"
    assert len(seen[0]) == 21  # the validation part judges
    monkeypatch.setattr(objectness_module, "train_objectness", say(replace(helps, with_head=0.5)))
    said = export(trained, name="worse")
    assert (
        "No objectness head (boxes of a picture and of its smaller copy agree to 0.500 with the head and 0.600" in said
    )
    assert read_card(library.path("worse")).objectness == {}


def test_a_network_of_the_catalogue_is_exported_with_the_weights_of_a_file(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = TinyNetwork(3, seed=9).state_dict()
    torch.save(weights, tmp_path / "weights.pt")

    def build(table: NetworkTable, classes: int, size: int) -> TinyNetwork:
        assert (classes, size) == (3, 64)
        network = TinyNetwork(classes)
        network.load_state_dict(read_weights(Path(table.weights)))
        return network

    monkeypatch.setattr(published_module, "build_network", build)
    said = export("preact-resnet18", name="own", weights=tmp_path / "weights.pt")
    assert "No objectness head (no pictures were given): boxes follow the spread map; give --data or --head." in said
    card = read_card(library.path("own"))
    assert (card.classes, card.source) == (("class 0", "class 1", "class 2"), "the file weights.pt")
    seen = frames(4, seed=1)
    logits = build(NetworkTable(name="tiny", weights=str(tmp_path / "weights.pt")), 3, 64)(
        normalised(TinyNetwork(3), torch.from_numpy(seen))
    )
    own = open_file(library.path("own"))
    assert [localize(own, frame).top[0].index for frame in seen] == logits.argmax(1).tolist()
    # Over that file the network is meant again; over one that a training made it never is.
    again = {"overwrite": True, "objectness": False}
    export("preact-resnet18", name="preact-resnet18", weights=tmp_path / "weights.pt")
    with pytest.raises(NetworkError, match="There are no published weights of preact-resnet18"):
        export("preact-resnet18", **again)
    tiny_checkpoint(boxed_folder(tmp_path / "animals"), TinyNetwork(3)).save(tmp_path / "resnet18.pt")
    monkeypatch.setattr(trained_module, "build_network", lambda *_, **__: TinyNetwork(3))
    export(tmp_path / "resnet18.pt", name="resnet18", objectness=False)
    trained = library.file("resnet18").read_bytes()
    for options in (again, {"head": tmp_path / "head.npz"}, {"overwrite": True, "name": "mine"}):
        with pytest.raises((PlaceError, ExportError)):
            export("resnet18", **options)
    assert library.file("resnet18").read_bytes() == trained
    library.file("preact-resnet18").unlink()
    with pytest.raises(ExportError, match="int8 is made and checked with pictures"):
        export("preact-resnet18", weights=tmp_path / "weights.pt", precision="int8")
    assert not library.file("preact-resnet18").exists()
    quick = ExportOptions("preact-resnet18", precision="int8")
    assert command_module._name(quick, quick.source) == "preact-resnet18-int8"  # beside the fp32 file, not over it
    with pytest.raises(NetworkError, match="There are no published weights of preact-resnet18"):
        export("preact-resnet18", name="none")
    torch.save({"conv.weight": torch.zeros(2, 3, 3, 3)}, tmp_path / "headless.pt")
    with pytest.raises(NetworkError, match=r"headless\.pt has no linear head"):
        export("preact-resnet18", name="none", weights=tmp_path / "headless.pt")
