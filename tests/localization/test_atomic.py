"""One writer for files that must be whole: the old one stays until the new one is on the disk."""

import os
from pathlib import Path

import pytest

from seekcam.localization.atomic import replace_file, write_text
from seekcam.localization.errors import UserError


def full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(b"old and longer")
    replace_file(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_text_makes_its_folder_and_is_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "labels.txt"
    write_text(file, "oiseau é\n")
    assert file.read_bytes() == "oiseau é\n".encode()


def test_a_failure_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot be written: "):
        write_text(tmp_path / "file" / "inside.txt", "text")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"labels\.txt cannot be written: No space left on device\."):
        write_text(tmp_path / "labels.txt", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
