"""Gives the steps of a race a folder for temporary files, so that none stay in the system's folder.

kfp starts each step with `mktemp -d` and never removes that folder (kfp/dsl/component_factory.py).
A step that is killed leaves its own temporary files, too. TMPDIR sets the folder for all of them.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from squadron.models import backbones
from squadron.runs_folder.places import TEMPORARY
from squadron.tracking import outbox

KEPT = (backbones.FETCHED, outbox.FALLBACK)
"""Names that begin like this stay: a later race uses fetched backbones again, and sends what MLflow
has not received yet."""


@contextlib.contextmanager
def temporary_files(runs: Path) -> Iterator[None]:
    """Gives the steps a folder for temporary files, and empties it before and after.

    Args:
        runs: The folder `runs/`. The caller holds its lock.
    """
    folder = (runs / TEMPORARY).resolve()
    folder.mkdir(exist_ok=True)
    _empty(folder)  # A launcher that was killed may have left files.
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
