"""Checkpoints: whole or not there, and never a file that could run code."""

import errno
import pickle
from pathlib import Path

import pytest
import torch

from seekcam.training.checkpoint import Checkpoint, CheckpointError

CHECKPOINT = Checkpoint(
    recipe={"network": {"name": "resnet18", "dropout": None}},
    recipe_hash="0123456789ab",
    classes=("cat", "dog"),
    class_ids=("n1", "n2"),
    network={"head.weight": torch.arange(6.0).view(2, 3)},
    dataset="pets",
    data_folder="pets",
    epoch=3,
    step=12,
    metrics={"validation_top1": 75.0},
    progress={"state": {"rows": [{"epoch": 1, "loss": 0.25}], "best": (75.0, -0.5)}},
)


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    CHECKPOINT.save(path)
    found = Checkpoint.load(path)
    assert torch.equal(found.network["head.weight"], CHECKPOINT.network["head.weight"])
    for name in ("recipe", "classes", "class_ids", "epoch", "step", "metrics", "progress"):
        assert getattr(found, name) == getattr(CHECKPOINT, name), name


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    CHECKPOINT.save(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        CHECKPOINT.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("touched"),))  # type: ignore[return-value]


def test_files_that_are_no_checkpoints_are_refused_and_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.pt"
    with pytest.raises(CheckpointError, match="There is no checkpoint at"):
        Checkpoint.load(path)
    CHECKPOINT.save(path)
    cut = path.read_bytes()[:-200]
    for content in (b"", b"no checkpoint", cut, pickle.dumps(Malicious(), protocol=2)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be read"):
            Checkpoint.load(path)
    assert not Path("touched").exists()
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="export_cam_network"):
        Checkpoint.load(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dataset": None}, "incomplete"),
        ({"recipe": 3}, "wrong kind"),
        ({"network": {"head.weight": 1.0}}, "wrong kind"),
        ({"classes": ("cat", 5)}, "wrong kind"),
        ({"class_ids": ("n1",)}, "wrong kind"),
    ],
)
def test_entries_that_are_missing_or_of_another_kind_are_a_sentence(
    change: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.pt"
    CHECKPOINT.save(path)
    values = {**torch.load(path, weights_only=True), **change}
    torch.save({name: value for name, value in values.items() if value is not None}, path)
    with pytest.raises(CheckpointError, match=sentence):
        Checkpoint.load(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newer.pt"
    CHECKPOINT.save(path)
    values = torch.load(path, weights_only=True)
    torch.save({**values, "format": 99}, path)
    with pytest.raises(CheckpointError, match="format 99"):
        Checkpoint.load(path)
