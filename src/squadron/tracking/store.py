"""Where the MLflow store is, and how to connect to it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.errors import InputError
from squadron.tracking.schema_lock import schema_lock, sqlite_file
from squadron.uris import hide_in_record, hide_secrets, secrets_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT_FOLDER = Path("runs")


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the sqlite store of this checkout, runs/mlflow.db."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{(DEFAULT_FOLDER / 'mlflow.db').resolve()}"


def shown_store() -> str:
    """The store's URI as people may see it: without user, password or token."""
    return hide_secrets(tracking_uri())


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns the many errors of a store that can't be used into one sentence.

    Raises:
        InputError: Naming the store, what went wrong and what to check.
    """
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (
        MlflowException,
        requests.exceptions.RequestException,
        sqlalchemy.exc.SQLAlchemyError,
        ModuleNotFoundError,
    ) as error:
        text = _hide_own_secrets(" ".join(str(error).split()))
        unreachable = "Max retries exceeded" in text or "onnection refused" in text
        reason = "it can't be reached" if unreachable else text[:300]
        raise InputError(
            f"The MLflow store {shown_store()} can't be used: {reason}. "
            f"Check that it runs and that {URI_VARIABLE} names it"
        ) from error


def connect() -> "MlflowClient":
    """A client of the store; the schema of a new sqlite or PostgreSQL store is made here.

    Raises:
        InputError: If the store can't be reached.
    """
    # A dead server would otherwise cost four minutes of retries before the first word.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow would print the address of a run with the user and password of the server's URI.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import logging

    # What the second one has to say is raised as well, and says it without the user's name.
    for noisy, level in (("alembic", "WARNING"), ("mlflow.store.db.utils", "CRITICAL")):
        logging.getLogger(noisy).setLevel(level)
    # A server that does not answer is asked again, and the warning names what it was asked for.
    logging.getLogger("urllib3.connectionpool").addFilter(hide_in_record)
    import mlflow

    uri = tracking_uri()
    file = sqlite_file(uri)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The MLflow store {shown_store()} can't be created: {error}"
            ) from None
    with explained(), schema_lock(uri):
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    return client


def has_store() -> bool:
    """Whether the store is there; whether a server is there is only known once it is asked."""
    file = sqlite_file(tracking_uri())
    return file is None or file.is_file()


def connect_existing() -> "MlflowClient":
    """As `connect`, for whoever looks for something: makes no store where there is none.

    Raises:
        InputError: If there is no store, or it can't be reached.
    """
    if not has_store():
        raise InputError(
            f"The MLflow store {shown_store()} does not exist; run `make run` first, go to the "
            f"folder where races ran, or let {URI_VARIABLE} name their store"
        )
    return connect()


def _hide_own_secrets(text: str) -> str:
    """Removes the secrets of the store's URI from a message, wherever it repeats them."""
    for secret in secrets_of(tracking_uri()):
        text = text.replace(secret, "***")
    return hide_secrets(text)
