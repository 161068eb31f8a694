"""Writes and reads tables: Parquet files, and Arrow files for windows."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from squadron.artifacts.contexts import MOST_TEXT_BYTES, group_by_contexts
from squadron.artifacts.files import Artifact, check_artifact, written_whole
from squadron.artifacts.schemas import EXAMPLES
from squadron.errors import InputError

PART_ROWS = 65_536
"""Rows of a part, where a table is read part by part."""


def write_table(path: Path, table: pa.Table, *, schema: str, made_from: str) -> None:
    """Writes a Parquet table; its metadata hold `schema` and `made_from`.

    Examples are written in groups of rows, so that a reader needs little memory for their contexts.
    """
    is_of_examples = table.schema.equals(EXAMPLES)
    with written_in_parts(
        path, table.schema, schema=schema, made_from=made_from, compression="zstd"
    ) as add:
        for group in group_by_contexts(table) if is_of_examples else [table]:
            add(group)


@contextlib.contextmanager
def written_in_parts(
    path: Path,
    columns: pa.Schema,
    *,
    schema: str,
    made_from: str,
    compression: str = "snappy",
) -> Iterator[Callable[[pa.Table], None]]:
    """Yields a function that adds rows to a Parquet table, for tables with rows for each window.

    Args:
        path: The file.
        columns: Of the table.
        schema: Name and version of the schema.
        made_from: Digest of what the table is made from.
        compression: One that Parquet knows; "snappy" is fast, "zstd" small.
    """
    about = {"squadron.schema": schema, "squadron.made_from": made_from}
    with (
        written_whole(path) as temporary,
        pq.ParquetWriter(
            temporary,
            columns.with_metadata(about),
            compression=compression,
            # Above this limit, Parquet writes a text again for every row that has it.
            dictionary_pagesize_limit=MOST_TEXT_BYTES,
        ) as writer,
    ):
        yield lambda rows: writer.write_table(rows.replace_schema_metadata(about))


def read_table(path: Path, *, schema: str, made_from: str | None = None) -> pa.Table:
    """Reads a Parquet table.

    Raises:
        InputError: If the file is missing, damaged, of another schema, or not made from `made_from`
            (where given).
    """
    if not path.is_file():
        raise InputError(f"The file {path} does not exist; run the step that makes it")
    try:
        table = pq.read_table(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"The file {path} is not a readable Parquet file: {error}") from None
    check_artifact(path, _about(table.schema), schema, made_from)
    return table


def read_origin(path: Path, *, schema: str) -> str:
    """Returns what a Parquet table was made from, without reading its rows.

    Raises:
        InputError: If the file is missing, damaged or of another schema.
    """
    with _opened(path) as file:
        about = _about(file.schema_arrow)
        check_artifact(path, about, schema, None)
        return about.made_from


def read_parts(
    path: Path,
    *,
    schema: str,
    made_from: str | None = None,
    columns: Sequence[str] | None = None,
    rows: int = 0,
    encode_texts: bool = True,
) -> Iterator[pa.Table]:
    """Yields the parts of a Parquet table, for tables with rows for each window.

    Args:
        path: The file.
        schema: The schema that is needed.
        made_from: What the table must be made from; None accepts anything.
        columns: The columns to read; None reads all.
        rows: The most rows of a part; 0 means `PART_ROWS`.
        encode_texts: Whether columns of text are dictionary-encoded, which is small and fast for
            repeated texts.

    Raises:
        InputError: For the same reasons as `read_table`, when the first part is read. If a later
            part is damaged, when that part is read.
    """
    with _opened(path) as file:
        texts = [field.name for field in file.schema_arrow if field.type == pa.string()]
        check_artifact(path, _about(file.schema_arrow), schema, made_from)
    with _opened(path, texts if encode_texts else None) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(rows or PART_ROWS, [group], columns):
                yield pa.Table.from_batches([batch])


@contextlib.contextmanager
def _opened(path: Path, encoded: Sequence[str] | None = None) -> Iterator[pq.ParquetFile]:
    """Opens a Parquet file, and explains what can't be read of it.

    Args:
        path: The file.
        encoded: Columns of text that are read dictionary-encoded.
    """
    if not path.is_file():
        raise InputError(f"The file {path} does not exist; run the step that makes it")
    try:
        with pq.ParquetFile(path, read_dictionary=encoded) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"The file {path} is not a readable Parquet file: {error}") from None


def write_windows(path: Path, table: pa.Table, *, about: dict[str, str]) -> None:
    """Writes windows as an uncompressed Arrow file, which readers can memory-map.

    Args:
        path: The file.
        table: A table of schema `WINDOWS`.
        about: Further metadata.
    """
    with written_whole(path) as temporary:
        schema = table.schema.with_metadata({"squadron.schema": "windows/2", **about})
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(table.replace_schema_metadata(schema.metadata))


def read_windows(path: Path) -> pa.Table:
    """Memory-maps windows, so that only the parts that are used are read.

    Raises:
        InputError: If the file is missing, damaged or of another schema.
    """
    if not path.is_file():
        raise InputError(f"The file {path} does not exist; run the step that makes it")
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"The file {path} is not a readable Arrow file: {error}") from None
    about = table.schema.metadata or {}
    schema = about.get(b"squadron.schema", b"").decode()
    check_artifact(path, Artifact(schema, ""), "windows/2", None)
    return table


def _about(schema: pa.Schema) -> Artifact:
    """Returns what the metadata of a table say."""
    about = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    return Artifact(about.get("squadron.schema", ""), about.get("squadron.made_from", ""))
