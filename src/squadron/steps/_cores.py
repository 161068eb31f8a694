"""How many processor cores a container may use, which is fewer than its machine has."""

import os
from collections.abc import MutableMapping
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
THREADS_VARIABLE = "OMP_NUM_THREADS"


def limit_threads(
    environment: MutableMapping[str, str] = os.environ, cgroups: Path = CGROUPS
) -> None:
    """Gives torch and NumPy as many threads as the container has cores; call it before them.

    They count the cores of the machine and don't see the limit of the container. With more threads
    than cores, each thread waits for the others: two on one core made a step three times slower.
    A number that is already set stays.
    """
    cores = read_limit(cgroups)
    if cores and THREADS_VARIABLE not in environment:
        environment[THREADS_VARIABLE] = str(cores)


def read_limit(cgroups: Path = CGROUPS) -> int:
    """The container's limit in whole cores, rounded down, at least 1; 0 where there is no limit.

    Source: cpu.max of cgroup v2 ("QUOTA PERIOD" in microseconds, or "max PERIOD"), or the two files
    of cgroup v1 (a quota of -1 is no limit).
    """
    try:
        if (cgroups / "cpu.max").exists():
            quota, period = (cgroups / "cpu.max").read_text().split()
        else:
            quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text()
        if quota == "max" or int(quota) < 0:
            return 0
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return 0
