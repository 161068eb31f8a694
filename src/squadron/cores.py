"""Reads how many processor cores a container may use, and limits threads to that number."""

import os
import threading
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

CGROUPS = Path("/sys/fs/cgroup")
THREADS_VARIABLE = "OMP_NUM_THREADS"


def limit_threads(
    environment: MutableMapping[str, str] = os.environ, cgroups: Path = CGROUPS
) -> None:
    """Gives torch and NumPy as many threads as the container has cores.

    It must be called before they are imported. They count the cores of the machine and ignore the
    limit of the container. With more threads than cores the threads wait for each other: two
    threads on one core made a step three times slower. OMP_NUM_THREADS stays as it is if it is set.

    Args:
        environment: The variables in which OMP_NUM_THREADS is set.
        cgroups: The folder of the container's limits.
    """
    cores = read_limit(cgroups)
    if cores and THREADS_VARIABLE not in environment:
        environment[THREADS_VARIABLE] = str(cores)


def read_limit(cgroups: Path = CGROUPS) -> int:
    """Returns the limit of the container in whole cores, rounded down but at least 1.

    It returns 0 if there is no limit or none can be read.

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


def call_in_short_thread(function: Callable[[], Result]) -> Result:
    """Calls a function that computes with torch, in a thread that then ends.

    Use it in a process where another thread will compute later. libgomp, the OpenMP of torch, keeps
    helper threads for each thread that has computed, until that thread ends. If all of them are
    more than the cores, each waits in the kernel between two loops instead of in a short loop of
    its own, and a forward pass has some hundred loops.

    Source: do_spin in libgomp/config/linux/wait.h of GCC.

    Raises:
        BaseException: What the function raises.
    """
    done: Future[Result] = Future()

    def call() -> None:
        try:
            done.set_result(function())
        except BaseException as error:  # The caller gets it.
            done.set_exception(error)

    # A daemon, so that a signal can end the process while the function runs.
    thread = threading.Thread(target=call, name="squadron-short", daemon=True)
    thread.start()
    thread.join()
    return done.result()
