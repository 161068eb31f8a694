"""The MLflow store: where it is, how to connect to it, and its errors in one sentence.

Every other module of this package, and the registry, reaches MLflow through `connect`.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from squadron.errors import InputError
from squadron.runs_folder.places import RUNS
from squadron.tracking.schema_lock import schema_lock, sqlite_file
from squadron.uris import hide_in_record, hide_secrets, secrets_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"
_named_by = ContextVar("_named_by", default=URI_VARIABLE)
"""What names the present store, in messages."""
OTHER_STORE = "--to-registry"
"""What names the store that `use_store` uses, in messages."""
_CREDENTIALS = ("USERNAME", "PASSWORD", "TOKEN")
DEFAULT_FOLDER = RUNS
"""The folder of the sqlite store that is used without MLFLOW_TRACKING_URI."""


def tracking_uri() -> str:
    """Returns MLFLOW_TRACKING_URI, or the sqlite store runs/mlflow.db of the working directory."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{(DEFAULT_FOLDER / 'mlflow.db').resolve()}"


def shown_store() -> str:
    """Returns the store's URI without user, password or token, so that it can be shown."""
    return hide_secrets(tracking_uri())


@contextlib.contextmanager
def use_store(uri: str) -> Iterator[None]:
    """Uses another MLflow store inside the block, as if MLFLOW_TRACKING_URI named it.

    The user, password and token of the environment are not sent to the other store. Its own are in
    its URI, or in SQUADRON_REGISTRY_USERNAME, SQUADRON_REGISTRY_PASSWORD and
    SQUADRON_REGISTRY_TOKEN.

    Args:
        uri: The other store, as MLflow names it.
    """
    changes: dict[str, str | None] = {URI_VARIABLE: uri, "MLFLOW_REGISTRY_URI": None}
    for name in _CREDENTIALS:
        changes[f"MLFLOW_TRACKING_{name}"] = os.environ.get(f"SQUADRON_REGISTRY_{name}")
    before = {name: os.environ.get(name) for name in changes}
    _set_variables(changes)
    token = _named_by.set(OTHER_STORE)
    try:
        yield
    finally:
        _named_by.reset(token)
        _set_variables(before)
        if "mlflow" in sys.modules:  # Calls without a client must not reach the other store.
            sys.modules["mlflow"].set_tracking_uri(tracking_uri())


def _set_variables(values: Mapping[str, str | None]) -> None:
    """Sets variables of the environment; None removes one."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns every error of a store that can't be used into one sentence.

    Raises:
        InputError: If the store can't be used. It names the store, the reason and what to check.
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
            f"Check that it runs and that {_named_by.get()} names it"
        ) from error


def connect() -> "MlflowClient":
    """Returns a client of the store; creates the tables of a new sqlite or PostgreSQL store.

    Raises:
        InputError: If the store can't be reached.
    """
    configure_mlflow()
    import mlflow

    uri = tracking_uri()
    _create_sqlite_folder(uri)
    with explained(), schema_lock(uri):
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()
        # A client of a sqlite store has opened it by now; one of a server has asked nothing yet.
        if sqlite_file(uri) is None:
            client.search_experiments(max_results=1)
    return client


def configure_mlflow() -> None:
    """Limits what MLflow prints, logs and waits for; settings of the environment stay.

    MLflow reads some of these variables when it is imported, so this is called before, also by
    launch/preloaded.py.
    """
    # With MLflow's defaults, a dead server costs four minutes of retries before the first message.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow would print the address of a run with the user and password of the server's URI.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # MLflow would draw a bar on stderr for each download, however small.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow also raises what its database module logs. The log has the user's name in it.
    for noisy, level in (("alembic", logging.WARNING), ("mlflow.store.db.utils", logging.CRITICAL)):
        log = logging.getLogger(noisy)
        if log.level != level:  # To set a level makes every logger of the process forget its own.
            log.setLevel(level)
    # The warning about a retried request holds the request's URL.
    logging.getLogger("urllib3.connectionpool").addFilter(hide_in_record)


def _create_sqlite_folder(uri: str) -> None:
    """Creates the folder of a sqlite store's file; does nothing for other stores.

    Raises:
        InputError: If the folder can't be created.
    """
    file = sqlite_file(uri)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The MLflow store {shown_store()} can't be created: {error}") from None


def has_store() -> bool:
    """Says whether the sqlite store exists; always True for a server, which is not asked."""
    file = sqlite_file(tracking_uri())
    return file is None or file.is_file()


def connect_existing() -> "MlflowClient":
    """Returns a client of a store that exists; unlike `connect`, it never creates one.

    Raises:
        InputError: If there is no store, or it can't be reached.
    """
    if not has_store():
        raise InputError(
            f"The MLflow store {shown_store()} does not exist; "
            + (
                "run `make run` first, go to the folder where races ran, or let "
                f"{URI_VARIABLE} name their store"
                if _named_by.get() == URI_VARIABLE
                else f"let {_named_by.get()} name one that does"
            )
        )
    return connect()


def read_all(read: Callable[[str | None], Any]) -> list[Any]:
    """Returns the results of all pages of a search.

    Args:
        read: Searches; its argument is the token of a page, None for the first one.
    """
    found, token = [], None
    while token != "":
        page = read(token)
        found += list(page)
        token = page.token or ""
    return found


def _hide_own_secrets(text: str) -> str:
    """Removes the secrets of the store's URI from a message, wherever they occur in it."""
    for secret in secrets_of(tracking_uri()):
        text = text.replace(secret, "***")
    return hide_secrets(text)
