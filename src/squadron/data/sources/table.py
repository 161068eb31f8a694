"""Tables of question/answer pairs, CSV or JSON lines, that come without a context.

All answers of a file, one per line, are the one context that its questions share, under one title;
windows have to find the right one. So split such data by question (`data -> split_by: question`):
by title, all of it would be in one split.

- Columns, in any case: `question`, `questions`, `query` or `q`; `answer`, `answers`, `response` or
  `a`. Of several that mean the same, the first of these counts; other columns are ignored.
- A file whose name ends in .jsonl or .ndjson holds one JSON object per line, any other is CSV with
  commas and a header.
- Equal answers stand in the context once and share that position. A question asked twice is one
  example, with every different answer as a gold answer; the first one trains.
- An example's id is made of the question, so it keeps its split when rows are added or moved.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from squadron.config import digest
from squadron.config.parsing import parse_json, shorten
from squadron.data.sources import HEAD_CHARS, Answer, Example
from squadron.errors import InputError

COLUMNS = {
    "question": ("question", "questions", "query", "q"),
    "answer": ("answer", "answers", "response", "a"),
}
SETTINGS = "data.source: table and data.split_by: question"
SEPARATOR = "\n"
LINES = (".jsonl", ".ndjson")
MOST_SHOWN = 20
"""Columns that a message names."""
# The csv module's own limit is 131,072 characters a cell: an answer may be a document.
CELL_LIMIT = 16 * 1024 * 1024


def read_examples(path: Path) -> Iterator[Example]:
    """Yields every different question of the file, in file order.

    Raises:
        InputError: If the file can't be read or has not the columns; the message names the file,
            the line and the columns there are.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            is_lines = path.suffix.lower() in LINES
            rows = list((_read_json_lines if is_lines else _read_csv)(path, file))
    except FileNotFoundError:
        raise InputError(
            f"The data file {path} does not exist; check data -> train, train_only and test"
        ) from None
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have
        raise InputError(f"The data file {str(path)!r} can't be read: {error}") from None
    if not rows:
        raise InputError(f"The data file {path} has no rows; give question/answer pairs")
    start_of: dict[str, int] = {}
    length = 0
    for _, _, answer in rows:
        if answer and answer not in start_of and _is_whole(answer):
            start_of[answer] = length
            length += len(answer) + len(SEPARATOR)
    context = SEPARATOR.join(start_of)
    examples: dict[str, Example] = {}
    for line, question, answer in rows:
        where = f"{path}: line {line}"
        # What can't be an example is handed on by itself, to be counted with its reason.
        if not question or not answer or not _is_whole(question + answer):
            examples[where] = Example(
                f"line-{line}",
                path.stem,
                question,
                answer or context or "-",
                [Answer(answer, 0)],
                where=where,
            )
            continue
        given = Answer(answer, start_of[answer])
        example = examples.setdefault(
            question, Example(digest(question), path.stem, question, context, where=where)
        )
        if given not in example.answers:
            example.answers.append(given)
    yield from examples.values()


def recognizes(path: Path) -> bool:
    """Says whether the first row of a file has columns of questions and answers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # A file of another kind may be one line.
            first = file.readline(HEAD_CHARS)
        if path.suffix.lower() in LINES:
            record = parse_json(first)
            names = list(record) if isinstance(record, Mapping) else []
        else:
            names = next(csv.reader([first]), [])
        return bool(_find_columns(path, names))
    except (InputError, OSError, ValueError, csv.Error):
        return False


def _read_csv(path: Path, file: Any) -> Iterator[tuple[int, str, str]]:
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        names = _find_columns(path, header)
        places = [header.index(name) for name in names]
        for cells in reader:
            if not cells:
                continue
            # One cell too many is an answer with a comma and no quotes: it would be cut short.
            if len(cells) != len(header):
                raise InputError(
                    f"{path}: line {reader.line_num} has {len(cells)} cells, the header "
                    f"{len(header)}; put quotes around a cell that has commas"
                )
            question, answer = (cells[place].strip() for place in places)
            yield reader.line_num, question, answer
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is not CSV: {error}") from None


def _read_json_lines(path: Path, file: Any) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            raise InputError(f"{path}: line {number} is not JSON: {error}") from None
        if not isinstance(record, Mapping):
            raise InputError(f"{path}: line {number} is no object; one per line is needed")
        values = []
        for name in _find_columns(path, list(record), f"line {number} of "):
            if not isinstance(record[name], str):
                kind = type(record[name]).__name__
                raise InputError(f"{path}: line {number}: {name!r} is {kind}, str is needed")
            values.append(record[name].strip())
        yield number, values[0], values[1]


def _find_columns(path: Path, header: list[str], where: str = "") -> list[str]:
    """The names, as the header writes them, of question and answer."""
    written = {name.strip().lower(): name for name in reversed(header)}
    found = []
    for wanted, names in COLUMNS.items():
        name = next((written[name] for name in names if name in written), None)
        if name is None:
            raise InputError(
                f"{where}{path} has no column {wanted!r} (or {', '.join(names[1:])}); there are: "
                f"{', '.join(map(shorten, header[:MOST_SHOWN])) or 'none'}"
            )
        found.append(name)
    return found


def _is_whole(text: str) -> bool:
    """Whether no half of a surrogate pair is in it, which JSON can write and nothing can store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
