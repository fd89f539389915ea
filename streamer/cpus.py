"""How many processors this process may use; in a container that is often far fewer than the machine has."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """The processors that affinity and a container's quota (cgroup v2 or v1) leave, at least one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return cpus if quota is None else max(1, min(cpus, int(quota)))


def inference_threads() -> int:
    """Threads for one run of a model in a live server: half the processors, since decoding and sending need theirs.

    On two processors a second thread gained nothing (runs of 14 to 18 ms became 15 to 16) and cost 15 % of a core.
    """
    return max(1, usable_cpus() // 2)


def _quota(cgroup: Path) -> float | None:
    """Processors' worth of time in each period; None where there is no limit, or no cgroups."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    try:
        microseconds = int(quota)  # "max" in v2 and -1 in v1 are no limit
    except ValueError:
        return None
    return microseconds / int(period) if microseconds > 0 else None
