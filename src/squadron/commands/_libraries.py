"""Loads the libraries of a command quietly, and ends a command without taking them apart."""

import atexit
import os
import sys
import threading
import warnings
from typing import NoReturn

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
