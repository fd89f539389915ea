"""How many processors a container leaves us."""

import os
from pathlib import Path

import pytest

from seekcam.streamer.cpus import inference_threads, usable_cpus


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("200000 100000\n", 2),
        ("350000 100000\n", 3),
        ("50000 100000\n", 1),
        ("max 100000\n", 8),
        ("3200000 100000\n", 8),
    ],
)
def test_a_quota_of_cgroup_v2(limit: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert usable_cpus(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("150000\n", 1), ("400000\n", 4), ("-1\n", 8)])
def test_a_quota_of_cgroup_v1(quota: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path) == expected


def test_no_cgroups_leave_all(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == 8


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_inference_leaves_half_of_the_processors(cpus: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seekcam.streamer.cpus.usable_cpus", lambda: cpus)
    assert inference_threads() == threads
