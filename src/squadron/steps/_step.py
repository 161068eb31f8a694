"""The decorator `step`: what all steps have in common, from logging to the exit code.

It also holds what several steps measure: their time and their memory.
"""

import atexit
import contextlib
import functools
import gc
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from squadron import progress, provenance
from squadron.cores import limit_threads
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError
from squadron.steps._list import STEPS
from squadron.tracking.outbox import REFUSED, close_outboxes, read_patience
from squadron.uris import hide_secrets

P = ParamSpec("P")
R = TypeVar("R")

FAILED_SECONDS = 20.0
"""How long a step that failed waits at most for MLflow to receive the reason."""
TERMINATION_LOG = Path("/dev/termination-log")
"""The file from which Kubernetes reads why a container ended."""
BEFORE_THE_RACE = tuple(each.name for each in STEPS if each.is_before_race)
IN_EVERY_TRY = tuple(each.name for each in STEPS if each.is_in_every_try)


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function a step, which logs, sends what it logged to MLflow, and explains failures.

    Bad input ends the process with one sentence and exit code 2. A step whose keyword `digests`
    names other code than it runs refuses to run. The reason of a failure reaches the launcher and
    Kubernetes, and MLflow if the race was opened before.
    """
    hints = get_type_hints(function)
    # Each step is a process. A last garbage collection of what torch and MLflow leave would take
    # most of a second at its end, and the system frees the memory anyway.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        limit_threads()
        _make_paths(kwargs, hints)
        _set_up_logging()
        patience = FAILED_SECONDS  # where the environment names something that is no number
        try:
            patience = read_patience()
            planned = provenance.read_digests(str(kwargs.get("digests", "")))
            provenance.check_code(function.__name__, planned)
            if function.__name__ not in (*BEFORE_THE_RACE, *IN_EVERY_TRY):
                from squadron import tracking

                tracking.begin_step(tracking.current_race(), function.__name__)
            result = function(*args, **kwargs)
            _close_outboxes(function.__name__, patience)
            return result
        except Exception as error:
            _explain_failure(function.__name__, error)
            _close_outboxes(function.__name__, min(patience, FAILED_SECONDS))
            if isinstance(error, InputError):
                sys.exit(EXIT_CODE_INPUT_ERROR)
            raise

    return wrapped


def _make_paths(arguments: dict[str, Any], hints: Mapping[str, Any]) -> None:
    """Makes paths of the texts that Kubeflow gives for arguments that are paths."""
    for name, value in arguments.items():
        if hints[name] in (Path, Path | None) and value is not None:
            arguments[name] = Path(str(value))
        elif hints[name] == Sequence[Path]:
            arguments[name] = [Path(str(path)) for path in value]


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "mlflow", "botocore", "urllib3", "datasets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _explain_failure(name: str, error: Exception) -> None:
    """Tells the launcher, Kubernetes and MLflow why a step failed, without secrets."""
    is_input = isinstance(error, InputError)
    reason = hide_secrets(str(error) if is_input else f"{type(error).__name__}: {error}")
    progress.emit_error(name, reason, is_input)
    with contextlib.suppress(OSError):
        if TERMINATION_LOG.exists():
            TERMINATION_LOG.write_text(f"{name}: {reason}"[:4000])
    if name not in BEFORE_THE_RACE:
        _note_failure(f"{name}: {reason}")


def _note_failure(reason: str) -> None:
    """Tells the race in MLflow why a step failed. A race that can't be told is no error here."""
    from squadron import tracking

    with contextlib.suppress(InputError):
        tracking.note_failure(tracking.address_run(tracking.current_race()), reason)


def _close_outboxes(name: str, seconds: float) -> None:
    """Sends what the step has logged, and says in one line what MLflow has not received.

    That is no failure: the step did its work, and what it logged is on disk
    (docs/decisions/outbox.md).
    """
    for left in close_outboxes(seconds):
        if left.count:
            progress.say(
                f"{name:<10} MLflow does not answer. What it misses ({left.count} entries) waits "
                f"in {left.folder}; the next step of this race on this disk sends it, or a retry"
            )
        if left.refused:
            progress.say(
                f"{name:<10} MLflow refuses a part of what was logged ({len(left.refused)} in "
                f"all), which is kept in {left.folder / REFUSED}: {left.refused[0]}"
            )


@contextlib.contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    """Measures a block: `seconds_NAME` in the figures is how long it took."""
    started = time.monotonic()
    yield
    figures[f"seconds_{name}"] = time.monotonic() - started


def peak_memory_mb() -> float:
    """Returns the most memory that this process has used so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
