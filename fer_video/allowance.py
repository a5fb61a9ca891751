"""What this process may take of its machine, also in a container or a job of a batch system.

Source:
    Linux, "Control Group v2": ``cpu.max`` holds a quota and its period, ``memory.max`` a number of
    bytes; ``max`` is no limit. The limits of the groups above hold, too.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_OWN = "0::/"
"""Stands before the path of the own group, in ``/proc/self/cgroup``."""


def n_cores(group: Path | None = None) -> int:
    """Count the cores that this process may use, at least one.

    Args:
        group: Folder of a control group; None is that of this process.
    """
    quotas = (_cores(*text.split()) for text in _limits(group, "cpu.max"))
    return max(1, int(min([_n_cores_seen(), *quotas])))


def memory_bytes(group: Path | None = None) -> float:
    """Say how much memory this process may count on; see ``n_cores``."""
    limits = (float(text) for text in _limits(group, "memory.max") if text.strip() != "max")
    return min([psutil.virtual_memory().available, *limits])


def _n_cores_seen() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: a job of a cluster has its own share of them
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cores(quota_us: str, period_us: str) -> float:
    return math.inf if quota_us == "max" else int(quota_us) / int(period_us)


def _limits(group: Path | None, name: str) -> Iterator[str]:
    """Read a limit of a group, and of those above it that have one."""
    group = group or _own_group()
    for folder in (group, *group.parents):
        with suppress(OSError):
            yield (folder / name).read_text()


def _own_group() -> Path:
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith(_OWN):
                return _GROUPS / line.removeprefix(_OWN)
    return _GROUPS
