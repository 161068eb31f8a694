"""Makes MLflow stores on sqlite for tests by copying a store with empty tables."""

import functools
import sqlite3
import tempfile
from pathlib import Path
from typing import Any


@functools.cache
def _write_lazily() -> None:
    """Lets this process's sqlite stores leave it to the system when to write to the disk.

    Half of the time of such a test would be spent waiting for the disk. Only a crash of the system
    would lose something.
    """
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "connect")
    def stop_waiting(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")


@functools.cache
def _empty_store() -> bytes:
    """Returns the file of an empty store, which is made once: its tables take seconds."""
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{file}").search_experiments()
        return file.read_bytes()


def make_store(folder: Path) -> str:
    """Puts an empty store into a folder and returns its URI.

    A store that exists stays as it is. The folder may be missing.
    """
    _write_lazily()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mlflow.db"
    if not file.exists():
        file.write_bytes(_empty_store())
    return f"sqlite:///{file}"
