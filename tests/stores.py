"""Makes MLflow stores on sqlite for tests by copying a store with empty tables."""

import functools
import tempfile
from pathlib import Path


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
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mlflow.db"
    if not file.exists():
        file.write_bytes(_empty_store())
    return f"sqlite:///{file}"
