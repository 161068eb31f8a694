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

from squadron import cores, progress
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError

P = ParamSpec("P")
R = TypeVar("R")

TERMINATION_LOG = Path("/dev/termination-log")
"""Where Kubernetes looks for the last words of a container."""


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Logs, measures and explains a step: one sentence and exit code 2 for bad input.

    The reason of a failure reaches the launcher, Kubernetes and, by the keyword `race`, MLflow.
    """
    hints = get_type_hints(function)
    # Every step is a process. Collecting what torch and MLflow leave behind would take its end
    # most of a second; the system takes it back at once.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        cores.limit_threads()
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
            return function(*args, **kwargs)
        except Exception as error:
            is_input = isinstance(error, InputError)
            reason = str(error) if is_input else f"{type(error).__name__}: {error}"
            progress.emit_error(function.__name__, reason, is_input)
            with contextlib.suppress(OSError):
                if TERMINATION_LOG.exists():
                    TERMINATION_LOG.write_text(f"{function.__name__}: {reason}"[:4000])
            if kwargs.get("race"):
                from squadron import tracking

                with contextlib.suppress(InputError):
                    parent = tracking.find_parent(tracking.read_race(str(kwargs["race"])))
                    tracking.note_failure(parent, f"{function.__name__}: {reason}")
            if is_input:
                sys.exit(EXIT_CODE_INPUT_ERROR)
            raise

    return wrapped


@contextlib.contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    figures[f"seconds_{name}"] = time.monotonic() - started


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
