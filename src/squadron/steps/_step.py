"""What makes a function a step: logging, timing, and one sentence and exit code 2 for bad input."""

import atexit
import contextlib
import functools
import gc
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar, get_type_hints

from squadron import progress, provenance
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError
from squadron.steps._cores import limit_threads
from squadron.tracking.outbox import REFUSED, close_outboxes, read_patience
from squadron.uris import hide_secrets

P = ParamSpec("P")
R = TypeVar("R")

FAILED_SECONDS = 20.0
"""How long a step that failed waits until MLflow has its reason."""
TERMINATION_LOG = Path("/dev/termination-log")
"""Where Kubernetes looks for the last words of a container."""
BEFORE_THE_RACE = ("ingest", "admit")
"""The steps that check what a race needs before MLflow has it: they tell MLflow nothing."""
OPENING_AND_CLOSING = ("open_race", "close_race")
"""The steps that run in every try, also where all others come from the cache."""


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Logs, measures and explains a step: one sentence and exit code 2 for bad input.

    A step that was planned with other code refuses to run: its keyword `digests` tells. The reason
    of a failure reaches the launcher and Kubernetes, and MLflow where the race was opened before.
    """
    hints = get_type_hints(function)
    # Every step is a process. Collecting what torch and MLflow leave behind would take its end
    # most of a second; the system takes it back at once.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        limit_threads()
        # Kubeflow gives paths as text.
        for name, value in kwargs.items():
            if hints[name] is Path:
                kwargs[name] = Path(str(value))
            elif hints[name] == Sequence[Path]:
                kwargs[name] = [Path(str(path)) for path in value]  # type: ignore[attr-defined]
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        for noisy in ("httpx", "mlflow", "botocore", "urllib3", "datasets"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        try:
            patience = read_patience()
            planned = provenance.read_digests(str(kwargs.get("digests", "")))
            provenance.check_code(function.__name__, planned)
            if function.__name__ not in (*BEFORE_THE_RACE, *OPENING_AND_CLOSING):
                from squadron import tracking

                tracking.begin_step(tracking.current_race(), function.__name__)
            result = function(*args, **kwargs)
            _close_outboxes(function.__name__, patience)
            return result
        except Exception as error:
            is_input = isinstance(error, InputError)
            reason = hide_secrets(str(error) if is_input else f"{type(error).__name__}: {error}")
            progress.emit_error(function.__name__, reason, is_input)
            with contextlib.suppress(OSError):
                if TERMINATION_LOG.exists():
                    TERMINATION_LOG.write_text(f"{function.__name__}: {reason}"[:4000])
            if function.__name__ not in BEFORE_THE_RACE:
                _note_failure(f"{function.__name__}: {reason}")
            _close_outboxes(function.__name__, FAILED_SECONDS)
            if is_input:
                sys.exit(EXIT_CODE_INPUT_ERROR)
            raise

    return wrapped


def _note_failure(reason: str) -> None:
    """Remembers in the race why a step failed; a step never fails for this."""
    from squadron import tracking

    with contextlib.suppress(InputError):
        tracking.note_failure(tracking.address_run(tracking.current_race()), reason)


def _close_outboxes(name: str, seconds: float) -> None:
    """Sends what the step has logged; one line says what MLflow does not have in the end.

    The step did its work, and what it logged is on disk: this is no failure
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
    started = time.monotonic()
    yield
    figures[f"seconds_{name}"] = time.monotonic() - started


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
