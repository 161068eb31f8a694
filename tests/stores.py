"""MLflow stores on sqlite for tests, whose tables are there already."""

import functools
import tempfile
from pathlib import Path


@functools.cache
def _empty_store() -> bytes:
    """The file of a store that nobody has used. Making its tables takes seconds."""
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{file}").search_experiments()
        return file.read_bytes()


def make_store(folder: Path) -> str:
    """Puts an empty store into a folder, which may be missing; returns its URI.

    A store that is there stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mlflow.db"
    if not file.exists():
        file.write_bytes(_empty_store())
    return f"sqlite:///{file}"
