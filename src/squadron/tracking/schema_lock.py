"""The creation of MLflow's tables in a new database, and a lock for it.

MLflow creates the tables without a lock, so two processes that do this in the same database at the
same time both fail. An MLflow server creates them before it answers and needs no lock.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SQLITE = "sqlite:///"
_POSTGRES_LOCK = 0x5351_5541_4452_4F4E
"""The number of the advisory lock in PostgreSQL: "SQUADRON" as eight bytes."""
_ready: set[str] = set()
"""The stores whose tables exist, as far as this process knows."""


def sqlite_file(uri: str) -> Path | None:
    """Returns the file of a sqlite store; None for any other store and for one in memory."""
    path = uri.removeprefix(SQLITE).partition("?")[0]
    return Path(path) if uri.startswith(SQLITE) and path else None


@contextlib.contextmanager
def schema_lock(uri: str) -> Iterator[None]:
    """Lets one process at a time create the tables of a sqlite or PostgreSQL database.

    A process waits for the lock when it first uses a store; later uses cost nothing.

    Args:
        uri: The URI of the store. Nothing is locked for a server.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: If the database can't be reached.
    """
    file = sqlite_file(uri)
    if uri in _ready and (file is None or file.exists()):
        yield
        return
    if file is not None:
        with _locked_beside(file) as is_writable:
            if is_writable and not file.exists():
                _create_tables(file)
            yield
    elif uri.startswith("postgres"):
        with _locked_in_postgres(uri):
            yield
    else:
        yield
    _ready.add(uri)


@contextlib.contextmanager
def _locked_beside(file: Path) -> Iterator[bool]:
    """Locks a file beside a sqlite database; the empty file stays there.

    Yields:
        Whether the folder can be written to.
    """
    # The system releases the lock of a process that is killed.
    lock = file.with_name(f"{file.name}.lock")
    try:
        stream = lock.open("ab")
    except OSError:
        # In a folder that can't be written to, no tables are created; reading needs no lock.
        yield False
        return
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield True


def _create_tables(file: Path) -> None:
    """Creates a sqlite database with MLflow's tables. The file appears whole.

    MLflow would wait for the disk after each of its 70 changes of the schema, which takes seconds.
    Here the file is written once, and it gets its name at the end.

    Args:
        file: The database, which does not exist. The caller holds the lock.
    """
    import sqlalchemy
    from mlflow.store.db import utils

    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)  # A process that was killed may have left it.
    engine = sqlalchemy.create_engine(f"{SQLITE}{new}", poolclass=sqlalchemy.pool.NullPool)

    @sqlalchemy.event.listens_for(engine, "connect")
    def stop_waiting(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    initialize: Any = utils._initialize_tables  # It has no types.
    initialize(engine)
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    new.replace(file)


@contextlib.contextmanager
def _locked_in_postgres(uri: str) -> Iterator[None]:
    """Takes an advisory lock of a PostgreSQL database for one transaction."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    # The end of the transaction releases the lock, also if the process is killed.
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _POSTGRES_LOCK}
        )
        yield
