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

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squadron.config import digest
from squadron.config.parsing import parse_json
from squadron.data.sources import Answer, Example
from squadron.data.sources._faults import Faults
from squadron.data.sources._fields import (
    check_type,
    get_answers,
    get_field,
    get_is_impossible,
    get_reasoning_type,
    is_object,
)
from squadron.data.sources._text import has_lines, plain_name, read_head, read_lines, read_text
from squadron.errors import InputError

SETTINGS = "data.source: flat"
REMEDY = "the flat layout needs these fields, of these types"
FIELDS = ("id", "title", "context", "question", "answers", "is_impossible", "reasoning_type")
BATCH_ROWS = 1024
"""The most rows of a Parquet file that are in memory as records."""


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
            return {"question", "context", "answers"} <= set(_open_parquet(path).schema_arrow.names)
        except InputError:
            return False
    head = read_head(path).lstrip()
    names = ('"question"', '"context"', '"answers"')
    return head[:1] in ("{", "[") and all(name in head for name in names) and '"qas"' not in head


def read_records(path: Path, records: Iterator[tuple[str, Any]]) -> Iterator[Example]:
    """Yields one example per record, in order.

    Args:
        path: What the records come from, for messages.
        records: (place in the file, record).

    Raises:
        InputError: If there are no records, a record lacks a field, or no record has an answer or
            says that there is none.
    """
    faults = Faults(path, REMEDY)
    contexts: dict[str, str] = {}
    count = labelled = 0
    for where, record in records:
        count += 1
        if not is_object(record, "question", where, faults):
            continue
        example = _read_record(record, where, faults)
        labelled += bool(example.answers) or record.get("is_impossible") is not None
        if not faults.count:
            example.where = f"{path}: {where}"
            # The same context is in memory once, however many records repeat it.
            example.context = contexts.setdefault(example.context, example.context)
            yield example
    faults.check()
    if not labelled:
        what = "no question has an answer" if count else "it has no records"
        raise InputError(
            f"The data file {path} can't be used: {what}; give records with answers, or with "
            "is_impossible: true if they have none"
        )


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
            yield from _read_json_lines(path, iter(text.split("\n")))
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


def _read_json_lines(path: Path, lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", parse_json(line)
        except ValueError as error:
            raise InputError(f"{path}: line {number} is not JSON: {error}") from None


def _is_parquet(path: Path) -> bool:
    if plain_name(path).suffix.lower() == ".parquet":
        return True
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _open_parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"The data file {path} is not Parquet: {_first_line(error)}") from None


def _read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa

    file = _open_parquet(path)
    columns = [name for name in FIELDS if name in file.schema_arrow.names]
    row = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            for record in batch.to_pylist():
                row += 1
                yield f"row {row}", record
    # UnicodeDecodeError is a ValueError.
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise InputError(
            f"The data file {path} can't be read after row {row}: {_first_line(error)}; write it "
            "again"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _read_record(record: dict[str, Any], where: str, faults: Faults) -> Example:
    # A column of a table is null where a record has no such field.
    optional = ("id", "title", "is_impossible")
    given = {k: v for k, v in record.items() if not (v is None and k in optional)}
    context = get_field(given, "context", str, where, faults)
    question = get_field(given, "question", str, where, faults)
    answers = _read_answers(given, where, faults)
    return Example(
        id=_read_id(given, where, faults) if "id" in given else _digest(question, context),
        title=_read_title(given, where, faults) or f"context {_digest(context)}",
        question=question,
        context=context,
        answers=answers,
        reasoning_type=get_reasoning_type(given, where, faults),
        is_impossible=(
            get_is_impossible(given, where, faults) if "is_impossible" in given else not answers
        ),
    )


def _digest(*texts: str) -> str:
    """Returns a digest also of texts with half a surrogate pair, which validation rejects."""
    return digest(*(text.encode(errors="backslashreplace").decode() for text in texts))


def _read_id(record: dict[str, Any], where: str, faults: Faults) -> str:
    number = record["id"]
    # Python refuses to print whole numbers of more than 4,300 digits.
    if isinstance(number, int) and not isinstance(number, bool) and number.bit_length() <= 128:
        return str(number)
    return get_field(record, "id", str, where, faults)


def _read_title(record: dict[str, Any], where: str, faults: Faults) -> str:
    return get_field(record, "title", str, where, faults) if "title" in record else ""


def _read_answers(record: dict[str, Any], where: str, faults: Faults) -> list[Answer]:
    """Reads {"text": [...], "answer_start": [...]}, or a list of {"text", "answer_start"}."""
    given = record.get("answers")
    if given is None and record.get("is_impossible") is True:
        return []
    if not isinstance(given, dict):
        return get_answers(record, where, faults)
    place = f"{where}.answers"
    texts = get_field(given, "text", list, place, faults)
    starts = get_field(given, "answer_start", list, place, faults)
    if len(texts) != len(starts):
        shown = f"{place} has {len(texts)} texts and {len(starts)} starts"
        faults.note("as many texts as starts", shown)
        return []
    return [
        Answer(
            check_type(text, "text", str, f"{place}.text[{n}]", faults),
            check_type(start, "answer_start", int, f"{place}.answer_start[{n}]", faults),
        )
        for n, (text, start) in enumerate(zip(texts, starts, strict=True))
    ]
