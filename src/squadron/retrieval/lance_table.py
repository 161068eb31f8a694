"""The table of an index in LanceDB: where it is, its columns, and clear messages for its errors."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from squadron import storage
from squadron.artifacts import PASSAGES
from squadron.config import from_json, to_json
from squadron.documents import passage_table
from squadron.documents.passages import Passage
from squadron.errors import InputError
from squadron.retrieval.index_record import IndexSettings
from squadron.uris import hide_secrets

TABLE = "passages"
"""The name of the table in the folder of an index."""
SEARCHED = "searched"
"""The column with the words that full-text search finds: the section and the text."""
_SETTINGS = b"squadron.index"
"""The key of the settings in the metadata of the table's schema."""
MOST_ATTEMPTS = 5
"""How often a commit is tried that another process may have come before."""
_LANGUAGE = "English"
"""The language whose stop words are left out and whose words are stemmed."""


@contextlib.contextmanager
def sentences(place: str, verb: str) -> Iterator[None]:
    """Turns the errors of LanceDB into InputErrors; `verb` is "read" or "written"."""
    try:
        yield
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            hide_secrets(
                f"The index {place} can't be {verb}: {lines[0].rstrip('.')}. Check the place and "
                "its rights, or build the index again in another folder"
            )
        ) from error


def open_table(place: str) -> tuple[Any, IndexSettings] | None:
    """Returns the table of an index and its settings; None if there is no index.

    Raises:
        InputError: If the place can't be read, or holds a table that is no index.
    """
    # LanceDB would create the folder.
    if not storage.is_remote(place) and not Path(place).is_dir():
        return None
    with sentences(place, "read"):
        database = _connect(place)
        if TABLE not in database.list_tables().tables:
            return None
        table = database.open_table(TABLE)
        metadata = table.schema.metadata or {}
        if _SETTINGS not in metadata:
            raise InputError(f"The table in {place} is no index of Squadron; name another place")
        return table, from_json(IndexSettings, metadata[_SETTINGS].decode())


def create_table(place: str, settings: IndexSettings) -> tuple[Any, IndexSettings]:
    """Creates the empty table of an index; if another process was faster, opens its table.

    Raises:
        InputError: If the place can't be written.
    """
    columns = [
        *(field.with_nullable(False) for field in PASSAGES),
        pa.field("document_digest", pa.string(), nullable=False),
        pa.field(SEARCHED, pa.string(), nullable=False),
        *(pa.field(p, pa.list_(pa.float32(), settings.dimension)) for p in settings.poolings),
    ]
    schema = pa.schema(columns, metadata={_SETTINGS: to_json(settings).encode()})
    with sentences(place, "written"):
        try:
            table = _connect(place).create_table(TABLE, schema=schema)
        except ValueError:
            opened = open_table(place)
            if opened is None:
                raise
            return opened
    return table, settings


def add_full_text(table: Any) -> None:
    """Adds the full-text index to a table that does not have it.

    It is made while the table is empty. LanceDB also searches rows that it does not hold yet.
    """
    from lancedb.index import FTS

    for attempt in range(MOST_ATTEMPTS):
        # Another process may have made it since this one opened the table, or may be making it.
        table.checkout_latest()
        if any(SEARCHED in index.columns for index in table.list_indices()):
            return
        try:
            table.create_index(SEARCHED, config=FTS(language=_LANGUAGE))
        except RuntimeError:
            if attempt == MOST_ATTEMPTS - 1:
                raise


def to_row(passage: Passage, document_digest: str) -> dict[str, object]:
    """Returns the columns of a passage, without its vectors."""
    return {
        **passage_table.to_row(passage),
        "document_digest": document_digest,
        SEARCHED: searched_text(passage),
    }


def searched_text(passage: Passage) -> str:
    """Returns what both kinds of search read of a passage: the heading, if any, and the text."""
    return f"{passage.section}. {passage.text}" if passage.section else passage.text


def is_one_of(column: str, values: Iterable[str]) -> str:
    """Returns the SQL condition that a column has one of some values."""
    quoted = ", ".join("'{}'".format(value.replace("'", "''")) for value in values)
    return f"{column} IN ({quoted})"


def _connect(place: str) -> Any:
    """Connects to the folder or S3 prefix of an index."""
    import lancedb

    if not storage.is_remote(place):
        return lancedb.connect(place)
    # LanceDB itself reads the credentials and the region from the AWS variables.
    endpoint = storage.read_settings().endpoint_url
    options = {"aws_endpoint": endpoint} if endpoint else {}
    if endpoint and endpoint.startswith("http://"):
        options["allow_http"] = "true"
    return lancedb.connect(place, storage_options=options)
