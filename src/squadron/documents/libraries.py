"""The packages that documents need and that not every installation has."""

from importlib.util import find_spec

from squadron.errors import InputError

PACKAGES = ("lancedb", "pypdfium2", "sentencex")
"""The packages of the extra `documents`, which `make run` does not install."""


def require_installed() -> None:
    """Says what to install if one of these packages is missing.

    Raises:
        InputError: With the first one that is missing.
    """
    for name in PACKAGES:
        if find_spec(name) is None:
            raise InputError(
                f"Documents need the package {name}, which is not installed: make setup, or "
                "pip install 'squadron-qa[documents]'"
            )
