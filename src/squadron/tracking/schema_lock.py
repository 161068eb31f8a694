"""A lock for the time in which a database gets MLflow's tables.

Two processes that make the tables of one new database at the same moment both fail: MLflow makes
them without a lock. An MLflow server makes them once, before it answers, and needs none of this.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

SQLITE = "sqlite:///"
_POSTGRES_LOCK = 0x5351_5541_4452_4F4E
"""The number of PostgreSQL's advisory lock: "SQUADRON" as eight bytes."""
_ready: set[str] = set()
"""Stores whose tables this process has seen."""


def sqlite_file(uri: str) -> Path | None:
    """The file of a sqlite store; None for another store or one in memory."""
    path = uri.removeprefix(SQLITE).partition("?")[0]
    return Path(path) if uri.startswith(SQLITE) and path else None


@contextlib.contextmanager
def schema_lock(uri: str) -> Iterator[None]:
    """Lets one process at a time make the tables of a sqlite or PostgreSQL database.

    The first use of a store in a process waits for its turn; later uses cost nothing.

    Args:
        uri: Of the store; nothing is locked for a server.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: If the database can't be reached.
    """
    file = sqlite_file(uri)
    if uri in _ready and (file is None or file.exists()):
        yield
        return
    if file is not None:
        with _locked_beside(file):
            yield
    elif uri.startswith("postgres"):
        with _locked_in_postgres(uri):
            yield
    else:
        yield
    _ready.add(uri)


@contextlib.contextmanager
def _locked_beside(file: Path) -> Iterator[None]:
    # The system releases the lock of a process that is killed; the empty file may stay.
    lock = file.with_name(f"{file.name}.lock")
    try:
        stream = lock.open("ab")
    except OSError:
        # Nobody can make tables in a folder that can't be written to; reading still works.
        yield
        return
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _locked_in_postgres(uri: str) -> Iterator[None]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    # The end of the transaction releases the lock, also where the process is killed.
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _POSTGRES_LOCK}
        )
        yield
