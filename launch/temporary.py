"""Gives the steps of a race a folder for temporary files, so that none stay in the system's.

kfp starts each step with `mktemp -d` and never removes that folder (kfp/dsl/component_factory.py),
and a step that is killed leaves its own. All of them follow TMPDIR.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from squadron.models import backbones
from squadron.tracking import outbox

TEMPORARY = "tmp"
KEPT = (backbones.FETCHED, outbox.FALLBACK)
"""How the names begin of what a later race finds again: fetched backbones, and what MLflow has not
got yet."""


@contextlib.contextmanager
def temporary_files(runs: Path) -> Iterator[None]:
    """Gives the steps a folder for temporary files, and empties it before and after.

    Args:
        runs: The folder `runs/`; its lock is held.
    """
    folder = (runs / TEMPORARY).resolve()
    folder.mkdir(exist_ok=True)
    _empty(folder)  # A launcher that was killed could not do it.
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        _empty(folder)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name.startswith(KEPT):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
