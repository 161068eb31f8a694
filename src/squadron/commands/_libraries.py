"""Loads the libraries of a command quietly, and ends a command without taking them apart."""

import atexit
import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import NoReturn

from squadron.errors import InputError

OF_DOCUMENTS = ("lancedb", "pypdfium2", "sentencex")
"""The packages of the extra `documents`, which `make run` does not install."""
QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",
}
"""The bars and warnings of other libraries go to stderr, above the answer. The first variable turns
off the bars of transformers, too. `tracking` turns off MLflow's."""


def silence_libraries() -> None:
    """Keeps bars and warnings of libraries from the terminal, in processes of this one as well.

    It must be called before they are imported. A variable that the environment sets stays.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for category in (FutureWarning, DeprecationWarning):
        warnings.simplefilter("ignore", category)


@contextlib.contextmanager
def explain_missing() -> Iterator[None]:
    """Says what to install if a package of the extra `documents` is missing.

    Raises:
        InputError: If one of these packages can't be imported.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in OF_DOCUMENTS:
            raise
        raise InputError(
            f"Documents need the package {error.name}, which is not installed: make setup, or "
            "pip install 'squadron-qa[documents]'"
        ) from None


def leave(code: int) -> NoReturn:
    """Ends the program as Python does, but does not take its modules apart.

    That takes half a second where torch is imported, and the system frees the memory anyway.

    Args:
        code: The exit code.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
