"""Reads tables of questions and answers, as CSV, TSV or JSON lines, with or without contexts.

- Columns, in upper or lower case: `question`, `questions`, `query` or `q`; `answer`, `answers`,
  `response` or `a`; and, if wanted, `context`, `title`, `reasoning_type`, `id` and `answer_start`.
  If several columns of one meaning exist, the first one in this order counts. Other columns are
  ignored.
- Files with names that end in .jsonl or .ndjson have one JSON object per line, and files that end
  in .tsv or .tab have tabs between cells. All other files are CSV with commas. CSV and TSV need a
  header.

With a column `context`, each row has its own context:

- The rows of one question about one context are one example, with all their different answers.
- `answer_start` is the place of the answer in characters. Without it, an answer must stand in its
  context only once.
- An empty answer means that the question is not answered there.
- Without `id`, the id is made from question and context. Without `title`, the title is made from
  the context, so that the questions of a paragraph stay in one split.

Without a column `context`, all answers of the file form one context (`_faq.py`), and `id`, `title`
and `answer_start` are ignored. Such data must be split by question (`data -> split_by: question`).
If they were split by title, all of them would be in one split.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from squadron.config.parsing import parse_json, shorten
from squadron.data.sources import Answer, Example
from squadron.data.sources._faq import Pair, join_answers
from squadron.data.sources._records import check_labelled, make_id, make_title
from squadron.data.sources._text import has_lines, parse_lines, plain_name, read_head, read_lines
from squadron.errors import InputError

COLUMNS = {
    "question": ("question", "questions", "query", "q"),
    "answer": ("answer", "answers", "response", "a"),
    "context": ("context",),
    "title": ("title",),
    "reasoning_type": ("reasoning_type", "reasoning type", "reasoning"),
    "id": ("id",),
    "answer_start": ("answer_start",),
}
NEEDED = ("question", "answer")
SETTINGS = "data.source: table and, if it has no column 'context', data.split_by: question"
TABS = (".tsv", ".tab")
NOWHERE = -(1 << 30)
"""The start of an answer whose place is unknown. It is far from all places to which validation
would move an answer that occurs more than once."""
MOST_SHOWN = 20
"""Maximum number of columns that a message lists."""
# The limit of the csv module is 131,072 characters per cell, but an answer may be a document.
CELL_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True)
class _Row:
    """One row; "" for a column that does not exist, and None for a missing context."""

    line: int
    question: str
    answer: str
    context: str | None = None
    title: str = ""
    reasoning_type: str = ""
    id: str = ""
    answer_start: int | None = None


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all different questions of the file, in file order.

    Raises:
        InputError: If the file can't be read or lacks a column. The message names the file, the
            line and the columns that exist.
    """
    rows = list((_read_json_lines if has_lines(path) else _read_cells)(path))
    if any(row.context is not None for row in rows):
        yield from _read_contexts(path, rows)
    else:
        pairs = [
            Pair(row.line, row.question, row.answer.strip(), row.reasoning_type) for row in rows
        ]
        yield from join_answers(path, pairs)


def recognizes(path: Path) -> bool:
    """Says whether the first row of a file has columns of questions and answers."""
    try:
        # A file of another kind may be a single long line.
        first = read_head(path).partition("\n")[0]
        if has_lines(path):
            record = parse_json(first)
            # The records of other sources have lists of answers.
            is_row = isinstance(record, Mapping)
            names = [name for name in record if isinstance(record[name], str)] if is_row else []
        else:
            names = next(csv.reader([first], delimiter=_delimiter(path)), [])
        return bool(_find_columns(path, names))
    except (InputError, OSError, ValueError, csv.Error):
        return False


def _read_contexts(path: Path, rows: Sequence[_Row]) -> list[Example]:
    """Returns the examples of a table whose rows have contexts."""
    contexts: dict[str, str] = {}
    examples: dict[tuple[str, str, str, bool], Example] = {}
    for row in rows:
        context = contexts.setdefault(row.context or "", row.context or "")
        id_ = row.id or make_id(row.question, context)
        # A question that is answered in one row and not in another becomes two examples with one
        # id, of which validation rejects and counts the second.
        key = (id_, row.question, context, bool(row.answer))
        if key not in examples:
            examples[key] = Example(
                id_,
                row.title or make_title(context),
                row.question,
                context,
                is_impossible=not row.answer,
                where=f"{path}: line {row.line}",
            )
        example = examples[key]
        example.reasoning_type = example.reasoning_type or row.reasoning_type
        answer = Answer(row.answer, _find_start(row, context))
        if row.answer and answer not in example.answers:
            example.answers.append(answer)
    check_labelled(path, len(rows), any(example.answers for example in examples.values()))
    return list(examples.values())


def _find_start(row: _Row, context: str) -> int:
    if row.answer_start is not None:
        return row.answer_start
    start = context.find(row.answer)
    return start if context.find(row.answer, start + 1) < 0 else NOWHERE


def _delimiter(path: Path) -> str:
    return "\t" if plain_name(path).suffix.lower() in TABS else ","


def _read_cells(path: Path) -> Iterator[_Row]:
    """Yields the rows of CSV or TSV."""
    csv.field_size_limit(CELL_LIMIT)
    delimiter = _delimiter(path)
    kind, mark = ("TSV", "tabs") if delimiter == "\t" else ("CSV", "commas")
    reader = csv.reader(read_lines(path), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        columns = _find_columns(path, header)
        places = {column: header.index(name) for column, name in columns.items()}
        for cells in reader:
            if not cells:
                continue
            # One cell too many means a comma without quotes, which would cut the answer short.
            if len(cells) != len(header):
                raise InputError(
                    f"{path}: line {reader.line_num} has {len(cells)} cells, the header "
                    f"{len(header)}; put quotes around a cell that has {mark}"
                )
            values = {column: cells[place] for column, place in places.items()}
            yield _make_row(path, reader.line_num, values)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is not {kind}: {error}") from None


def _read_json_lines(path: Path) -> Iterator[_Row]:
    for number, record in parse_lines(path, read_lines(path)):
        if not isinstance(record, Mapping):
            raise InputError(f"{path}: line {number} is no object; one per line is needed")
        values = {}
        for column, name in _find_columns(path, list(record), f"line {number} of ").items():
            value = record[name]
            if value is None and column not in NEEDED:
                continue
            if column in ("id", "answer_start") and _is_small(value):
                value = str(value)
            if not isinstance(value, str):
                kind = type(value).__name__
                raise InputError(f"{path}: line {number}: {name!r} is {kind}, str is needed")
            values[column] = value
        yield _make_row(path, number, values)


def _is_small(value: object) -> bool:
    """Says whether a value is a whole number that can be printed."""
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128


def _make_row(path: Path, line: int, values: Mapping[str, str]) -> _Row:
    """Makes a row from the values of its columns."""
    given = values.get("answer_start", "").strip()
    # A start is a place in the context as it is, for the answer as it is.
    is_placed = "context" in values and given != ""
    if is_placed and not re.fullmatch(r"-?[0-9]{1,18}", given):
        raise InputError(
            f"{path}: line {line}: answer_start is {shorten(given)}; a whole number is needed"
        )
    answer = values["answer"]
    return _Row(
        line,
        values["question"].strip(),
        answer if is_placed and answer.strip() else answer.strip(),
        values.get("context"),
        values.get("title", "").strip(),
        values.get("reasoning_type", "").strip(),
        values.get("id", "").strip(),
        int(given) if is_placed else None,
    )


def _find_columns(path: Path, header: list[str], where: str = "") -> dict[str, str]:
    """Returns the columns that exist, with their names as the header spells them.

    Raises:
        InputError: If a column is missing that every table needs.
    """
    written = {name.strip().lower(): name for name in reversed(header)}
    found = {}
    for wanted, names in COLUMNS.items():
        name = next((written[name] for name in names if name in written), None)
        if name is not None:
            found[wanted] = name
        elif wanted in NEEDED:
            raise InputError(
                f"{where}{path} has no column {wanted!r} (or {', '.join(names[1:])}); there are: "
                f"{', '.join(map(shorten, header[:MOST_SHOWN])) or 'none'}"
            )
    return found
