"""Reads one record per question, each with its context, as data sets of Hugging Face have them.

A record is {"id", "title", "context", "question", "answers": {"text": [...], "answer_start":
[...]}}. `answers` may also be a list of {"text", "answer_start"}. The fields `is_impossible` and
`reasoning_type` are optional.

- A file is JSON (a list of records, or {"data": [records]}), JSON lines or Parquet.
- A record without answers is unanswerable, unless it says `is_impossible: false`.
- Without `id`, the id is made from question and context. Without `title`, the title is made from
  the context, so that the questions of a paragraph stay in one split.

Source: the data set `rajpurkar/squad_v2` of the Hugging Face hub.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from squadron.config.parsing import parse_json
from squadron.data.sources import Example
from squadron.data.sources._records import BATCH_ROWS, FIELDS, first_line, read_records
from squadron.data.sources._text import (
    has_lines,
    parse_lines,
    plain_name,
    read_head,
    read_lines,
    read_text,
)
from squadron.errors import InputError

SETTINGS = "data.source: flat"


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all questions of the file, in file order.

    Raises:
        InputError: If the file can't be read, is not in one of the layouts, or has no answer at
            all. The message names the file and all kinds of faults, each with its first record and
            field.
    """
    yield from read_records(path, _open_records(path))


def recognizes(path: Path) -> bool:
    """Says whether the beginning of a file, or the columns of a Parquet file, look like records."""
    if path.is_file() and _is_parquet(path):
        try:
            return {"question", "context", "answers"} <= set(_open_parquet(path)[1])
        except InputError:
            return False
    head = read_head(path).lstrip()
    names = ('"question"', '"context"', '"answers"')
    return head[:1] in ("{", "[") and all(name in head for name in names) and '"qas"' not in head


def _open_records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields (place, record) of a file of any of the layouts."""
    if path.is_file() and _is_parquet(path):
        return _read_parquet(path)
    if has_lines(path):
        return _read_json_lines(path, read_lines(path))
    return _read_json(path)


def _read_json(path: Path) -> Iterator[tuple[str, Any]]:
    text = read_text(path)
    try:
        content = parse_json(text)
    except ValueError as error:
        # `Dataset.to_json` writes JSON lines, and many people name such a file .json.
        first, _, rest = text.strip().partition("\n")
        if rest and _is_record(first):
            yield from _read_json_lines(path, text.split("\n"))
            return
        raise InputError(f"The data file {path} is not JSON: {error}") from None
    del text
    place = ""
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content, place = content["data"], "data"
    elif isinstance(content, dict) and "question" in content:
        content = [content]
    if not isinstance(content, list):
        raise InputError(
            f"The data file {path} is not in the flat layout: a list of records, an object with "
            'the list "data", or one record per line is needed'
        )
    yield from ((f"{place}[{number}]", record) for number, record in enumerate(content))


def _is_record(line: str) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except ValueError:
        return False


def _read_json_lines(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    yield from ((f"line {number}", record) for number, record in parse_lines(path, lines))


def _is_parquet(path: Path) -> bool:
    if plain_name(path).suffix.lower() == ".parquet":
        return True
    with contextlib.suppress(OSError), path.open("rb") as file:  # who reads the file reports it
        return file.read(4) == b"PAR1"
    return False


def _open_parquet(path: Path) -> tuple[Any, list[str]]:
    """Returns the file and the names of its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        return file, file.schema_arrow.names
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise InputError(f"The data file {path} is not Parquet: {first_line(error)}") from None


def _read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa

    file, names = _open_parquet(path)
    columns = [name for name in FIELDS if name in names]
    row = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            for record in batch.to_pylist():
                row += 1
                yield f"row {row}", record
    # UnicodeDecodeError is a ValueError.
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise InputError(
            f"The data file {path} can't be read after row {row}: {first_line(error)}; write it "
            "again"
        ) from None
